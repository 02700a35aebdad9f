"""A handling cell with a six-axis robot that picks parts with a vacuum gripper and stacks them.

Equations: joints move between taught poses on minimum-jerk paths, q(s) = q0 + (q1 - q0) (10 s^3 - 15
s^4 + 6 s^5) (Flash and Hogan, J. Neurosci. 5, 1985); torque = inertia x acceleration + gravity +
friction; motor power = torque x speed, motors warmed by the square of their torque; the tool's speed
from the reach of the first three joints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.cycle import Cycle
from simulator.physics.fluid_properties import LOWEST_AIR
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours, waits
from simulator.physics.signals import OUNoise, chance, lag, pick
from simulator.physics.utility import Utility

WAIT, APPROACH, GRIP, LIFT, SWING, LOWER, RELEASE, RETURN = range(8)
SECONDS = np.array([1.0, 1.6, 0.7, 1.2, 2.4, 1.4, 0.6, 2.6])
# the pose in degrees at the end of each phase, joints 1 to 6
POSES = np.array(
    [
        [0.0, -35.0, 60.0, 0.0, 65.0, 0.0],
        [-42.0, -8.0, 78.0, -6.0, 20.0, 42.0],
        [-42.0, -8.0, 78.0, -6.0, 20.0, 42.0],
        [-42.0, -30.0, 66.0, -6.0, 54.0, 42.0],
        [75.0, -30.0, 66.0, 9.0, 54.0, -15.0],
        [75.0, -4.0, 84.0, 9.0, 10.0, -15.0],
        [75.0, -4.0, 84.0, 9.0, 10.0, -15.0],
        [0.0, -35.0, 60.0, 0.0, 65.0, 0.0],
    ]
)
INERTIA = np.array([95.0, 110.0, 42.0, 6.0, 4.0, 1.2])  # kg m2
GRAVITY = np.array([0.0, 780.0, 310.0, 18.0, 12.0, 0.0])  # N m, outstretched and empty
FRICTION = np.array([60.0, 70.0, 45.0, 14.0, 10.0, 5.0])  # N m
RATED = np.array([900.0, 1300.0, 620.0, 70.0, 55.0, 30.0])  # N m
PAYLOAD = 11.0  # kg
REACH = 1.75  # m


class RobotCells(Machines):
    """Arrays of joints have shape (n, 6). A part that slips is picked again and counted as a retry."""

    alarms = (
        Alarm(10, "gripper_vacuum", 350.0, 450.0, ("vacuum_leak",)),
        *(Alarm(13, f"motor_{number}_temperature", 105.0, 85.0) for number in range(1, 7)),
    )
    faults = ("gear_wear", "vacuum_leak")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        slowness = fleet.parameter("cycle_factor", 1.0, 0.02, minimum=0.5)
        self.cycle = Cycle(SECONDS * slowness[:, None], fleet.between(0.0, 1.0))
        self.setpoints = {"speed_override": np.full(n, 100.0), "cell_on": np.ones(n)}
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(fleet, stops=3, hours_between_stops=16.0, repair_minutes=4.0)
        self.noise = fleet.noise
        self.unsteady = OUNoise(fleet.noise, 0.03, 1.0)
        self.angles = pick(POSES, self.cycle.phase)
        self.speeds = np.zeros((n, 6))
        self.motors = np.stack([fleet.between(40.0, 46.0) for _ in range(6)], axis=1)
        self.backlash = fleet.parameter("gear_wear", 0.0, maximum=1.0)
        self.vacuum = np.zeros(n)
        self.held = np.zeros(n, dtype=bool)
        self.cabinet = fleet.between(31.0, 34.0)
        self.cycles = np.floor(fleet.between(1e5, 3e6))
        self.retries = np.floor(self.cycles * 0.002)
        self.run_hours = self.cycles * 11.5 / 3600.0
        self.energy = self.run_hours * 2.1

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.air = surroundings.level[Utility.AIR]
        on = self.setpoints["cell_on"] > 0
        wait = waits(
            (4, self.air < LOWEST_AIR),
            (1, self.cycle.at_start & (surroundings.parts < 1)),
            (2, self.cycle.at_start & (surroundings.room < 1)),
            (3, self.cycle.at_start & surroundings.closed),
            n=len(self.air),
        )
        self.operation.step(dt, on=on, voltage=surroundings.voltage, wait=wait, trip=self.limits.codes)
        self.cycle.step(dt, self.operation.running, wait == 0, self.setpoints["speed_override"] / 100.0)
        self._move(dt)
        self._grip(dt)
        self._warm(dt, surroundings.ambient, on)
        self.cycles = self.cycles + self.cycle.parts
        self.energy = self.energy + self.power * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.operation.running, dt)
        carries = self.held & (self.cycle.phase == SWING)
        self.limits.check(np.where(carries, self.vacuum * 1000.0, 1000.0), *self.motors.T)

    def _move(self, dt: float) -> None:
        phase, s = self.cycle.phase, np.clip(self.cycle.fraction, 0.0, 1.0)[:, None]
        start, end = pick(POSES, phase - 1), pick(POSES, phase)
        way = s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
        angles = start + (end - start) * way
        pace = self.setpoints["speed_override"] / 100.0 / pick(SECONDS, phase) * self.operation.running
        rate = np.radians(end - start) * pace[:, None]
        self.speeds = rate * 30.0 * s**2 * (1.0 - s) ** 2  # rad/s
        acceleration = rate * pace[:, None] * 60.0 * s * (1.0 - 3.0 * s + 2.0 * s**2)
        self.angles = np.where(self.operation.running[:, None], angles, self.angles)
        load = 1.0 + self.held * PAYLOAD / 45.0
        lever = np.cos(np.radians(self.angles[:, 1]))[:, None]
        weight = GRAVITY * lever * load[:, None]
        backlash = self.backlash + 0.35 * self.severity["gear_wear"]
        rough = 1.0 + self.unsteady.step(dt)[:, None] + backlash[:, None]
        self.torque = (
            INERTIA * acceleration * load[:, None] + weight + FRICTION * np.sign(self.speeds)
        ) * rough
        stretch = REACH * np.cos(np.radians(self.angles[:, 1]) * 0.7)
        self.tool_speed = np.hypot(self.speeds[:, 0] * stretch, (self.speeds[:, 1] + self.speeds[:, 2]) * 0.8)

    def _grip(self, dt: float) -> None:
        phase = self.cycle.phase
        sucks = (phase >= GRIP) & (phase <= LOWER) & self.operation.running
        leak = self.severity["vacuum_leak"]
        reached = (0.62 + 0.1 * self.unsteady.value) * (1.0 - 0.6 * leak)
        self.vacuum = lag(self.vacuum, np.where(sucks, reached, 0.0), 0.25, dt)
        slipped = sucks & (phase == LIFT) & chance(self.noise, 0.0016 + 0.15 * leak, dt)
        self.retries = self.retries + slipped
        self.held = sucks & (phase >= LIFT)

    def _warm(self, dt: float, ambient: float, on: np.ndarray) -> None:
        relative = np.minimum(np.abs(self.torque) / RATED, 2.0) * on[:, None]
        self.motors = lag(self.motors, ambient + 8.0 + 62.0 * relative**2, 2400.0, dt)
        mechanical = np.maximum(self.torque * self.speeds, 0.0).sum(axis=1) / 1000.0
        holding = 0.25 * (relative**2).sum(axis=1)
        self.power = np.where(on, 0.45 + mechanical / 0.8 + holding, 0.03)
        self.cabinet = lag(self.cabinet, ambient + 7.0 + 4.0 * self.power, 1800.0, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power, Utility.AIR: 0.01 + 0.35 * self.held}

    def cycle_seconds(self) -> Array:
        return self.cycle.length

    def passes(self) -> tuple[Array, Array]:
        return self.cycle.took.astype(np.float64), self.cycle.parts.astype(np.float64)

    def values(self) -> Values:
        joints = {f"joint_{i + 1}_angle": self.angles[:, i] for i in range(6)}
        torques = {f"joint_{i + 1}_torque": self.torque[:, i] for i in range(3)}
        warmth = {f"motor_{i + 1}_temperature": self.motors[:, i] for i in range(6)}
        return {
            **self.setpoints,
            **joints,
            **torques,
            **warmth,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "phase": self.cycle.phase,
            "tool_speed": self.tool_speed * 1000.0,
            "gripper_vacuum": self.vacuum * 1000.0,
            "cabinet_temperature": self.cabinet,
            "cycle_time": self.cycle.last_time,
            "cycle_count": self.cycles,
            "retry_count": self.retries,
            "power": self.power,
            "energy": self.energy,
            "run_hours": self.run_hours,
            "part_held": self.held,
            "fault": self.operation.faulty,
        }
