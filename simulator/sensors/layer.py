"""What the sensors of a plant show: lag and dead time, drift, noise and steps.

A reading is a function of the seed, the point, the time and the true values until then. Noise is drawn by
counting milliseconds, so that a reading at a time is the same however often one is taken. Lags advance with
the time of the plant once a second or, where its step is longer, once a step. The sensors of several models
are one array, since a small plant costs calls and not numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qilu.contract.profile import DeviceProfile
from simulator.physics.machine import Values
from simulator.physics.noise import Array
from simulator.sensors.kinds import KINDS, SensorKind
from simulator.sensors.lags import Lags
from simulator.signals.noise import Keys, device_keys, normal, normals_of_four, point_keys, uniform

YEAR = 365.0 * 86_400.0
BLOCK = 32  # times for which noise is drawn at once
BLOCK_NUMBERS = 16_384
TOGETHER = 8_192  # sensors in one array
FINEST = 1e-9  # the step of a reading without one

Readings = Mapping[str, Array]


@dataclass(frozen=True)
class SensedModel:
    """The sensors of all machines of one model, by point and machine."""

    profile: DeviceProfile
    devices: Sequence[str]
    sensors: Sequence[Mapping[str, SensorKind]]

    @property
    def names(self) -> list[str]:
        """The points that have a sensor on any of the machines."""
        return [p.name for p in self.profile.points if any(p.name in own for own in self.sensors)]


class Sensors:
    """All sensors of a plant. `follow` is called after every step, `read` where readings are needed."""

    def __init__(self, models: Sequence[SensedModel], seed: int) -> None:
        groups: list[list[int]] = []
        size = TOGETHER
        for number, model in enumerate(models):
            own = len(model.names) * len(model.devices)
            if own and size + own > TOGETHER:
                groups.append([])
                size = 0
            if own:
                groups[-1].append(number)
                size += own
        self._models = len(models)
        self.layers = [(group, SensorLayer([models[i] for i in group], seed)) for group in groups]

    def need_values(self, seconds: float) -> bool:
        """Whether `follow` has to see the true values at this time."""
        return any(layer.lags.is_due(seconds) for _, layer in self.layers)

    def follow(self, values: Sequence[Values], seconds: float) -> None:
        """Lets the sensors with a lag see the true values of every model, at a time later than the last."""
        for group, layer in self.layers:
            if layer.lags.is_due(seconds):
                layer.lags.follow([values[number] for number in group], seconds)

    def read(self, values: Sequence[Values], seconds: float) -> Sequence[Readings]:
        """What the sensors of every model show at this time; `follow` comes before."""
        readings: list[Readings] = [{}] * self._models
        for group, layer in self.layers:
            shown = layer.read([values[number] for number in group], seconds)
            for number, reading in zip(group, shown, strict=True):
                readings[number] = reading
        return readings


class SensorLayer:
    """The sensors of some models as arrays of shape (sensors,): model by model, point by point."""

    def __init__(self, models: Sequence[SensedModel], seed: int) -> None:
        self.places: list[dict[str, slice]] = []
        self._noises: list[_ModelNoise] = []
        kinds: list[SensorKind] = []
        limits: list[tuple[float, float]] = []
        ages = []
        for model in models:
            places: dict[str, slice] = {}
            devices = device_keys(seed, model.devices)
            for name in model.names:
                places[name] = slice(len(kinds), len(kinds) + len(model.devices))
                kinds += [own.get(name, KINDS["none"]) for own in model.sensors]
                limit = model.profile.point(name).limits
                ends = (
                    -np.inf if limit.min is None else limit.min,
                    np.inf if limit.max is None else limit.max,
                )
                limits += [ends] * len(model.devices)
                ages.append(point_keys(devices, f"{name} drift"))
            self.places.append(places)
            self._noises.append(_ModelNoise(model, devices))
        table = np.array([kind[:-1] for kind in kinds], dtype=np.float64).T
        self._noise, self._relative, steps, tau, dead, drift, relative_drift = table
        self._step = np.where(steps > 0.0, steps, FINEST)
        self._per_step = 1.0 / self._step
        self._lowest, self._highest = np.array(limits).T
        age = np.concatenate(ages)
        self._age, rate = uniform(age, 0), normal(age, 1)  # years since calibration
        self._drift, self._relative_drift = drift * rate, relative_drift * rate
        self._drifted_at, self._offset, self._gain = -1, np.zeros_like(drift), np.ones_like(drift)
        self._block = np.empty((0, len(kinds)))
        self._first, self._stride = 0, 1  # ms, of the block
        self.lags = Lags(self.places, tau, dead)

    def read(self, values: Sequence[Values], seconds: float) -> list[Readings]:
        """What every sensor shows, model by model."""
        columns = [of[name] for of, places in zip(values, self.places, strict=True) for name in places]
        shown = self.read_array(np.concatenate(columns, dtype=np.float64, casting="unsafe"), seconds)
        return [{name: shown[place] for name, place in places.items()} for places in self.places]

    def read_array(self, true: Array, seconds: float) -> Array:
        """What every sensor shows instead of its true value, which is overwritten."""
        self.lags.put(true)
        self._age_to(seconds)
        return self._shown(true, self._draw(round(seconds * 1000.0)), self._offset, self._gain)

    def read_rows(self, true: Array, seconds: Sequence[float]) -> Array:
        """As `read_array` for a row of true values at each time, in which lags are done already."""
        times = np.array(seconds)
        years = self._age + (times // 3600.0)[:, None] * 3600.0 / YEAR
        noise = self._drawn(np.rint(times * 1000.0).astype(np.uint64))
        return self._shown(true, noise, self._drift * years, 1.0 + self._relative_drift * years)

    def _shown(self, true: Array, noise: Array, offset: Array, gain: Array) -> Array:
        lowest, highest = np.minimum(self._lowest, true), np.maximum(self._highest, true)
        shown = np.abs(true)
        shown *= self._relative
        shown += self._noise
        shown *= noise
        true *= gain
        shown += true
        shown += offset
        shown *= self._per_step
        np.rint(shown, out=shown)
        shown *= self._step
        np.maximum(shown, lowest, out=shown)
        np.minimum(shown, highest, out=shown)
        return shown

    def _drawn(self, draws: NDArray[np.uint64]) -> Array:
        return np.concatenate([noise.drawn(draws) for noise in self._noises], axis=1)

    def _age_to(self, seconds: float) -> None:
        """Drift is brought forward once an hour."""
        hour = int(seconds // 3600.0)
        if hour != self._drifted_at:
            self._drifted_at = hour
            years = self._age + hour * 3600.0 / YEAR
            self._offset, self._gain = self._drift * years, 1.0 + self._relative_drift * years

    def _draw(self, millisecond: int) -> Array:
        """The noise at this time; times are drawn ahead at the distance of the last two."""
        ahead, left = divmod(millisecond - self._first, self._stride)
        if left or not 0 <= ahead < len(self._block):
            last = self._first + max(len(self._block) - 1, 0) * self._stride
            self._stride = millisecond - last if 0 < millisecond - last <= 3_600_000 else 1000
            self._first, ahead = millisecond, 0
            size = max(min(BLOCK_NUMBERS // len(self._noise), BLOCK), 1)
            draws = np.arange(size, dtype=np.uint64) * np.uint64(self._stride) + np.uint64(millisecond)
            self._block = self._drawn(draws)
        drawn: Array = self._block[ahead]
        return drawn


class _ModelNoise:
    """The noise of one model's sensors: one hash for four neighbouring points of a machine."""

    def __init__(self, model: SensedModel, devices: Keys) -> None:
        order = [point.name for point in model.profile.points]
        indexes = np.array([order.index(name) for name in model.names])
        fours = np.unique(indexes // 4)
        keys = [point_keys(devices, f"sensors {four}") for four in fours]
        self._keys: Keys = np.ascontiguousarray(np.array(keys, dtype=np.uint64).T)
        self._columns = 4 * np.searchsorted(fours, indexes // 4) + indexes % 4

    def drawn(self, draws: NDArray[np.uint64]) -> Array:
        """Standard normal, shape (draws, points * machines)."""
        numbers = normals_of_four(self._keys, draws).reshape(len(draws), len(self._keys), -1)
        return numbers[:, :, self._columns].transpose(0, 2, 1).reshape(len(draws), -1)
