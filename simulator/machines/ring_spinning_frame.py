"""A ring spinning frame of 1008 spindles that spins Ne 32 cotton (18.2 tex) and doffs itself.

Equations: delivery = spindle speed / twist, production = spindles x delivery x tex, yarn tension rises
with the square of the spindle speed, driving power with its 2.6th power and with the package
(Lawrence, Fundamentals of Spun Yarn Technology, ch. 6); end breaks as a Poisson process whose rate
grows with the third power of speed and in dry air.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.cycle import Cycle
from simulator.physics.fluid_properties import LOWEST_AIR
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import FAULT, RUNNING, Operation, hours, waits
from simulator.physics.signals import OUNoise, chance, lag, pick, ramp
from simulator.physics.utility import Utility

DOFF, START, BASE, MAIN, TOP = range(5)
SECONDS = np.array([170.0, 120.0, 600.0, 4700.0, 800.0])
RELATIVE = np.array([0.0, 0.72, 0.88, 1.0, 0.9])  # spindle speed in each part of the cop
SPINDLES = 1008
TEX = 18.2  # g/km
FRONT_ROLLER = 0.027  # m, diameter
BREAKS = 28.0  # per 1000 spindle hours at 16,500 1/min and 55 % relative humidity
PIECING = 80.0  # s that the operator needs for an end
NO_BREAKS_SUCTION = 850.0  # Pa
SPINDLE_POWER = 21.45  # kW with empty cops: 1.47 kWh/kg with all drives (Koc and Kaplan 2007)
SUCTION_GRACE = 60.0  # s after a start in which a low suction is no alarm
STROKE = 46.0  # mm, of the ring rail


class RingSpinningFrames(Machines):
    """Running includes the minutes of doffing (phase 0), in which the spindles stand."""

    alarms = (
        Alarm(10, "suction_pressure", 500.0, 600.0, ("suction_clogged",)),
        Alarm(12, "motor_load", 115.0, 100.0),
    )
    faults = ("spindle_drag", "dirty_rings", "suction_clogged")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.cycle = Cycle(np.tile(SECONDS, (n, 1)), fleet.between(0.0, 1.0))
        self.setpoints = {
            "spindle_speed_set": fleet.parameter("spindle_speed", 16_500.0),
            "twist_set": fleet.parameter("twist", 860.0),  # turns per metre
            "frame_on": np.ones(n),
        }
        self.motor = fleet.parameter("motor_power", 45.0)
        self.drag = fleet.parameter("spindle_drag", 1.0, 0.01, minimum=0.5, maximum=2.0)
        self.limits = AlarmLimits(self.alarms, n)
        self.ran = np.full(n, SUCTION_GRACE)  # s of running since the last stop
        self.operation = Operation(fleet, stops=3, hours_between_stops=36.0, repair_minutes=5.0)
        self.noise = fleet.noise
        self.unevenness = OUNoise(fleet.noise, 0.02, 20.0)
        self.air = OUNoise(fleet.noise, 0.5, 1800.0)
        self.wet = OUNoise(fleet.noise, 2.0, 1800.0)
        self.speed = self.setpoints["spindle_speed_set"] * pick(RELATIVE, self.cycle.phase)
        self.broken = np.floor(fleet.between(2.0, 9.0))
        self.rail = np.zeros(n)
        self.winding = fleet.between(60.0, 66.0)
        self.traveller = fleet.between(10.0, 200.0)
        self.suction = np.full(n, 820.0)
        self.length = fleet.between(2e6, 2e7)  # km of yarn
        self.mass = self.length * TEX / 1000.0
        self.breaks = np.floor(self.length / 40.0)
        self.doffs = np.floor(self.mass / 42.0)
        self.run_hours = self.mass / 19.5
        self.energy = self.run_hours * 30.0

    def step(self, dt: float, surroundings: Surroundings) -> None:
        on = self.setpoints["frame_on"] > 0
        wait = waits(
            # air presses the drafting rollers and moves the doffer
            (4, surroundings.level[Utility.AIR] < LOWEST_AIR),
            (3, self.cycle.at_start & surroundings.closed),
            n=len(self.speed),
        )
        self.operation.step(dt, on=on, voltage=surroundings.voltage, wait=wait, trip=self.limits.codes)
        self.cycle.step(dt, self.operation.running, wait == 0, self._pace())
        self.hall = surroundings.ambient + 4.0 + self.air.step(dt)
        self.humidity = np.clip(56.0 - 0.8 * (surroundings.ambient - 22.0) + self.wet.step(dt), 25.0, 85.0)
        self._spin(dt)
        self._drive(dt, on, surroundings)
        self.ran = np.where(self.operation.running, self.ran + dt, 0.0)
        sucks = self.ran >= SUCTION_GRACE
        self.limits.check(np.where(sucks, self.suction, NO_BREAKS_SUCTION), self.load * 100.0)

    def _pace(self) -> Array:
        """A cop is full after the same length of yarn, whatever the speed."""
        turning = self.cycle.phase != DOFF
        return np.where(turning, np.maximum(self.setpoints["spindle_speed_set"] / 16_500.0, 0.1), 1.0)

    def _spin(self, dt: float) -> None:
        spinning = self.operation.running & (self.cycle.phase != DOFF)
        wanted = self.setpoints["spindle_speed_set"] * pick(RELATIVE, self.cycle.phase) * spinning
        self.speed = ramp(self.speed, wanted, 420.0, dt)
        self.delivery = self.speed / self.setpoints["twist_set"]  # m/min
        dryness = np.exp(0.03 * (55.0 - self.humidity))
        rate = (
            BREAKS
            * SPINDLES
            / 1000.0
            / 3600.0
            * (self.speed / 16_500.0) ** 3
            * dryness
            * (1.0 + self.traveller / 600.0 + 3.0 * self.severity["dirty_rings"])
        )
        broke = chance(self.noise, rate, dt)
        pieced = (
            chance(self.noise, np.minimum(self.broken, 3.0) / PIECING, dt)
            & (self.broken > 0)
            & (self.speed > 0)
        )
        self.broken = np.clip(self.broken + broke - pieced, 0.0, SPINDLES)
        self.breaks = self.breaks + broke
        self.fill = (
            np.where(self.cycle.phase == DOFF, 0.0, self.cycle.clock - SECONDS[DOFF])
            / SECONDS[1:].sum()
            * 100.0
        )
        self.rail = (self.rail + self.delivery * 0.11 * dt) % (2.0 * STROKE)
        self.tension = (
            11.0
            * (self.speed / 16_500.0) ** 2
            * (1.0 + 0.12 * np.cos(np.pi * self.rail / STROKE))
            * (1.0 + self.unevenness.step(dt))
        )
        self.production = (SPINDLES - self.broken) * self.delivery * 60.0 * TEX / 1e6  # kg/h
        self.mass = self.mass + self.production * dt / 3600.0
        self.length = self.length + (SPINDLES - self.broken) * self.delivery * dt / 60_000.0
        self.doffs = self.doffs + self.cycle.parts
        self.traveller = np.where(self.traveller > 240.0, 0.0, hours(self.traveller, self.speed > 0, dt))
        self.run_hours = hours(self.run_hours, self.speed > 0, dt)

    def _drive(self, dt: float, on: np.ndarray, surroundings: Surroundings) -> None:
        package = 1.0 + 0.3 * self.fill / 100.0
        drag = self.drag * (1.0 + 0.3 * self.severity["spindle_drag"])
        spindles = (
            SPINDLE_POWER
            * drag
            * package
            * (self.speed / 16_500.0) ** 2.6
            * (1.0 + 0.4 * self.unevenness.value)
        )
        fan = np.where(on, 2.2, 0.0)
        self.suction = lag(
            self.suction,
            np.where(on, NO_BREAKS_SUCTION - 6.0 * self.broken, 0.0)
            * (1.0 - 0.5 * self.severity["suction_clogged"]),
            6.0,
            dt,
        )
        self.load = (spindles + 2.5 * (self.speed > 0)) / self.motor
        self.power = (self.load * self.motor) / 0.92 + fan + 0.3
        self.current = self.power * 1000.0 / (np.sqrt(3.0) * np.maximum(surroundings.voltage, 50.0) * 0.86)
        self.winding = lag(self.winding, self.hall + 62.0 * self.load**2, 1500.0, dt)
        self.energy = self.energy + self.power * dt / 3600.0

    def utility_inputs(self) -> Mapping[Utility, Array]:
        doffing = (self.cycle.phase == DOFF) & self.operation.running
        return {Utility.ELECTRICITY: self.power, Utility.AIR: 0.02 + 0.5 * doffing}

    def values(self) -> Values:
        state = self.operation.state
        doffing = (state == RUNNING) & (self.cycle.phase == DOFF)
        return {
            **self.setpoints,
            "state": state,
            "alarm": self.operation.alarm,
            "doffing": doffing,
            "spindle_speed": self.speed,
            "delivery_speed": self.delivery,
            "front_roller_speed": self.delivery / (np.pi * FRONT_ROLLER),
            "ring_rail_position": np.abs(self.rail - STROKE),
            "cop_fill": self.fill,
            "yarn_tension": self.tension,
            "broken_ends": self.broken,
            "end_breaks": self.breaks,
            "production_rate": self.production,
            "yarn_mass": self.mass,
            "yarn_length": self.length,
            "doffs": self.doffs,
            "hall_temperature": self.hall,
            "hall_humidity": self.humidity,
            "suction_pressure": self.suction,
            "motor_current": self.current,
            "motor_load": self.load * 100.0,
            "motor_temperature": self.winding,
            "traveller_hours": self.traveller,
            "power": self.power,
            "energy": self.energy,
            "run_hours": self.run_hours,
            "fault": state == FAULT,
        }
