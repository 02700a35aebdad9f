"""A hydraulic injection moulding machine, with a variable pump, that moulds one part of 420 g in each shot.

Equations: barrel zones and mould as thermal masses, C dT/dt = Q - UA (T - T0), the barrel under
proportional control, its zones joined by the steel between them and by the melt, which the screw heats; heat
of a shot m cp dT goes into the mould and from there into the cooling water; pressure to fill falls with the
viscosity of the melt, exp(-0.012 K^-1 (T - 230 degC)) (Osswald, Turng and Gramann, Injection Molding
Handbook, ch. 4-6).
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
from simulator.physics.signals import OUNoise, lag, pick, ramp
from simulator.physics.utility import Utility

CLOSE, INJECT, HOLD, COOL, OPEN, EJECT = range(6)
SECONDS = np.array([2.0, 1.8, 5.0, 14.0, 2.0, 2.2])
PLASTICISING = 8.0  # seconds at the beginning of cooling
DOSED, SWITCHED, CUSHION = 82.0, 14.0, 6.0  # mm, screw positions
OPENED = 450.0  # mm
SHOT, HEAT_CAPACITY = 0.42, 2.1  # kg, kJ/(kg K)
PUMP = np.array([14.0, 55.0, 26.0, 9.0, 17.0, 12.0])  # kW of the hydraulic drive in each phase
SCREW = 40.0  # kW more while the screw turns
AUXILIARY = 4.0  # kW of control, granulate dryer and temperature unit
ZONES = np.array([-30.0, -10.0, 0.0, 5.0])  # degC relative to the set-point; the last is the nozzle
HEATER = 3.0  # kW of each zone
ZONE_C, ZONE_UA = 10.7, 0.006  # kJ/K, kW/K through the jacket of each zone
BETWEEN, MELT = 0.004, 0.06  # kW/K between two zones; between a zone and the melt while the screw turns
SHEAR = np.array([[8.0], [24.0], [14.0], [5.0]])  # K that the melt gains on its way into each zone
PRESSURE_LAG = 0.12  # s
MOULD_UA, MOULD_C = 0.30, 120.0  # kW/K, kJ/K
WARMEST_WATER = 25.0  # degC at which the mould still cools a part in its time


class InjectionMouldingMachines(Machines):
    """A shot whose weight is more than 1.2 % off is a reject."""

    alarms = (
        Alarm(10, "barrel_zone_3", -15.0, -12.0, ("heater_failure",), "barrel_temperature_set"),
        Alarm(13, "oil_temperature", 62.0, 55.0),
    )
    faults = ("heater_failure", "check_valve_leak")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        slowness = fleet.parameter("cycle_factor", 1.0, 0.02, minimum=0.5)
        self.clamp_rated = fleet.parameter("clamp_force", 1600.0)  # kN
        self.cycle = Cycle(SECONDS * slowness[:, None], fleet.between(0.0, 1.0))
        self.setpoints = {
            "barrel_temperature_set": fleet.parameter("barrel_temperature", 232.0),
            "hold_pressure_set": fleet.parameter("hold_pressure", 620.0),
            "cooling_time_set": fleet.parameter("cooling_time", 14.0),
            "machine_on": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.barrel_for = self.setpoints["barrel_temperature_set"].copy()  # the set-point that it has reached
        self.operation = Operation(fleet, stops=3, hours_between_stops=18.0, repair_minutes=6.0)
        self.material = OUNoise(fleet.noise, 0.012, 900.0)
        self.unsteady = OUNoise(fleet.noise, 0.006, 3.0)
        self.barrel = self.setpoints["barrel_temperature_set"] + ZONES[:, None] + fleet.between(-0.5, 0.5)
        self.heating = np.full((4, n), 0.45)
        self.mould = fleet.between(30.0, 33.0)
        self.oil = fleet.between(40.0, 44.0)
        self.pressure = np.zeros(n)
        self.cavity = np.zeros(n)
        self.clamp = np.zeros(n)
        self.screw = np.full(n, DOSED)
        self.opening = np.zeros(n)
        self.pump = np.full(n, 15.0)
        self.filling = np.full(n, 900.0)
        self.filled = self.cycle.phase > INJECT
        self.weight = np.full(n, SHOT * 1000.0)
        self.shots = np.floor(fleet.between(20_000.0, 900_000.0))
        self.rejects = np.floor(self.shots * 0.006)
        self.good = np.zeros(n, dtype=bool)
        self.run_hours = self.shots * 27.0 / 3600.0
        self.energy = self.run_hours * 34.0

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.water = surroundings.level[Utility.COOLING]
        no_air = surroundings.level[Utility.AIR] < LOWEST_AIR
        on = self.setpoints["machine_on"] > 0
        wanted = self.setpoints["barrel_temperature_set"]
        self.barrel_for = np.where(self.barrel[2] > wanted - 5.0, wanted, self.barrel_for)
        wait = waits(
            (5, self.barrel[2] < wanted - 15.0),
            # the shot under way is finished: it must not freeze in the mould
            (4, self.cycle.at_start & (no_air | (self.water > WARMEST_WATER))),
            (1, self.cycle.at_start & (surroundings.parts < 1)),
            (2, self.cycle.at_start & (surroundings.room < 1)),
            (3, self.cycle.at_start & surroundings.closed),
            n=len(self.oil),
        )
        self.operation.step(dt, on=on, voltage=surroundings.voltage, wait=wait, trip=self.limits.codes)
        running = self.operation.running
        rate = np.where(self.cycle.phase == COOL, SECONDS[COOL] / self.setpoints["cooling_time_set"], 1.0)
        self.cycle.step(dt, running, wait == 0, rate)
        self._mould(dt, running)
        self._heat(dt, surroundings.ambient, on)
        self._cool(dt, rate * running)
        self._count(dt)
        # a barrel that is still on its way to a new set-point is not too cold
        reached = running & (self.barrel_for == wanted)
        self.limits.check(np.where(reached, self.barrel[2] - wanted, 0.0), self.oil)

    def _mould(self, dt: float, running: np.ndarray) -> None:
        phase, plasticises = (
            self.cycle.phase,
            (self.cycle.phase == COOL) & (self.cycle.elapsed < PLASTICISING),
        )
        melt = self.barrel[2]
        batch, unsteady = self.material.step(dt), self.unsteady.step(dt)
        resistance = 1150.0 * np.exp(-0.012 * (melt - 230.0)) * (1.0 + 2.0 * batch + unsteady)
        hold = self.setpoints["hold_pressure_set"] * (1.0 + unsteady)
        wanted = np.choose(phase, [0.0, resistance * self.cycle.fraction, hold, 85.0 * plasticises, 0.0, 0.0])
        self.pressure = lag(self.pressure, wanted * running, PRESSURE_LAG, dt)
        # what the lag leaves of a ramp at its end, at whatever moment a step falls
        reached = resistance * (1.0 - PRESSURE_LAG / SECONDS[INJECT])
        full = (phase > INJECT) & ~(self.filled & ~self.cycle.parts) & running
        self.filling = np.where(full, reached, self.filling)
        self.filled = (phase > INJECT) & (self.filled | full)
        pressed = np.choose(phase, [0.0, 0.55 * self.pressure, 0.72 * self.pressure, 0.0, 0.0, 0.0])
        self.cavity = lag(self.cavity, pressed, np.where(phase == COOL, 3.5, 0.4), dt)
        position = np.choose(phase, [DOSED, SWITCHED, CUSHION, DOSED, DOSED, DOSED])
        speed = np.choose(phase, [0.0, 45.0, 3.0, 9.8, 0.0, 0.0])
        self.screw = ramp(
            self.screw,
            position * (1.0 - 0.9 * self.severity["check_valve_leak"] * (phase == HOLD)) + 2.0 * unsteady,
            speed * running,
            dt,
        )
        self.opening = ramp(
            self.opening, np.choose(phase, [0.0, 0.0, 0.0, 0.0, OPENED, OPENED]), 260.0 * running, dt
        )
        self.clamp = lag(
            self.clamp, np.where((phase >= INJECT) & (phase <= COOL), self.clamp_rated, 0.0), 0.25, dt
        )
        packing = (
            0.00004 * (self.setpoints["hold_pressure_set"] - 620.0)
            - 0.0004 * (melt - 232.0)
            - 0.03 * self.severity["check_valve_leak"]
        )
        self.weight = np.where(
            self.cycle.parts, SHOT * 1000.0 * (1.0 + packing + 0.35 * batch + 0.1 * unsteady), self.weight
        )
        self.good = self.cycle.parts & (np.abs(self.weight / (SHOT * 1000.0) - 1.0) < 0.012)
        self.pump = lag(self.pump, (pick(PUMP, phase) + SCREW * plasticises) * running, 0.2, dt)
        self.plasticises = plasticises & running

    def _heat(self, dt: float, ambient: float, on: np.ndarray) -> None:
        wanted = self.setpoints["barrel_temperature_set"] + ZONES[:, None]
        held = ZONE_UA * (wanted - ambient) / HEATER
        self.heating = np.clip((wanted - self.barrel) / 8.0 + held, 0.0, 1.0) * on
        alive = 1.0 - np.array([0.0, 0.0, 1.0, 0.0])[:, None] * self.severity["heater_failure"]
        first, second, third, nozzle = self.barrel
        before, behind = np.stack([first, first, second, third]), np.stack([second, third, nozzle, nozzle])
        melt = MELT * self.plasticises
        conducted = ZONE_UA + 2.0 * BETWEEN + melt
        gained = HEATER * self.heating * alive + ZONE_UA * ambient + BETWEEN * (before + behind)
        target = (gained + melt * (before + SHEAR)) / conducted
        self.barrel = lag(self.barrel, target, ZONE_C / conducted, dt)
        self.oil = lag(self.oil, ambient + 0.85 * self.pump, 1500.0, dt)
        self.power = np.where(on, AUXILIARY + self.pump + HEATER * (self.heating * alive).sum(axis=0), 0.05)

    def _cool(self, dt: float, pace: Array) -> None:
        """Heat of the melt into the mould, as much per shot however long it takes, and on into the water."""
        shot = SHOT * HEAT_CAPACITY * (self.barrel[2] - self.mould) / self.cycle.length * pace
        before = self.mould
        self.mould = lag(self.mould, self.water + shot / MOULD_UA, MOULD_C / MOULD_UA, dt)
        self.cooling = shot - MOULD_C * (self.mould - before) / dt  # under 0: the water warms the mould

    def _count(self, dt: float) -> None:
        self.shots = self.shots + self.cycle.parts
        self.rejects = self.rejects + (self.cycle.parts & ~self.good)
        self.energy = self.energy + self.power * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.operation.running, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        air = 0.02 + 0.1 * (self.cycle.phase == EJECT)
        return {Utility.ELECTRICITY: self.power, Utility.COOLING: self.cooling, Utility.AIR: air}

    def cycle_seconds(self) -> Array:
        return self.cycle.length

    def passes(self) -> tuple[Array, Array]:
        return self.cycle.took.astype(np.float64), self.good.astype(np.float64)

    def values(self) -> Values:
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "phase": self.cycle.phase,
            "injection_pressure": self.pressure,
            "cavity_pressure": self.cavity,
            "fill_pressure": self.filling,
            "clamp_force": self.clamp,
            "screw_position": self.screw,
            "mould_opening": self.opening,
            "barrel_zone_1": self.barrel[0],
            "barrel_zone_2": self.barrel[1],
            "barrel_zone_3": self.barrel[2],
            "nozzle_temperature": self.barrel[3],
            "heater_output": self.heating[2] * 100.0,
            "mould_temperature": self.mould,
            "cooling_supply_temperature": self.water,
            "cooling_power": np.maximum(self.cooling, 0.0),
            "oil_temperature": self.oil,
            "power": self.power,
            "energy": self.energy,
            "cycle_time": self.cycle.last_time,
            "part_weight": self.weight,
            "shot_count": self.shots,
            "reject_count": self.rejects,
            "run_hours": self.run_hours,
            "mould_closed": self.opening < 1.0,
            "plasticising": self.plasticises,
            "fault": self.operation.faulty,
        }
