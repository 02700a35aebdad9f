"""The states of n machines (off, idle, set-up, running, fault, maintenance) and the only ways between them.

Stops come at random with the mean time between them (exponential), last a log-normal repair time, and one
in four ends in maintenance; a machine may also trip (its own physics found a limit passed) or ask for a
set-up.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.machine import Fleet, State
from simulator.noise import Array
from simulator.signals import Bools, chance

LEGAL: Mapping[State, frozenset[State]] = {
    State.OFF: frozenset({State.IDLE}),
    State.IDLE: frozenset({State.OFF, State.RUNNING, State.FAULT}),
    State.SETUP: frozenset({State.IDLE}),
    State.RUNNING: frozenset({State.IDLE, State.SETUP, State.FAULT}),
    State.FAULT: frozenset({State.IDLE, State.MAINTENANCE}),
    State.MAINTENANCE: frozenset({State.IDLE}),
}

Codes = NDArray[np.int64]


class Operation:
    """States of one model's machines.

    `state` and `alarm` have shape (n,). Alarms under 10 say why a machine waits (1 no parts, 2 no room, 3
    break, 4 a supply is missing), those from 10 on are the model's own faults.
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
        """`stops`: how many kinds of random stop the model knows, alarms 10 to 9 + stops."""
        self._noise = fleet.noise
        self._stops = stops
        self._between = fleet.parameter("hours_between_stops", hours_between_stops) * 3600.0
        self._repair = fleet.parameter("repair_minutes", repair_minutes) * 60.0
        self._setup = fleet.parameter("setup_minutes", setup_minutes) * 60.0
        self.state: Codes = np.full(fleet.n, State.RUNNING, dtype=np.int64)
        self.alarm: Codes = np.zeros(fleet.n, dtype=np.int64)
        self._left = np.zeros(fleet.n)

    @property
    def running(self) -> Bools:
        return np.equal(self.state, State.RUNNING)

    def step(
        self,
        dt: float,
        *,
        on: Bools,
        wait: Codes | int = 0,
        trip: Codes | int = 0,
        setup: Bools | bool = False,
    ) -> None:
        """Advances by dt. on: switched on; wait: code under 10 to stand idle for; trip: alarm code; setup:
        wanted now.
        """
        old, alarm = self.state, self.alarm
        self._left = np.maximum(self._left - dt, 0.0)
        over = self._left <= 0.0
        running, idle, fault = old == State.RUNNING, old == State.IDLE, old == State.FAULT
        draw = self._noise.uniform()
        stopped = running & chance(self._noise, 1.0 / self._between, dt)
        code = np.where(np.asarray(trip) > 0, trip, 10 + (draw * self._stops).astype(np.int64))
        faulty = stopped | ((running | idle) & (np.asarray(trip) > 0))
        waiting = np.asarray(wait) > 0

        new = old.copy()
        new[(old == State.OFF) & on] = State.IDLE
        new[idle & on & ~waiting] = State.RUNNING
        new[(idle | running) & ~on] = np.where(running, State.IDLE, State.OFF)[(idle | running) & ~on]
        new[running & waiting] = State.IDLE
        into_setup = running & setup & on & ~waiting
        new[into_setup] = State.SETUP
        new[(old == State.SETUP) & over] = State.IDLE
        new[fault & over] = np.where(draw < 0.25, State.MAINTENANCE, State.IDLE)[fault & over]
        new[(old == State.MAINTENANCE) & over] = State.IDLE
        new[faulty] = State.FAULT

        alarm = np.where(
            new == State.IDLE, np.where(waiting, wait, 0), np.where(new == State.RUNNING, 0, alarm)
        )
        self.alarm = np.where(faulty, code, alarm)
        self._time(old, new, faulty, into_setup & ~faulty)
        self.state = new

    def _time(self, old: Codes, new: Codes, faulty: Bools, setup: Bools) -> None:
        """Draws how long each state that has just been entered lasts, in seconds."""
        spread = np.exp(0.5 * self._noise.normal())
        maintained = (new == State.MAINTENANCE) & (old != State.MAINTENANCE)
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
