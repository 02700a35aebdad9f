"""A centrifugal pump with variable speed that keeps the pressure of a water main.

Equations: head H = s^2 H0 - k Q^2 against the main, H = Hs + r Q^2; affinity laws; hydraulic power rho
g Q H, shaft power = hydraulic / efficiency with its best point moving with speed; the margin to the
net positive suction head that it needs decides on cavitation: it is that of 3 % less head, and under
it the head collapses (Gulich, Centrifugal Pumps, ch. 2, 4 and 6; Hydraulic Institute, ANSI/HI 9.6.1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours
from simulator.physics.signals import OUNoise, lag, ramp
from simulator.physics.utility import Utility

GRAVITY = 9.81
RATED_SPEED = 2950.0  # 1/min
STATIC = 12.0  # m, height of the main over the water
SUCTION = 3.2  # m, water over the pump
ATMOSPHERE = 10.1  # m
COLLAPSE = 0.3  # m of margin in which the loss of head grows by a factor of e
BUBBLES = 20.0  # s until the impeller is filled with them


class CentrifugalPumps(Machines):
    """In automatic mode the speed follows `pressure_set`, in manual mode `speed_set`."""

    alarms = (
        Alarm(10, "motor_load", 130.0, 110.0),
        Alarm(12, "winding_temperature", 150.0, 120.0),
        Alarm(13, "vibration", 9.0, 7.1, ("bearing_wear",)),  # ISO 10816-7, zone D
    )
    faults = ("bearing_wear", "impeller_wear", "suction_clogged")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.shut_off = fleet.parameter("shut_off_head", 62.0, 0.01)  # m at rated speed
        self.best_flow = fleet.parameter("best_flow", 80.0, 0.01)  # m3/h at rated speed
        self.best_efficiency = fleet.parameter("efficiency", 0.78, 0.01, minimum=0.3, maximum=1.0)
        self.motor = fleet.parameter("motor_power", 18.5)
        self.curve = 0.26 * self.shut_off / self.best_flow**2
        # m per (m3/h)^2 of the main: goes with the square of the flow, so its bounds do as well
        self.resistance = fleet.parameter("resistance", 0.0052, 0.05, minimum=0.000052, maximum=0.52)
        self.setpoints = {
            "pressure_set": fleet.parameter("pressure", 4.0),
            "speed_set": np.full(n, 90.0),
            "automatic": np.ones(n),
            "run_enable": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(fleet, stops=2, hours_between_stops=200.0, repair_minutes=15.0)
        self.users = OUNoise(fleet.noise, 0.12, 150.0)
        self.level = OUNoise(fleet.noise, 0.25, 900.0)
        self.unsteady = OUNoise(fleet.noise, 0.01, 2.0)
        self.speed = fleet.between(0.84, 0.9)
        self.integral = self.speed.copy()
        self.flow = np.full(n, 65.0)
        self.head_loss = np.zeros(n)  # by cavitation, a share
        self.pressure = np.full(n, 4.0)
        self.winding = fleet.between(60.0, 66.0)
        self.bearings = np.stack([fleet.between(44.0, 48.0), fleet.between(40.0, 43.0)])
        self.imbalance = fleet.parameter("imbalance", 1.0, 0.15, minimum=0.0)
        self.run_hours = fleet.between(1_000.0, 40_000.0)
        self.volume = self.run_hours * 62.0
        self.energy = self.run_hours * 11.0
        self.starts = np.floor(self.run_hours / 200.0)
        self.turning = np.ones(n, dtype=bool)
        self.vibration = np.full(n, 1.5)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        before = self.turning
        self.operation.step(
            dt, on=self.setpoints["run_enable"] > 0, voltage=surroundings.voltage, trip=self.limits.codes
        )
        self.turning = self.operation.running
        self.starts = self.starts + (self.turning & ~before)
        self._rotate(dt)
        self._pump(dt, surroundings)
        self._warm(dt, surroundings)
        self.energy = self.energy + self.power * dt / 3600.0
        self.volume = self.volume + self.flow * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.turning, dt)
        self.limits.check(self.load * 100.0, self.winding, self.vibration)

    def _rotate(self, dt: float) -> None:
        error = (self.setpoints["pressure_set"] - self.pressure) * self.turning
        self.integral = np.clip(self.integral + 0.012 * error * min(dt, 2.0), 0.3, 1.05)
        automatic = np.clip(self.integral + 0.02 * error, 0.3, 1.05)
        wanted = np.where(self.setpoints["automatic"] > 0, automatic, self.setpoints["speed_set"] / 100.0)
        self.speed = ramp(self.speed, np.where(self.turning, wanted, 0.0), 0.08, dt)

    def _pump(self, dt: float, surroundings: Surroundings) -> None:
        hour = surroundings.second_of_day / 3600.0
        daily = 1.0 + 0.3 * np.sin(2 * np.pi * (hour - 10.0) / 24.0)
        opening = np.clip(daily * (1.0 + self.users.step(dt)), 0.3, 2.0)
        resistance = self.resistance / opening**2
        shut_off = self.shut_off * (1.0 - 0.25 * self.severity["impeller_wear"])
        left = 1.0 - self.head_loss
        lift = np.maximum(self.speed**2 * shut_off * left - STATIC, 0.0)
        flow = np.sqrt(lift / (self.curve * left + resistance)) * (1.0 + self.unsteady.step(dt))
        self.flow = np.where(self.speed > 0.0, lag(self.flow, flow, 1.5, dt), lag(self.flow, 0.0, 1.0, dt))
        self.head = np.maximum(self.speed**2 * shut_off - self.curve * self.flow**2, 0.0) * left
        # m per (m3/h)^2, of a strainer as large as the pump
        strainer = (1.28 + 7.68 * self.severity["suction_clogged"]) / self.best_flow**2
        self.suction = (SUCTION + self.level.step(dt) - strainer * self.flow**2) * GRAVITY / 100.0  # bar
        self.pressure = self.suction + self.head * GRAVITY / 100.0
        best = np.maximum(self.best_flow * self.speed, 1.0)
        relative = self.flow / best
        self.efficiency = np.maximum(self.best_efficiency * (2.0 * relative - relative**2), 0.05) * (
            self.flow > 1.0
        )
        hydraulic = self.flow / 3600.0 * GRAVITY * self.head  # kW
        self.shaft = np.divide(
            hydraulic, self.efficiency, out=np.zeros_like(hydraulic), where=self.efficiency > 0
        )
        self.shaft = self.shaft + (0.4 + 0.7 * self.severity["bearing_wear"]) * self.speed**3
        needed = 2.2 + 1.6 * relative**2 * self.speed**2
        self.margin = self.suction * 10.2 + ATMOSPHERE - 0.3 - needed
        lost = np.minimum(0.03 * np.exp(-self.margin / COLLAPSE), 0.9)
        self.head_loss = lag(self.head_loss, lost, BUBBLES, dt)

    def _warm(self, dt: float, surroundings: Surroundings) -> None:
        ambient = surroundings.ambient
        self.load = self.shaft / self.motor
        self.power = self.shaft / 0.91 + np.where(self.turning, 0.35, 0.03)
        self.current = self.power * 1000.0 / (np.sqrt(3.0) * np.maximum(surroundings.voltage, 50.0) * 0.88)
        self.winding = lag(self.winding, ambient + 68.0 * self.load**2 + 6.0 * self.speed, 1800.0, dt)
        worn = self.severity["bearing_wear"]
        ends = np.stack([26.0 * (1.0 + 1.5 * worn), 21.0 * (1.0 + 0.2 * worn)])
        friction = ends * self.speed**1.5 + 3.0 * self.load
        self.bearings = lag(self.bearings, ambient + friction, 1200.0, dt)
        relative = self.flow / np.maximum(self.best_flow * np.maximum(self.speed, 0.1), 1.0)
        hydraulic = 0.5 * np.abs(relative - 1.0) + 1.5 * np.clip(1.0 - self.margin, 0.0, 3.0)
        turning = self.speed**2 * (1.3 * self.imbalance + hydraulic + 10.0 * worn)
        self.vibration = np.maximum(turning * (1.0 + 6.0 * self.unsteady.value), 0.0) + 0.03

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power}

    def values(self) -> Values:
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "speed": self.speed * RATED_SPEED,
            "flow": self.flow,
            "suction_pressure": self.suction,
            "discharge_pressure": self.pressure,
            "head": self.head,
            "efficiency": self.efficiency * 100.0,
            "npsh_margin": self.margin,
            "shaft_power": self.shaft,
            "motor_current": self.current,
            "motor_load": self.load * 100.0,
            "winding_temperature": self.winding,
            "bearing_temperature_de": self.bearings[0],
            "bearing_temperature_nde": self.bearings[1],
            "vibration": self.vibration,
            "power": self.power,
            "energy": self.energy,
            "volume": self.volume,
            "run_hours": self.run_hours,
            "starts": self.starts,
            "running": self.turning,
            "cavitation": self.margin < 0.5,
            "fault": self.operation.faulty,
        }
