"""Machines that have a device profile and no physics: each point moves by its signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from qilu.contract.profile import DeviceProfile
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.signals.checks import formulas, order, signals_of
from simulator.signals.generators import Generator, Moment, generator
from simulator.signals.noise import Keys, device_keys, normal, point_keys
from simulator.signals.settings import AnySignal, SetpointSignal, Signal, TextSignal


class SignalMachines(Machines):
    """All machines of one entry of the plant's file. `own`: the signals of the file, by point."""

    def __init__(self, fleet: Fleet, profile: DeviceProfile, own: Mapping[str, AnySignal], seed: int) -> None:
        signals = signals_of(profile, own)
        self._n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.setpoints = {
            name: np.full(fleet.n, signal.value)
            for name, signal in signals.items()
            if isinstance(signal, SetpointSignal)
        }
        self._texts = {
            name: np.full(fleet.n, signal.value.encode())
            for name, signal in signals.items()
            if isinstance(signal, TextSignal)
        }
        devices = device_keys(seed, fleet.devices)
        self._noise = [
            _SensorNoise(name, signal.noise, point_keys(devices, f"{name} noise"))
            for name, signal in signals.items()
            if isinstance(signal, Signal) and signal.noise
        ]
        parsed = {name: formulas(signal) for name, signal in signals.items()}
        self._generators: dict[str, Generator] = {
            name: generator(signals[name], parsed[name], point_keys(devices, name))
            for name in order(parsed)
            if not isinstance(signals[name], SetpointSignal | TextSignal)
        }
        self._seconds, self._steps = 0.0, 0
        self._values: dict[str, Array | float] = {}

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self._values = {
            "t": self._seconds,
            "second_of_day": surroundings.second_of_day,
            "ambient": surroundings.ambient,
            "frequency": surroundings.frequency,
            "working": float(surroundings.working),
            **self.setpoints,
        }
        moment = Moment(self._seconds, dt, self._steps)
        with np.errstate(all="ignore"):
            for name, point in self._generators.items():
                self._values[name] = point.step(moment, self._values)
        self._seconds += dt
        self._steps += 1

    def values(self) -> Values:
        """Every point after the last step; infinite values are NaN: no value."""
        values = {name: self._finite(self._values[name]) for name in (*self._generators, *self.setpoints)}
        for noise in self._noise:
            values[noise.point] = values[noise.point] + noise.sigma * normal(noise.keys, self._steps)
        return {**values, **self._texts}

    def _finite(self, value: Array | float) -> Array:
        array = np.broadcast_to(np.asarray(value, dtype=np.float64), (self._n,))
        return np.where(np.isfinite(array), array, np.nan)


class _SensorNoise(NamedTuple):
    """The white noise of one point."""

    point: str
    sigma: float
    keys: Keys
