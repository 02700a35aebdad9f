"""Properties of air, water, steam and refrigerant, by short published formulas."""

from __future__ import annotations

import numpy as np

from simulator.physics.noise import Array

P0 = 1.013  # bar, atmosphere
EVAPORATION = 2000.0  # kJ/kg of steam around 10 bar
WATER = 4.19  # kJ/(kg K)
LOWEST_AIR = 4.5  # bar gauge of compressed air at which cylinders and valves still move

# Antoine's equation for water from 99 to 374 degC, pressure in mmHg (Yaws, The Yaws Handbook of Vapor
# Pressure)
A, B, C = 8.14019, 1810.94, 244.485
MMHG = 750.062  # per bar
# Clausius-Clapeyron through two points of the R134a table: 2.928 bar at 0 degC, 10.166 bar at 40 degC
R134A_A, R134A_B = 10.819, 2661.8


def steam_temperature(pressure: Array) -> Array:
    """Temperature of saturated steam, degC, at a gauge pressure in bar."""
    return B / (A - np.log10((np.maximum(pressure, 0.0) + P0) * MMHG)) - C


def steam_pressure(temperature: Array) -> Array:
    """Gauge pressure in bar of saturated steam of a temperature in degC; 0 under 100 degC."""
    absolute = 10.0 ** (A - B / (C + temperature)) / MMHG
    return np.maximum(absolute - P0, 0.0)


def refrigerant_pressure(temperature: Array) -> Array:
    """Absolute pressure in bar of saturated R134a at a temperature in degC."""
    pressure: Array = np.exp(R134A_A - R134A_B / (temperature + 273.15))
    return pressure
