"""A three-phase four-wire energy meter, of the machines behind it or of a load of its own.

Equations: per phase S = U I, S^2 = P^2 + Q^2, P and Q each the sum of what is behind the meter; energy
is the integral of power; the neutral carries the phasor sum of the phase currents; demand is the mean
power of the last whole quarter of an hour (IEC 62053-22).
"""

from __future__ import annotations

import numpy as np

from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.signals import OUNoise
from simulator.physics.utility import Utility

QUARTER = 900.0  # s
STANDBY = 0.45  # share of the base load when nobody is there
SHARES = np.array([0.345, 0.335, 0.320])  # of the load on each phase


class ThreePhaseEnergyMeters(Machines):
    """Arrays of phases have shape (3, n). Power is positive where it is taken from the mains, negative
    where it is fed in.
    """

    supplies = (Utility.ELECTRICITY,)
    faults = ("phase_loss",)

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.base = fleet.parameter(
            "base_load", 14.0, 0.1, minimum=0.0, maximum=5e3
        )  # kW of what is behind the meter besides `feeds`
        self.power_factor = fleet.parameter("power_factor", 0.87, 0.02, minimum=0.3, maximum=1.0)
        self.impedance = fleet.parameter(
            "line_impedance", 0.0, minimum=0.0, maximum=1.0
        )  # ohm between the meter and the bus that the machines see
        self.swing = [OUNoise(fleet.noise, 0.01, 20.0) for _ in SHARES]
        self.sag = [OUNoise(fleet.noise, 0.002, 15.0) for _ in SHARES]
        self.load = OUNoise(fleet.noise, 0.08, 120.0)
        self.current = np.zeros((3, n))
        self.imported = fleet.between(50_000.0, 900_000.0)
        self.exported = fleet.between(0.0, 100.0)
        self.reactive = self.imported * 0.55
        self.window_energy = np.zeros(n)
        self.window = fleet.between(0.0, QUARTER)  # s of the window that have passed
        self.quarter = np.full(n, -1.0)  # of the day
        self.demand = self.base.copy()
        self.peak = self.base * 0.9
        self.setpoints: dict[str, Array] = {}

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.frequency = np.full_like(self.base, surroundings.frequency)
        hour = surroundings.second_of_day / 3600.0
        daily = 0.75 + 0.35 * np.sin(np.pi * np.clip((hour - 6.0) / 14.0, 0.0, 1.0))
        daily = daily * (STANDBY + (1.0 - STANDBY) * surroundings.activity)
        own = self.base * daily * np.maximum(1.0 + self.load.step(dt), 0.2)
        total = own + surroundings.demand[Utility.ELECTRICITY]
        connected = 1.0 - 0.999 * np.array([0.0, 1.0, 0.0])[:, None] * self.severity["phase_loss"]
        # what is behind a bad contact takes power with the square of its voltage
        shares = SHARES[:, None] * connected**2 * np.stack([1.0 + swing.step(dt) for swing in self.swing])
        self.active = total * shares / shares.sum(axis=0)
        unbalance = np.stack([1.0 + sag.step(dt) for sag in self.sag])
        phase_voltage = surroundings.voltage / np.sqrt(3.0) * unbalance
        self.voltage = np.maximum(phase_voltage * connected - self.impedance * self.current, 1.0)
        reactive = own * np.tan(np.arccos(self.power_factor)) + surroundings.reactive
        self.reactive_phases = reactive * shares / shares.sum(axis=0)
        self.apparent = np.hypot(self.active, self.reactive_phases)
        self.current = self.apparent * 1000.0 / self.voltage
        quarter = np.full_like(self.base, np.floor(surroundings.second_of_day / QUARTER))
        self._integrate(dt, quarter)

    def _integrate(self, dt: float, quarter: Array) -> None:
        energy = self.active.sum(axis=0) * dt / 3600.0
        self.imported = self.imported + np.maximum(energy, 0.0)
        self.exported = self.exported + np.maximum(-energy, 0.0)
        self.reactive = self.reactive + self.reactive_phases.sum(axis=0) * dt / 3600.0
        self.window_energy = self.window_energy + energy
        self.window = self.window + dt
        full = quarter != self.quarter  # windows begin with a quarter of an hour of the clock
        self.quarter = quarter
        self.demand = np.where(full, self.window_energy * 3600.0 / self.window, self.demand)
        self.peak = np.maximum(self.peak, self.demand)
        self.window_energy = np.where(full, 0.0, self.window_energy)
        self.window = np.where(full, 0.0, self.window)

    def _neutral(self) -> Array:
        a, b, c = self.current
        squares = a * a + b * b + c * c - a * b - b * c - c * a
        return np.sqrt(np.maximum(squares, 0.0))

    def values(self) -> Values:
        a, b, c = self.voltage
        active, reactive = self.active.sum(axis=0), self.reactive_phases.sum(axis=0)
        apparent = self.apparent.sum(axis=0)
        return {
            "voltage_a": a,
            "voltage_b": b,
            "voltage_c": c,
            # three phasors 120 degrees apart
            "voltage_ab": np.sqrt(a * a + b * b + a * b),
            "voltage_bc": np.sqrt(b * b + c * c + b * c),
            "voltage_ca": np.sqrt(c * c + a * a + c * a),
            "current_a": self.current[0],
            "current_b": self.current[1],
            "current_c": self.current[2],
            "current_n": self._neutral(),
            "power_a": self.active[0],
            "power_b": self.active[1],
            "power_c": self.active[2],
            "power": active,
            "reactive_power": reactive,
            "apparent_power": apparent,
            "power_factor": np.divide(active, apparent, out=np.ones_like(active), where=apparent > 0),
            "frequency": self.frequency,
            "energy_import": self.imported,
            "energy_export": self.exported,
            "reactive_energy": self.reactive,
            "demand": self.demand,
            "peak_demand": self.peak,
        }
