"""A gas-fired fire-tube boiler, 4 t/h of saturated steam, with a modulating burner and a feed pump.

Equations: heat of the water M c dT/dt = Q_burner - Q_steam - Q_radiation, Q_burner = gas - flue loss;
pressure is that of saturation; water mass dM/dt = feed - steam - blow-down; flue loss after Siegert,
(T_flue - T_air) (0.66 / (21 - O2) + 0.009) percent for natural gas (EN 12952-15, DIN 1942); dissolved
solids grow with evaporation and fall with blow-down.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.fluid_properties import EVAPORATION, WATER, steam_pressure, steam_temperature
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours
from simulator.physics.signals import OUNoise, hysteresis, lag, ramp
from simulator.physics.utility import Utility

FEED_TEMPERATURE = 104.0  # degC, from the deaerator
GAS = 9.97  # kWh/m3, lower heating value
MASS = 6500.0  # kg of water at the middle of the glass
STORED = 4.4  # kJ/K per kg of water, with the steel around it
LOWEST = 0.2  # smallest firing rate
SWELL, SETTLES = 40.0, 60.0  # % of level for all steam at once, and s until it is gone
STANDBY = 0.35  # share of the base demand when nobody is there
RADIATION = 0.012 / 173.0  # of the rated heat per K over the hall, through the shell


class SteamBoilers(Machines):
    """Gives steam to the machines it feeds, besides a base demand of its own."""

    supplies = (Utility.STEAM,)
    alarms = (
        Alarm(10, "flue_temperature", 310.0, 265.0, ("scale",)),
        Alarm(11, "water_level", 10.0, 25.0),
    )
    faults = ("scale", "air_leak_in_flue")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.rated = fleet.parameter("steam_capacity", 4000.0, maximum=8000.0)  # kg/h
        self.base = fleet.parameter(
            "base_demand", 1700.0, 0.1, minimum=0.0, maximum=8000.0
        )  # kg/h besides `feeds`
        self.setpoints = {"pressure_set": fleet.parameter("pressure", 13.0), "burner_enable": np.ones(n)}
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(fleet, stops=2, hours_between_stops=120.0, repair_minutes=8.0)
        self.swing = OUNoise(fleet.noise, 0.12, 200.0)
        self.unsteady = OUNoise(fleet.noise, 0.03, 4.0)
        self.slosh = OUNoise(fleet.noise, 0.3, 5.0)
        self.water = steam_temperature(self.setpoints["pressure_set"]) + fleet.between(-0.4, 0.2)
        self.pressure = steam_pressure(self.water)
        self.mass = MASS * fleet.between(0.97, 1.03)
        self.pumping = np.zeros(n, dtype=bool)
        self.feed = np.zeros(n)
        self.firing = np.ones(n, dtype=bool)
        self.fire = fleet.between(0.4, 0.55)
        self.steam = self.base.copy()
        self.drawn = self.steam / self.rated  # share of the capacity, in the last minute
        self.oxygen = np.full(n, 4.2)
        self.flue = self.water + 45.0
        self.fouling = fleet.parameter("fouling", 1.0, 0.15, maximum=4.0)
        self.solids = fleet.between(2200.0, 2900.0)
        self.blowing = np.zeros(n, dtype=bool)
        self.run_hours = fleet.between(3_000.0, 40_000.0)
        self.steam_total = self.run_hours * 1.7
        self.feed_total = self.steam_total * 1.03
        self.gas_total = self.run_hours * 128.0
        self.energy = self.run_hours * 7.5
        self.starts = np.floor(self.run_hours / 125.0)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        # bubbles under the surface: it swells when more steam is drawn, and shrinks when less
        drawn = self.steam / self.rated
        self.drawn = lag(self.drawn, drawn, SETTLES, dt)
        swell = SWELL * (drawn - self.drawn)
        level = 50.0 + (self.mass - MASS) / MASS * 400.0 + swell + self.slosh.step(dt)
        self.level = np.clip(level, 0.0, 100.0)
        self.limits.check(self.flue, self.level)
        on = self.setpoints["burner_enable"] > 0
        self.operation.step(dt, on=on, voltage=surroundings.voltage, trip=self.limits.codes)
        self._burn(dt, surroundings.ambient)
        self._evaporate(dt, surroundings)
        self._count(dt)

    def _burn(self, dt: float, ambient: float) -> None:
        below = self.setpoints["pressure_set"] - self.pressure
        before = self.firing
        cold = hysteresis(before, -below, -0.5, 0.8)
        self.firing = cold & self.operation.running
        self.starts = self.starts + (self.firing & ~before)
        wanted = np.clip(self.steam / self.rated + 0.8 * below, LOWEST, 1.0)
        self.fire = ramp(self.fire, np.where(self.firing, wanted, LOWEST), 0.03, dt)
        self.oxygen = lag(
            self.oxygen,
            np.where(self.firing, 5.2 - 2.0 * self.fire + 4.0 * self.severity["air_leak_in_flue"], 20.9),
            8.0,
            dt,
        )
        flue = self.water + (16.0 + 48.0 * self.fire) * (self.fouling + 2.4 * self.severity["scale"])
        self.flue = lag(self.flue, np.where(self.firing, flue, self.water - 20.0), 60.0, dt)
        excess = self.flue - ambient
        loss = excess * (0.66 / (21.0 - np.minimum(self.oxygen, 12.0)) + 0.009) / 100.0
        full = self.rated * EVAPORATION / 3600.0 * 1.19  # kW that rated steam from feed water needs
        self.heat = np.where(self.firing, self.fire * full * (1.0 + 0.2 * self.unsteady.step(dt)), 0.0)
        fuel = self.heat / np.maximum(1.0 - loss, 0.5)
        self.gas = fuel / GAS
        self.radiated = RADIATION * self.rated * EVAPORATION / 3600.0 * (self.water - ambient)
        self.efficiency = 1.0 - loss - self.radiated / np.maximum(fuel, LOWEST * full)

    def _evaporate(self, dt: float, surroundings: Surroundings) -> None:
        daily = 0.9 + 0.25 * np.sin(2 * np.pi * (surroundings.second_of_day / 86_400.0 - 0.25))
        wanted = (
            self.base
            * daily
            * (STANDBY + (1.0 - STANDBY) * surroundings.activity)
            * np.maximum(1.0 + self.swing.step(dt), 0.1)
            + surroundings.demand[Utility.STEAM]
        )
        # what leaves through a given opening is proportional to the pressure
        self.steam = wanted * np.clip(self.pressure / self.setpoints["pressure_set"], 0.0, 1.15)
        self.pumping = hysteresis(self.pumping, self.level, 44.0, 56.0) & (
            self.setpoints["burner_enable"] > 0
        )
        self.feed = lag(self.feed, np.where(self.pumping, 1.4 * self.rated, 0.0), 2.0, dt)
        self.blowing = ~hysteresis(~self.blowing, self.solids, 2600.0, 3000.0)
        self.blow_down = np.where(self.blowing, 240.0, 0.0)
        self.mass = self.mass + (self.feed - self.steam - self.blow_down) / 3600.0 * dt
        # steam takes the heat of evaporation; feed water is warmed to the boiler's temperature
        drawn = self.steam / 3600.0 * EVAPORATION + self.feed / 3600.0 * WATER * (
            self.water - FEED_TEMPERATURE
        )
        self.water = self.water + (self.heat - drawn - self.radiated) / (self.mass * STORED) * dt
        self.pressure = steam_pressure(self.water)
        self.solids = (
            self.solids + (self.feed * 180.0 - self.blow_down * self.solids) / 3600.0 / self.mass * dt
        )

    def _count(self, dt: float) -> None:
        fan = np.where(self.firing, 1.0 + 7.0 * self.fire**3, 0.0)
        self.power = 0.5 + fan + 7.5 * self.pumping
        self.energy = self.energy + self.power * dt / 3600.0
        self.steam_total = self.steam_total + self.steam * dt / 3.6e6
        self.feed_total = self.feed_total + self.feed * dt / 3.6e6
        self.gas_total = self.gas_total + self.gas * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.firing, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power}

    def utility_outputs(self) -> Mapping[Utility, Array]:
        return {Utility.STEAM: self.pressure}

    def values(self) -> Values:
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "steam_pressure": self.pressure,
            "steam_temperature": self.water,
            "steam_flow": self.steam,
            "water_level": self.level,
            "feed_flow": self.feed,
            "firing_rate": np.where(self.firing, self.fire * 100.0, 0.0),
            "gas_flow": self.gas,
            "heat_output": self.heat,
            "flue_temperature": self.flue,
            "flue_oxygen": self.oxygen,
            "efficiency": self.efficiency * 100.0,
            "dissolved_solids": self.solids,
            "blow_down_flow": self.blow_down,
            "power": self.power,
            "energy": self.energy,
            "steam_mass": self.steam_total,
            "feed_mass": self.feed_total,
            "gas_volume": self.gas_total,
            "run_hours": self.run_hours,
            "burner_starts": self.starts,
            "flame": self.firing,
            "feed_pump_on": self.pumping,
            "blow_down_open": self.blowing,
            "low_water": self.level < 25.0,
            "fault": self.operation.faulty,
        }
