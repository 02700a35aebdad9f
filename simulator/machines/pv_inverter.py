"""A 110 kW string inverter with its PV field on the factory's roof at 36.7 degrees north (Jinan).

Equations: solar elevation from declination and hour angle, clear-sky irradiance after Haurwitz (1945),
G = 1098 sin h exp(-0.057 / sin h); module temperature by its nominal operating temperature, T = Ta + G
/ 800 (NOCT - 20); power P = Pstc G / 1000 (1 - 0.0035 (T - 25)) (Duffie and Beckman, Solar Engineering
of Thermal Processes, ch. 1, 5 and 23); efficiency of the inverter as a curve of its load, losses P0 +
k P^2 of the direct power P that it takes, never more than P.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import IDLE, OFF, RUNNING, Codes, hours
from simulator.physics.signals import OUNoise, lag
from simulator.physics.utility import Utility

LATITUDE = np.radians(36.7)
STRINGS, MEASURED = 20, 4  # of 6 kW each, in pairs at ten trackers
PEAK_VOLTAGE = 640.0  # V at the maximum power point at 25 degC
NOCT = 45.0
IDLE_LOSS, LOAD_LOSS = 0.0011, 0.0143  # of rated power: always, and at rated power besides


class PvInverters(Machines):
    """Runs from sunrise to sunset; `state` is off at night, idle where there is light but no grid."""

    faults = ("soiling", "string_failure")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.rated = fleet.parameter("rated_power", 110.0)  # kW, output
        self.peak = fleet.parameter("peak_power", 122.0, 0.01)  # kW of modules
        self.soiling = fleet.parameter("soiling", 0.04, 0.3, minimum=0.0, maximum=0.9)
        self.setpoints = {"power_limit": np.full(n, 100.0), "grid_enable": np.ones(n)}
        self.cloud = OUNoise(fleet.noise, 0.9, 420.0)
        self.ripple = OUNoise(fleet.noise, 0.01, 5.0)
        self.uneven = np.ones((STRINGS, n))
        self.uneven[:MEASURED] = [fleet.parameter("string_match", 1.0, 0.01) for _ in range(MEASURED)]
        self.module = np.full(n, 25.0)
        self.heatsink = np.full(n, 30.0)
        self.state: Codes = np.full(n, OFF, dtype=np.int64)
        self.output = np.zeros(n)
        self.today = np.zeros(n)
        self.day = np.full(n, -1)
        self.energy = fleet.between(20_000.0, 500_000.0)
        self.run_hours = self.energy / 40.0
        self.insulation = fleet.between(1800.0, 2600.0)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self._shine(dt, surroundings)
        self._switch(surroundings)
        self._convert(dt, surroundings)
        new_day = self.day != surroundings.day_of_year
        self.today = np.where(new_day, 0.0, self.today) + self.output * dt / 3600.0
        self.day = np.full_like(self.day, surroundings.day_of_year)
        self.energy = self.energy + self.output * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.state == RUNNING, dt)

    def _shine(self, dt: float, surroundings: Surroundings) -> None:
        declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284 + surroundings.day_of_year) / 365.0)
        angle = 2.0 * np.pi * (surroundings.second_of_day / 86_400.0 - 0.5)
        height = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(
            angle
        )
        clear = np.where(height > 0.01, 1098.0 * height * np.exp(-0.057 / np.maximum(height, 0.01)), 0.0)
        # 1 under a blue sky, down to 0.15 under dark clouds
        passes = 0.15 + 0.85 / (1.0 + np.exp(-3.0 * (self.cloud.step(dt) + 0.8 + surroundings.sky)))
        self.irradiance = np.maximum(clear * passes * (1.0 + self.ripple.step(dt)), 0.0)
        self.module = lag(
            self.module, surroundings.outside + self.irradiance / 800.0 * (NOCT - 20.0), 400.0, dt
        )

    def _switch(self, surroundings: Surroundings) -> None:
        light = self.irradiance > 25.0
        grid = (
            (surroundings.voltage > 320.0)
            & (surroundings.voltage < 440.0)
            & (self.setpoints["grid_enable"] > 0)
        )
        old = self.state
        new = old.copy()
        new[(old == OFF) & light] = IDLE
        new[(old == IDLE) & light & grid] = RUNNING
        new[(old == IDLE) & ~light] = OFF
        new[(old == RUNNING) & ~(light & grid)] = IDLE
        self.state = new

    def _convert(self, dt: float, surroundings: Surroundings) -> None:
        running = self.state == RUNNING
        heat = 1.0 - 0.0035 * (self.module - 25.0)
        offered = (
            self.peak
            * self.irradiance
            / 1000.0
            * heat
            * (1.0 - self.soiling - 0.35 * self.severity["soiling"])
        )
        offered = offered * (1.0 - self.severity["string_failure"] / STRINGS)
        limit = self.rated * self.setpoints["power_limit"] / 100.0
        own, square = IDLE_LOSS * self.rated, LOAD_LOSS / self.rated
        # the direct power whose output is the limit: P - P0 - k P^2 = limit
        ceiling = (1.0 - np.sqrt(1.0 - 4.0 * square * (limit + own))) / (2.0 * square)
        # at its limit the inverter moves away from the best point of the modules and leaves power unused
        self.direct = np.where(running, np.minimum(offered, ceiling), 0.0)
        self.limited = running & (offered > ceiling)
        self.output = np.maximum(self.direct - own - square * self.direct**2, 0.0)
        self.losses = self.direct - self.output
        open_circuit = PEAK_VOLTAGE * 1.22 * (1.0 - 0.0029 * (self.module - 25.0)) * (self.irradiance > 5.0)
        best = (
            PEAK_VOLTAGE
            * (1.0 - 0.0035 * (self.module - 25.0))
            * (0.94 + 0.06 * np.minimum(self.irradiance / 400.0, 1.0))
        )
        unused = np.clip(1.0 - self.direct / np.maximum(offered, 0.01), 0.0, 1.0) * running
        self.voltage = np.where(running, best * (1.0 + 0.15 * unused), open_circuit)
        working = self.uneven * (1.0 - np.eye(STRINGS)[2][:, None] * self.severity["string_failure"])
        shares = working / working.sum(axis=0)
        self.currents = self.direct * 1000.0 * shares / np.maximum(self.voltage, 1.0)
        self.current = self.output * 1000.0 / (np.sqrt(3.0) * np.maximum(surroundings.voltage, 50.0))
        self.heatsink = lag(self.heatsink, surroundings.ambient + 3.0 + 16.0 * self.losses, 500.0, dt)
        self.grid = surroundings.voltage
        self.frequency = np.full_like(self.output, surroundings.frequency)
        self.efficiency = np.divide(
            self.output, self.direct, out=np.zeros_like(self.output), where=self.direct > 0.0
        )
        self.resistance = self.insulation * (1.0 - 0.004 * (self.module - 25.0))

    def reactive_power(self) -> Array:
        return np.zeros_like(self.output)  # as the grid asks for: power alone

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: -self.output}

    def values(self) -> Values:
        strings = {f"string_{i + 1}_current": self.currents[i] for i in range(MEASURED)}
        return {
            **self.setpoints,
            **strings,
            "state": self.state,
            "power": self.output,
            "direct_power": self.direct,
            "direct_voltage": self.voltage,
            "grid_voltage": self.grid,
            "grid_current": self.current,
            "grid_frequency": self.frequency,
            "efficiency": self.efficiency * 100.0,
            "irradiance": self.irradiance,
            "module_temperature": self.module,
            "heatsink_temperature": self.heatsink,
            "insulation_resistance": self.resistance,
            "energy_today": self.today,
            "energy": self.energy,
            "run_hours": self.run_hours,
            "feeding": self.output > 0,
            "limited": self.limited,
        }
