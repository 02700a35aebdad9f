"""A water-cooled screw chiller that keeps a loop of chilled water at its set-point.

Equations: loop C dT/dt = Q_load - Q_cool; power = Q_cool / COP with COP = 0.52 Te / (Tc - Te) of the
evaporating and condensing temperatures in kelvin (share of Carnot; ASHRAE Handbook, Fundamentals, ch.
2); pressures are those of saturated R134a at these temperatures; condenser heat = cooling + power.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.fluid_properties import WATER, refrigerant_pressure
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours
from simulator.physics.signals import OUNoise, hysteresis, lag, ramp
from simulator.physics.utility import Utility

CARNOT = 0.52
LOWEST = 0.25  # smallest share of its capacity that the slide valve allows
COLDEST_TOWER = 12.0  # degC: its fan stops, so that the condensing pressure stays high enough
STANDBY = 0.4  # share of the base load when nobody is there


class Chillers(Machines):
    """Gives cooling water to the machines it feeds; what they reject warms the loop."""

    supplies = (Utility.COOLING,)
    alarms = (
        Alarm(10, "suction_pressure", 2.6, 3.0, ("refrigerant_leak",)),  # bar: water would freeze
        Alarm(12, "discharge_pressure", 15.0, 12.5, ("condenser_fouling",)),
    )
    faults = ("condenser_fouling", "refrigerant_leak")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.rated = fleet.parameter("capacity", 260.0, 0.01)  # kW of cooling
        self.base = fleet.parameter("base_load", 110.0, 0.1, minimum=0.0)  # kW besides `feeds`
        self.heat_capacity = fleet.parameter("loop_heat_capacity", 14_000.0)  # kJ/K: 3.3 t of water
        self.flow = fleet.parameter("chilled_water_flow", 11.5, 0.02)  # kg/s
        self.cooling_flow = self.flow * 1.25
        self.setpoints = {
            "supply_temperature_set": fleet.parameter("supply_temperature", 12.0),
            "run_enable": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(fleet, stops=2, hours_between_stops=80.0, repair_minutes=12.0)
        self.swing = OUNoise(fleet.noise, 0.08, 600.0)
        self.ripple = OUNoise(fleet.noise, 0.006, 8.0)
        self.water = self.setpoints["supply_temperature_set"] + fleet.between(-0.3, 0.3)
        self.tower = np.full(n, 26.0)
        self.slide = fleet.between(0.4, 0.6)
        self.compressing = np.ones(n, dtype=bool)
        self.condensing = np.full(n, 36.0)
        self.evaporating = self.water - 4.0
        self.discharge = self.condensing + 18.0
        self.oil = fleet.between(48.0, 52.0)
        self.cooling = self.base.copy()
        self.fouling = fleet.parameter("fouling", 1.0, 0.1)
        self.run_hours = fleet.between(2_000.0, 30_000.0)
        self.energy = self.run_hours * 30.0
        self.cold = self.run_hours * 140.0
        self.starts = np.floor(self.run_hours / 70.0)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        on = self.setpoints["run_enable"] > 0
        self.operation.step(dt, on=on, voltage=surroundings.voltage, trip=self.limits.codes)
        error = self.water - self.setpoints["supply_temperature_set"]
        before = self.compressing
        warm = ~hysteresis(~before, error, -1.5, 0.8)
        self.compressing = warm & self.operation.running
        self.starts = self.starts + (self.compressing & ~before)
        self._cool(dt, error, surroundings)
        self._refrigerate(dt, surroundings)
        self._count(dt)
        self.limits.check(refrigerant_pressure(self.evaporating), refrigerant_pressure(self.condensing))

    def _cool(self, dt: float, error: Array, surroundings: Surroundings) -> None:
        daily = 0.9 + 0.2 * np.sin(2 * np.pi * (surroundings.second_of_day / 86_400.0 - 0.375))
        daily = daily * (STANDBY + (1.0 - STANDBY) * surroundings.activity)
        own = self.base * daily * np.maximum(1.0 + self.swing.step(dt), 0.1)
        self.load = own + surroundings.demand[Utility.COOLING]
        # the slide valve follows the load and trims by the error
        wanted = np.clip(self.load / self.rated + 0.35 * error, LOWEST, 1.0)
        self.slide = ramp(self.slide, np.where(self.compressing, wanted, LOWEST), 0.02, dt)
        charged = self.rated * (1.0 - 0.4 * self.severity["refrigerant_leak"])
        self.cooling = np.where(self.compressing, self.slide * charged * (1.0 + self.ripple.step(dt)), 0.0)
        self.water = np.clip(self.water + (self.load - self.cooling) / self.heat_capacity * dt, 2.0, 60.0)
        self.return_temperature = self.water + self.load / (self.flow * WATER)

    def _refrigerate(self, dt: float, surroundings: Surroundings) -> None:
        part = self.cooling / self.rated
        self.lift = np.maximum(self.condensing - self.evaporating, 6.0)
        self.cop = CARNOT * (self.evaporating + 273.15) / self.lift * (0.85 + 0.15 * part)
        self.compressor = np.where(self.compressing, self.cooling / self.cop, 0.0)
        rejected = self.cooling + self.compressor
        self.tower = lag(
            self.tower, np.maximum(surroundings.outside, COLDEST_TOWER) + 1.5 + 4.5 * part, 500.0, dt
        )
        self.tower_return_temperature = self.tower + rejected / (self.cooling_flow * WATER)
        resistance = 4.0 * self.fouling + 40.0 * self.severity["condenser_fouling"]
        self.condensing = lag(self.condensing, self.tower_return_temperature + resistance * part, 25.0, dt)
        self.evaporating = lag(
            self.evaporating, self.water - (5.0 + 35.0 * self.severity["refrigerant_leak"]) * part, 25.0, dt
        )
        self.discharge = lag(self.discharge, self.condensing + 14.0 * (part > 0) + 10.0 * part, 90.0, dt)
        self.oil = lag(
            self.oil, np.where(self.compressing, self.discharge - 6.0, surroundings.ambient + 12.0), 700.0, dt
        )
        pumps = np.where(self.setpoints["run_enable"] > 0, 5.5 + 4.0, 0.2)
        self.power = self.compressor + pumps + 2.2 * (part > 0)
        self.current = (
            self.compressor * 1000.0 / (np.sqrt(3.0) * np.maximum(surroundings.voltage, 50.0) * 0.89)
        )

    def _count(self, dt: float) -> None:
        self.energy = self.energy + self.power * dt / 3600.0
        self.cold = self.cold + self.cooling * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.compressing, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power}

    def utility_outputs(self) -> Mapping[Utility, Array]:
        return {Utility.COOLING: self.water}

    def values(self) -> Values:
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "supply_temperature": self.water,
            "return_temperature": self.return_temperature,
            "chilled_water_flow": self.flow
            * 3.6
            * (1.0 + self.ripple.value)
            * (self.setpoints["run_enable"] > 0),
            "condenser_inlet_temperature": self.tower,
            "condenser_outlet_temperature": self.tower_return_temperature,
            "evaporating_temperature": self.evaporating,
            "condensing_temperature": self.condensing,
            "suction_pressure": refrigerant_pressure(self.evaporating),
            "discharge_pressure": refrigerant_pressure(self.condensing),
            "discharge_temperature": self.discharge,
            "oil_temperature": self.oil,
            "slide_valve": np.where(self.compressing, self.slide * 100.0, 0.0),
            "cooling_power": self.cooling,
            "cooling_load": self.load,
            "cop": np.where(self.compressing, self.cop, 0.0),
            "compressor_power": self.compressor,
            "compressor_current": self.current,
            "power": self.power,
            "energy": self.energy,
            "cooling_energy": self.cold,
            "run_hours": self.run_hours,
            "compressor_starts": self.starts,
            "compressor_on": self.compressing,
            "fault": self.operation.faulty,
        }
