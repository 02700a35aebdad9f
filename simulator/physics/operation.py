"""The states of n machines (off, idle, set-up, running, fault, maintenance) and the only ways between them.

Stops come at random with the mean time between them (exponential), last a log-normal repair time, and one
in four ends in maintenance; a machine may also trip (its own physics found a limit passed) or ask for a
set-up. Under a low voltage every machine stands idle until it is back, as drives and contactors do (Bollen,
Understanding Power Quality Problems, ch. 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.physics.alarms import FIRST_BY_CHANCE
from simulator.physics.machine import Fleet, State
from simulator.physics.noise import Array
from simulator.physics.signals import Bools, all_of, any_of, chance
from simulator.physics.utility import NOMINAL, Utility

LEGAL: Mapping[State, frozenset[State]] = {
    State.OFF: frozenset({State.IDLE}),
    State.IDLE: frozenset({State.OFF, State.RUNNING, State.FAULT}),
    State.SETUP: frozenset({State.IDLE}),
    State.RUNNING: frozenset({State.IDLE, State.SETUP, State.FAULT}),
    State.FAULT: frozenset({State.IDLE, State.MAINTENANCE}),
    State.MAINTENANCE: frozenset({State.IDLE}),
}

Codes = NDArray[np.int64]

# plain numbers: numpy takes ten times as long to compare an array with the member of an enum
OFF, IDLE, SETUP, RUNNING, FAULT, MAINTENANCE = map(int, State)

NO_SUPPLY = 4  # alarm
VOLTAGE = NOMINAL[Utility.ELECTRICITY]
LOWEST_VOLTAGE = 0.8 * VOLTAGE  # V between phases at which drives still run


class Operation:
    """States of one model's machines.

    `state` and `alarm` have shape (n,). Alarms under 10 are reasons for which a machine waits (1 no parts, 2
    no room, 3 break, 4 a supply is missing, 5 it heats up); see `alarms` for the others.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        stops: int,
        hours_between_stops: float,
        repair_minutes: float,
        setup_minutes: float = 10.0,
    ) -> None:
        """`stops`: how many kinds of stop by chance the model knows, alarms from FIRST_BY_CHANCE on."""
        self._noise = fleet.noise
        self._stops = stops
        self._between = (
            fleet.parameter("hours_between_stops", hours_between_stops, minimum=0.01, maximum=1e9) * 3600.0
        )
        self._repair = fleet.parameter("repair_minutes", repair_minutes, minimum=0.0, maximum=1e5) * 60.0
        self._setup = fleet.parameter("setup_minutes", setup_minutes, minimum=0.0, maximum=1e5) * 60.0
        self.state: Codes = np.full(fleet.n, RUNNING, dtype=np.int64)
        self.alarm: Codes = np.zeros(fleet.n, dtype=np.int64)
        self._left = np.zeros(fleet.n)

    @property
    def running(self) -> Bools:
        return np.equal(self.state, RUNNING)

    @property
    def in_setup(self) -> Bools:
        return np.equal(self.state, SETUP)

    @property
    def faulty(self) -> Bools:
        return np.equal(self.state, FAULT)

    def step(
        self,
        dt: float,
        *,
        on: Bools,
        voltage: Array | float = VOLTAGE,
        wait: Codes | int = 0,
        trip: Codes | int = 0,
        setup: Bools | bool = False,
    ) -> None:
        """Advances by dt. on: switched on; voltage: between phases; wait: code under 10 to stand idle for;
        trip: alarm code; setup: wanted now.
        """
        old = self.state
        wait = np.where(voltage < LOWEST_VOLTAGE, NO_SUPPLY, wait)
        self._left = np.maximum(self._left - dt, 0.0)
        draw = self._noise.uniform()
        waiting, tripped = np.greater(wait, 0), np.greater(trip, 0)
        running = np.equal(old, RUNNING)
        stopped = running & chance(self._noise, 1.0 / self._between, dt)
        spread = self._noise.normal()  # of whatever begins now
        if all_of(running & on & ~(stopped | waiting | tripped | setup)):
            return  # all go on running; every draw was made, so that the streams stay in step

        idle, in_setup, fault, off = (np.equal(old, code) for code in (IDLE, SETUP, FAULT, OFF))
        maintained = np.equal(old, MAINTENANCE)
        over = self._left <= 0.0
        code = np.where(tripped, trip, FIRST_BY_CHANCE + (draw * self._stops).astype(np.int64))
        faulty = stopped | ((running | idle) & tripped)
        into_setup = running & setup & on & ~waiting
        repaired = fault & over

        new = old.copy()
        new[off & on] = IDLE
        new[idle & on & ~waiting] = RUNNING
        new[idle & ~on] = OFF
        new[running & (~on | waiting)] = IDLE
        new[into_setup] = SETUP
        new[(in_setup | maintained | repaired) & over] = IDLE
        new[repaired & (draw < 0.25)] = MAINTENANCE
        new[faulty] = FAULT

        alarm = np.where(new == RUNNING, 0, self.alarm)
        alarm = np.where(new == IDLE, np.where(waiting, wait, 0), alarm)
        self.alarm = np.where(faulty, code, alarm)
        self._time(old, new, faulty, into_setup & ~faulty, spread)
        self.state = new

    def _time(self, old: Codes, new: Codes, faulty: Bools, setup: Bools, normal: Array) -> None:
        """Draws how long each state that has just been entered lasts, in seconds."""
        maintained = (new == MAINTENANCE) & (old != MAINTENANCE)
        if not any_of(faulty | maintained | setup):
            return
        spread = np.exp(0.5 * normal)
        self._left = np.where(faulty, self._repair * spread, self._left)
        self._left = np.where(maintained, 3.0 * self._repair * spread, self._left)
        self._left = np.where(setup, self._setup * spread, self._left)


def waits(*reasons: tuple[int, Bools | bool], n: int) -> Codes:
    """The code of the first reason that holds for each machine, 0 where none does."""
    codes = np.zeros(n, dtype=np.int64)
    for code, holds in reversed(reasons):
        codes = np.where(holds, code, codes)
    return codes


def hours(total: Array, counting: Bools, dt: float) -> Array:
    """An hour counter advanced by dt where it counts."""
    return total + counting * (dt / 3600.0)
