"""A flow-wrapping line: products are conveyed, wrapped, sealed, weighed and packed in cartons of twelve.

Equations: motor power = friction force x belt speed / efficiency (Conveyor Equipment Manufacturers
Association, Belt Conveyors for Bulk Materials, ch. 6); sealing jaws as thermal masses under
proportional control, cooled by every pack; film is used up pack by pack; the weight of a pack is
normally distributed around a slowly drifting mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours, waits
from simulator.physics.signals import OUNoise, any_of, between, binomial, lag, ramp
from simulator.physics.utility import Utility

PITCH = 0.24  # m of belt per pack
FILM = 0.26  # m of film per pack
ROLL = 2600.0  # m
CARTON = 12
NOMINAL_WEIGHT = 250.0  # g
TOLERANCE = 4.5  # g
SCATTER = 1.4  # g, standard deviation from pack to pack
JAW_REACH = 260.0  # K over ambient at full power
FRICTION = 420.0  # N


class ConveyorPackagingLines(Machines):
    """Takes products at its belt speed; a roll of film that ends asks for a set-up."""

    alarms = (
        Alarm(10, "seal_temperature_front", -12.0, -11.0, ("heater_failure",), "seal_temperature_set"),
        Alarm(11, "seal_temperature_back", -12.0, -11.0, (), "seal_temperature_set"),
        Alarm(12, "drive_power", 1.6, 1.4, ("belt_drag",)),
    )
    faults = ("heater_failure", "belt_drag")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.setpoints = {
            "rate_set": fleet.parameter("rate", 62.0),  # packs per minute
            "seal_temperature_set": fleet.parameter("seal_temperature", 148.0),
            "line_on": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.jaws_for = self.setpoints["seal_temperature_set"].copy()  # the set-point that they have reached
        self.operation = Operation(
            fleet, stops=4, hours_between_stops=5.0, repair_minutes=2.5, setup_minutes=3.0
        )
        self.noise = fleet.noise
        self.mean = OUNoise(fleet.noise, 1.0, 1200.0)
        self.drag = OUNoise(fleet.noise, 0.05, 5.0)
        self.speed = self.setpoints["rate_set"] * PITCH / 60.0
        self.film = fleet.between(200.0, ROLL)
        self.jaws = self.setpoints["seal_temperature_set"] + np.stack(
            [fleet.between(-1.0, 1.0), fleet.between(-1.0, 1.0)]
        )
        self.heating = np.full((2, n), 0.5)
        self.started = fleet.between(0.0, 1.0)
        self.weight = np.full(n, NOMINAL_WEIGHT)
        self.gearbox = fleet.between(44.0, 48.0)
        self.packs = np.floor(fleet.between(1e5, 4e6))
        self.rejects = np.floor(self.packs * 0.004)
        self.good_now = self.input_parts = np.zeros(n)
        self.run_hours = self.packs / 62.0 / 60.0
        self.energy = self.run_hours * 5.2

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.air = surroundings.level[Utility.AIR]
        on = self.setpoints["line_on"] > 0
        wanted = self.setpoints["seal_temperature_set"]
        off = self.jaws - wanted
        self.jaws_for = np.where(np.abs(off).max(axis=0) < 5.0, wanted, self.jaws_for)
        wait = waits(
            (4, self.air < 4.0),
            (5, np.abs(off).max(axis=0) > 12.0),
            (1, surroundings.parts < 1),
            (2, surroundings.room < 1),
            (3, surroundings.closed),
            n=len(self.air),
        )
        empty = self.film < FILM
        self.operation.step(
            dt, on=on, voltage=surroundings.voltage, wait=wait, trip=self.limits.codes, setup=empty
        )
        self.film = np.where(self.operation.in_setup & empty, ROLL, self.film)
        self._wrap(dt, surroundings)
        self._seal(dt, surroundings.ambient, on)
        self._drive(dt, on, surroundings)
        # jaws that are still on their way to a new set-point are not too cold
        reached = self.operation.running & (self.jaws_for == wanted)
        self.limits.check(*np.where(reached, self.jaws - wanted, 0.0), self.drive)

    def _wrap(self, dt: float, surroundings: Surroundings) -> None:
        moves = self.operation.running & (self.film >= FILM)
        self.speed = ramp(
            self.speed, np.where(moves, self.setpoints["rate_set"] * PITCH / 60.0, 0.0), 0.15, dt
        )
        self.started = self.started + self.speed / PITCH * dt
        ready = np.floor(self.started)
        possible = np.minimum(
            np.minimum(ready, surroundings.parts), np.minimum(surroundings.room, np.floor(self.film / FILM))
        )
        done = np.maximum(possible, 0.0)
        self.started = np.where(ready > done, 0.99, self.started - done)
        weighed = NOMINAL_WEIGHT + self.mean.step(dt) + SCATTER * self.noise.normal()
        self.weight = np.where(done > 0, weighed, self.weight)
        rejected = self._rejected(done)
        self.input_parts, self.good_now = done, done - rejected
        self.packs = self.packs + done
        self.rejects = self.rejects + rejected
        self.film = self.film - done * FILM
        self.rate = self.speed / PITCH * 60.0

    def _rejected(self, done: Array) -> Array:
        """How many of the packs of a step are too light or too heavy; the last of them is `weight`."""
        rejected = ((done > 0) & (np.abs(self.weight - NOMINAL_WEIGHT) > TOLERANCE)).astype(np.float64)
        draw, rest = self.noise.uniform(), done - 1.0
        if any_of(rest > 0):
            low, high = (NOMINAL_WEIGHT + side - self.mean.value for side in (-TOLERANCE, TOLERANCE))
            share = 1.0 - between(low - NOMINAL_WEIGHT, high - NOMINAL_WEIGHT, SCATTER)
            rejected = rejected + binomial(draw, rest, share)
        return rejected

    def _seal(self, dt: float, ambient: float, on: np.ndarray) -> None:
        wanted = self.setpoints["seal_temperature_set"]
        self.heating = np.clip((wanted - self.jaws) / 6.0 + (wanted - ambient) / JAW_REACH, 0.0, 1.0) * on
        into_packs = 16.0 * self.rate / 62.0 * np.array([1.0, 1.15])[:, None]
        self.alive = 1.0 - np.array([1.0, 0.0])[:, None] * self.severity["heater_failure"]
        self.jaws = lag(self.jaws, ambient + JAW_REACH * self.heating * self.alive - into_packs, 420.0, dt)

    def _drive(self, dt: float, on: np.ndarray, surroundings: Surroundings) -> None:
        friction = FRICTION * (1.0 + self.drag.step(dt) + 6.0 * self.severity["belt_drag"])
        self.belt = friction * self.speed / 1000.0 / 0.72
        knife = 0.9 * self.rate / 62.0
        self.drive = self.belt + knife
        self.current = np.hypot(
            1.1 * (self.speed > 0),
            self.drive * 1000.0 / (np.sqrt(3.0) * np.maximum(surroundings.voltage, 50.0) * 0.8),
        )
        self.gearbox = lag(self.gearbox, surroundings.ambient + 25.0 * self.rate / 62.0, 1500.0, dt)
        self.power = np.where(on, 0.55 + self.drive + 1.6 * (self.heating * self.alive).sum(axis=0), 0.03)
        self.energy = self.energy + self.power * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.operation.running, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power, Utility.AIR: 0.03 + 0.25 * self.rate / 62.0}

    def passes(self) -> tuple[Array, Array]:
        return self.input_parts, self.good_now

    def values(self) -> Values:
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "rate": self.rate,
            "belt_speed": self.speed,
            "drive_current": self.current,
            "drive_power": self.drive,
            "seal_temperature_front": self.jaws[0],
            "seal_temperature_back": self.jaws[1],
            "heater_output": self.heating.mean(axis=0) * 100.0,
            "film_left": self.film,
            "last_weight": self.weight,
            "gearbox_temperature": self.gearbox,
            "air_pressure": self.air,
            "pack_count": self.packs,
            "reject_count": self.rejects,
            "carton_count": np.floor((self.packs - self.rejects) / CARTON),
            "carton_fill": np.mod(self.packs - self.rejects, CARTON),
            "power": self.power,
            "energy": self.energy,
            "run_hours": self.run_hours,
            "running": self.operation.running,
            "film_low": self.film < 100.0,
            "fault": self.operation.faulty,
        }
