"""A vertical CNC machining centre that makes one part with six tools.

Equations: cutting power P = kc Q / (60e6 eta) with the removal rate Q = ap ae vf, and tool life after
Taylor, v T^n = C with n = 0.25 (Kalpakjian and Schmid, Manufacturing Engineering and Technology, ch.
21 and 24); a dull edge needs more power and pushes the part off its size; acceleration power J w dw/dt;
winding and bearing as first-order thermal masses, the winding heated by the square of its current.
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
from simulator.physics.signals import OUNoise, hysteresis, lag, pick, ramp
from simulator.physics.utility import Utility

# tool: seconds of cutting, spindle 1/min, feed mm/min, removal rate mm3/min, kc N/mm2, depth mm, life min
TOOLS = np.array(
    [
        [34.0, 1600.0, 900.0, 108_000.0, 1900.0, -2.0, 90.0],  # face mill 63
        [42.0, 3000.0, 1100.0, 105_600.0, 2100.0, -16.0, 60.0],  # end mill 16, roughing
        [18.0, 2400.0, 480.0, 37_700.0, 2300.0, -32.0, 110.0],  # drill 10
        [12.0, 600.0, 750.0, 9_400.0, 3200.0, -22.0, 75.0],  # tap M8
        [26.0, 6500.0, 1800.0, 6_500.0, 2600.0, -16.0, 50.0],  # end mill 12, finishing
        [9.0, 5000.0, 1000.0, 1_500.0, 2600.0, -1.0, 150.0],  # chamfer
    ]
)
SECONDS, SPEED, FEED, REMOVAL, KC, DEPTH, LIFE = TOOLS.T
LOADING, CHANGING = 16.0, 5.0  # seconds
EFFICIENCY = 0.8
INERTIA = 0.03  # kg m2
MAX_SPEED = 8000.0
ACCELERATION = 2500.0  # 1/min per second
RADIUS = 120.0  # mm, of the contour that the table follows and of the circle of holes
RAPID, RAPID_Z = 500.0, 200.0  # mm/s
CLEAR, HOME = 5.0, 50.0  # mm over the part
TRAVERSE = 0.6  # s at the beginning of each hole or pass in which the table moves and nothing is cut
RETRACT = 0.4  # s at the end of each hole
# of each tool: its holes, or its passes along the contour; strokes into each hole (pecks of the drill)
BORES = np.array([0, 0, 4, 3, 0, 0])
PASSES = np.array([4, 6, 4, 3, 3, 1])
PECKS = np.array([1, 1, 3, 1, 1, 1])
PROGRAM = b"O1204 HOUSING"
FINISHING = 4  # the tool that makes the size of the part
TOLERANCE = 25.0  # um
WORN_OUT = 1.6  # tool lives, by which all edges are duller than their minutes when `tool_wear` is complete


class CncMachiningCentres(Machines):
    """Phase 0 changes the part; then phases 2i + 1 and 2i + 2 change to tool i and cut with it.

    The control counts the minutes of a tool and has it changed in time; it does not see edges that wear
    faster, as `tool_wear` has them. A part off its size by more than TOLERANCE is a reject.
    """

    alarms = (Alarm(10, "spindle_load", 135.0, 115.0, ("tool_wear",)),)
    faults = ("bearing_wear", "coolant_leak", "tool_wear")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.rated = fleet.parameter("spindle_power", 7.5)  # kW, continuous
        self.rated_current = fleet.parameter("spindle_current", 17.0)  # A at rated power
        slowness = fleet.parameter("cycle_factor", 1.0, 0.03, minimum=0.5)
        phases = np.concatenate(
            [[LOADING], np.stack([np.full(len(SECONDS), CHANGING), SECONDS], axis=1).ravel()]
        )
        self.cycle = Cycle(phases * slowness[:, None], fleet.between(0.0, 1.0))
        self.setpoints = {
            "feed_override": np.full(n, 100.0),
            "spindle_override": np.full(n, 100.0),
            "machine_on": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(
            fleet, stops=3, hours_between_stops=24.0, repair_minutes=7.0, setup_minutes=6.0
        )
        self.chatter = OUNoise(fleet.noise, 0.05, 2.0)
        self.hardness = OUNoise(fleet.noise, 0.04, 300.0)  # of the material, relative
        self.wear = np.stack([fleet.between(0.0, 0.8) for _ in TOOLS], axis=1)
        self.setup_due = np.zeros(n, dtype=bool)
        self.speed = np.zeros(n)
        self.feed = np.zeros(n)
        self.path = fleet.between(0.0, 700.0)
        self.z = np.full(n, HOME)
        self.x, self.y = RADIUS * np.cos(self.path / RADIUS), RADIUS * np.sin(self.path / RADIUS)
        self.winding = fleet.between(38.0, 44.0)
        self.bearing = fleet.between(30.0, 33.0)
        self.coolant = fleet.between(23.0, 25.0)
        self.coolant_level = fleet.between(60.0, 95.0)
        self.hydraulic = fleet.between(52.0, 58.0)
        self.pumping = np.zeros(n, dtype=bool)
        self.parts = np.floor(fleet.between(2_000.0, 60_000.0))
        self.rejects = np.floor(self.parts * 0.002)
        self.good = np.zeros(n, dtype=bool)
        self.size_error = np.full(n, 5.0)
        self.spindle_hours = self.parts * self.cycle.length / 3600.0 * 0.75
        self.energy = self.parts * 0.24

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.air = surroundings.level[Utility.AIR]
        wait = waits(
            (4, self.air < LOWEST_AIR),
            (1, self.cycle.at_start & (surroundings.parts < 1)),
            (2, self.cycle.at_start & (surroundings.room < 1)),
            (3, self.cycle.at_start & surroundings.closed),
            n=len(self.air),
        )
        worn = (self.wear > 1.0).any(axis=1)
        on = self.setpoints["machine_on"] > 0
        self.operation.step(
            dt,
            on=on,
            voltage=surroundings.voltage,
            wait=wait,
            trip=self.limits.codes,
            setup=worn & self.cycle.at_start,
        )
        in_setup = self.operation.in_setup
        self.wear = np.where(in_setup[:, None] & (self.wear > 0.85), 0.0, self.wear)
        self.cutting = self.operation.running & (self.cycle.phase % 2 == 0) & (self.cycle.phase > 0)
        rate = np.where(self.cutting, self.setpoints["feed_override"] / 100.0, 1.0)
        self.cycle.step(dt, self.operation.running, (wait == 0) & ~worn, rate)
        self._cut(dt, rate)
        self._measure()
        self._warm(dt, surroundings.ambient)
        self._supply(dt, on)
        self.limits.check(self.load * 100.0)

    def _cut(self, dt: float, rate: Array) -> None:
        self.cutting = self.operation.running & (self.cycle.phase % 2 == 0) & (self.cycle.phase > 0)
        self.tool = np.maximum(self.cycle.phase - 1, 0) // 2
        turning = self.setpoints["spindle_override"] / 100.0
        wanted = np.where(self.cutting, np.minimum(pick(SPEED, self.tool) * turning, MAX_SPEED), 0.0)
        before = self.speed
        self.speed = ramp(self.speed, wanted, ACCELERATION, dt)
        self.feed = lag(self.feed, np.where(self.cutting, pick(FEED, self.tool) * rate, 0.0), 0.3, dt)
        engaged = self._move(dt)
        rows = np.arange(len(self.tool))
        tool_life = pick(LIFE, self.tool) * 60.0 * turning**-4.0
        self.wear[rows, self.tool] += self.cutting * dt / tool_life
        self.tool_wear = np.minimum(self.wear[rows, self.tool], 1.2)
        self.dull = self.tool_wear + WORN_OUT * self.severity["tool_wear"]
        material = 1.0 + self.hardness.step(dt) + self.chatter.step(dt)
        removal = pick(REMOVAL, self.tool) * self.feed / pick(FEED, self.tool) * engaged
        chip = pick(KC, self.tool) * removal / 60e6 / EFFICIENCY * (1.0 + 0.5 * self.dull) * material
        angular, change = (self.speed + before) * np.pi / 60.0, (self.speed - before) * np.pi / 30.0
        worn = self.severity["bearing_wear"]
        gain = np.maximum(INERTIA * angular * change / dt / 1000.0, 0.0)
        self.spindle_power = chip * (self.speed > 0) + gain + (0.25 + 0.6 * worn) * self.speed / MAX_SPEED
        self.load = self.spindle_power / self.rated
        self.torque = np.where(self.speed > 1, self.spindle_power * 9549.3 / np.maximum(self.speed, 1.0), 0.0)
        magnetising = 0.25 * self.rated_current * (self.speed > 0)
        self.current = np.hypot(magnetising, self.rated_current * self.load)

    def _move(self, dt: float) -> Array:
        """Moves the axes; how much of the cutter is in the part, 0 to 1.

        A mill goes round the contour in passes, with a traverse before each. A drill or a tap stands over its
        hole and moves along z alone until it is out of it.
        """
        tool = self.tool
        bores, passes, pecks = pick(BORES, tool), pick(PASSES, tool), pick(PECKS, tool)
        deep, drills = pick(DEPTH, tool), bores > 0
        length = self.cycle.ends[np.arange(len(tool)), self.cycle.phase] - self._phase_start()
        number = np.minimum(np.floor(self.cycle.fraction * passes), passes - 1)
        lasts = length / passes
        elapsed = self.cycle.elapsed - number * lasts
        stroke = np.clip((elapsed - TRAVERSE) / np.maximum(lasts - TRAVERSE - RETRACT, 0.1), 0.0, 1.0)
        peck = np.minimum(np.floor(stroke * pecks), pecks - 1)
        down = 1.0 - np.abs(2.0 * (stroke * pecks - peck) - 1.0)  # of this stroke, and up again
        bore = CLEAR + (deep - CLEAR) * down * (peck + 1.0) / pecks
        traverses = elapsed < TRAVERSE
        depth = np.where(drills, bore, np.where(traverses, CLEAR, deep))
        self.z = ramp(self.z, np.where(self.cutting, depth, HOME), RAPID_Z, dt)
        mills = self.cutting & ~drills & ~traverses
        self.path = (self.path + mills * self.feed * dt / 60.0) % (2.0 * np.pi * RADIUS)
        angle = np.where(drills, 2.0 * np.pi * number / np.maximum(bores, 1), self.path / RADIUS)
        free = self.cutting & (traverses | ~drills)
        self.x = np.where(free, ramp(self.x, RADIUS * np.cos(angle), RAPID, dt), self.x)
        self.y = np.where(free, ramp(self.y, RADIUS * np.sin(angle), RAPID, dt), self.y)
        enters = np.clip((elapsed - TRAVERSE) / 0.5, 0.0, 1.0) * np.clip((lasts - elapsed) / 0.5, 0.0, 1.0)
        engaged: Array = np.where(drills, (self.z < 0.0) & (down > 0.0), enters)
        return engaged

    def _phase_start(self) -> Array:
        """Seconds of the programme at which the phase of each machine begins."""
        phase = self.cycle.phase
        start: Array = np.where(phase > 0, self.cycle.ends[np.arange(len(phase)), phase - 1], 0.0)
        return start

    def _measure(self) -> None:
        parts = self.cycle.parts
        dull = self.wear[:, FINISHING] + WORN_OUT * self.severity["tool_wear"]
        error = np.abs(9.0 * dull**2 + 50.0 * self.hardness.value + 40.0 * self.chatter.value)
        self.size_error = np.where(parts, error, self.size_error)
        self.good = parts & (self.size_error <= TOLERANCE)
        self.parts = self.parts + parts
        self.rejects = self.rejects + (parts & ~self.good)

    def _warm(self, dt: float, ambient: float) -> None:
        relative = np.minimum(self.current / self.rated_current, 2.0)
        self.winding = lag(self.winding, ambient + 75.0 * relative**2, 1200.0, dt)
        share = self.speed / MAX_SPEED
        worn = self.severity["bearing_wear"]
        heat = 24.0 * (1.0 + 1.4 * worn) * share**1.2 + 0.2 * (self.winding - ambient)
        self.bearing = lag(self.bearing, ambient + heat, 480.0, dt)
        self.coolant = lag(self.coolant, ambient + 1.0 + 12.0 * self.load, 2400.0, dt)
        unsteady = 1.0 + 0.8 * self.chatter.value
        self.vibration = (
            0.3
            + (0.9 + 9.0 * worn) * share**2
            + 1.4 * self.load * self.cutting
            + 1.8 * self.dull**2 * self.cutting
        ) * unsteady
        self.vibration = np.where(self.speed > 0, self.vibration, 0.05 * unsteady)

    def _supply(self, dt: float, on: np.ndarray) -> None:
        self.pumping = hysteresis(self.pumping, self.hydraulic, 50.0, 60.0) & on
        self.hydraulic = np.clip(
            self.hydraulic + np.where(self.pumping, 1.5, -0.08 - 0.2 * (self.cycle.phase == 0)) * dt, 0, 62
        )
        drained = 1.5 * self.cutting + 40.0 * self.severity["coolant_leak"]
        self.coolant_level = self.coolant_level - drained * dt / 3600.0
        self.coolant_level = np.where(self.coolant_level < 35.0, 95.0, self.coolant_level)
        axes = 0.35 * (self.feed > 1)
        electric = self.spindle_power / 0.88 + axes + 1.5 * self.cutting + 1.1 * self.pumping
        self.power = np.where(on, 0.9 + electric, 0.05)
        self.energy = self.energy + self.power * dt / 3600.0
        self.spindle_hours = hours(self.spindle_hours, self.speed > 0, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power, Utility.AIR: 0.04 + 0.16 * self.operation.running}

    def cycle_seconds(self) -> Array:
        return self.cycle.length

    def passes(self) -> tuple[Array, Array]:
        return self.cycle.took.astype(np.float64), self.good.astype(np.float64)

    def values(self) -> Values:
        running = self.operation.running
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "program": np.full(len(self.tool), PROGRAM),
            "tool_in_spindle": self.tool + 1,
            "spindle_speed": self.speed,
            "spindle_load": self.load * 100.0,
            "spindle_torque": self.torque,
            "spindle_current": self.current,
            "spindle_power": self.spindle_power,
            "winding_temperature": self.winding,
            "bearing_temperature": self.bearing,
            "spindle_vibration": self.vibration,
            "feed_rate": self.feed,
            "x_position": self.x,
            "y_position": self.y,
            "z_position": self.z,
            "tool_wear": self.tool_wear * 100.0,
            "coolant_temperature": self.coolant,
            "coolant_level": self.coolant_level,
            "hydraulic_pressure": self.hydraulic,
            "air_pressure": self.air,
            "power": self.power,
            "energy": self.energy,
            "part_count": self.parts,
            "reject_count": self.rejects,
            "size_error": self.size_error,
            "cycle_time": self.cycle.last_time,
            "cycle_progress": self.cycle.clock / self.cycle.length * 100.0,
            "spindle_hours": self.spindle_hours,
            "coolant_on": self.cutting,
            "spindle_turning": self.speed > 0,
            "door_open": running & (self.cycle.phase == 0),
            "hydraulic_pump_on": self.pumping,
            "fault": self.operation.faulty,
        }
