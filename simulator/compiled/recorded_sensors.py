"""The sensors of a plant that runs by its compiled step, read at many times at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.compiled.step import Numbers
from simulator.physics.noise import Array
from simulator.sensors.layer import Readings, SensorLayer, Sensors

MAX_WAITING = 256  # ticks whose values sensors with a lag have not seen yet


@dataclass(frozen=True)
class Places:
    """Where numbers stand among flat values; -1 for one that is always the same."""

    places: NDArray[np.intp]
    constants: Array

    def picked(self, flat: Array) -> Array:
        """Of rows of flat values."""
        return np.where(self.places < 0, self.constants, flat[:, self.places])


def late_points(sensors: Sensors) -> list[tuple[int, str]]:
    """Number of the model and name of each point whose sensors have a lag, in the order of the layers."""
    return [
        (number, name)
        for group, layer in sensors.layers
        for number, names in zip(group, layer.lags.names, strict=True)
        for name in names
    ]


class RecordedSensors:
    """`follow` is called after every tick, `take` where readings are wanted, `read_recorded` gives them."""

    def __init__(self, sensors: Sensors, models: Sequence[Mapping[str, Places]]) -> None:
        """models: of each model, where the values of a point stand."""
        self._sensors = sensors
        self._models = len(models)
        self._layers = [_Layer(group, layer, models) for group, layer in sensors.layers]
        self._waiting: list[Numbers] = []
        self._times: list[float] = []
        self._recorded: list[float] = []
        self._seen: list[list[Array]] = [[] for _ in self._layers]

    def follow(self, late: Numbers, seconds: float) -> None:
        """Lets the sensors with a lag see the true values of this tick; the points are `late_points`."""
        last = self._times[-1] if self._times else None
        if any(own.layer.lags.is_due(seconds, last) for own in self._layers):
            self._waiting.append(late)
            self._times.append(seconds)
            if len(self._times) == MAX_WAITING:
                self._catch_up()

    def _catch_up(self) -> None:
        if not self._times:
            return
        values = np.array(self._waiting, dtype=np.float64)
        start = 0
        for own in self._layers:
            lags = own.layer.lags
            end = start + len(lags.rows)
            for true, seconds in zip(values[:, start:end], self._times, strict=True):
                lags.follow_array(true, seconds)
            start = end
        self._waiting.clear()
        self._times.clear()

    def take(self, seconds: float) -> None:
        """Readings are wanted at this time."""
        self._catch_up()
        self._recorded.append(seconds)
        for seen, own in zip(self._seen, self._layers, strict=True):
            seen.append(own.layer.lags.shown)

    def read_recorded(self, flat: Array) -> Sequence[Readings]:
        """What the sensors of every model showed at each `take`, machine by machine. flat: true values."""
        readings = self._read(flat, self._recorded, self._seen)
        self._recorded.clear()
        for seen in self._seen:
            seen.clear()
        return readings

    def read(self, flat: Array, seconds: float) -> Sequence[Readings]:
        """What they show now. flat: one row of true values."""
        self._catch_up()
        return self._read(flat, [seconds], [[own.layer.lags.shown] for own in self._layers])

    def _read(
        self, flat: Array, seconds: Sequence[float], seen: Sequence[Sequence[Array]]
    ) -> Sequence[Readings]:
        readings: list[Readings] = [{}] * self._models
        for own, of_lags in zip(self._layers, seen, strict=True):
            true = own.places.picked(flat)
            if own.layer.lags.has_seen:
                true[:, own.layer.lags.rows] = np.array(of_lags)
            shown = own.layer.read_rows(true, seconds)
            for number, places in own.points():
                readings[number] = {name: shown[:, place].reshape(-1) for name, place in places.items()}
        return readings


class _Layer:
    """Some models' sensors, and where their true values stand."""

    def __init__(
        self, group: Sequence[int], layer: SensorLayer, models: Sequence[Mapping[str, Places]]
    ) -> None:
        self.layer = layer
        self._group = group
        columns = [models[number][name] for number, places in self.points() for name in places]
        self.places = Places(
            np.concatenate([own.places for own in columns]),
            np.concatenate([own.constants for own in columns]),
        )

    def points(self) -> Iterator[tuple[int, Mapping[str, slice]]]:
        """Number of each model, and of its points the sensors in this layer."""
        return zip(self._group, self.layer.places, strict=True)
