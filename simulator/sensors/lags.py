"""Sensors that see a change late: a first-order lag behind a dead time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.physics.machine import Values
from simulator.physics.noise import Array

SAMPLING = 1.0  # s between two samples of a sensor with a lag


class Lags:
    """Those of many sensors that have a lag or a dead time.

    places: of each model, the sensors of each point in the array of all. tau, dead: s, of every sensor.
    """

    def __init__(self, places: Sequence[Mapping[str, slice]], tau: Array, dead: Array) -> None:
        late = (tau > 0.0) | (dead > 0.0)
        self.names = [[name for name, place in of_model.items() if late[place].any()] for of_model in places]
        rows = [np.arange(of_model[name].start, of_model[name].stop)
                for of_model, names in zip(places, self.names, strict=True) for name in names]  # fmt: skip
        self.rows = np.concatenate(rows) if rows else np.empty(0, dtype=np.intp)
        self._tau, self._dead = tau[self.rows], dead[self.rows]
        self._last, self._dt = -1.0, 0.0
        self._gain = np.zeros_like(self._tau)
        self.shown: Array = np.zeros_like(self._tau)
        """What the sensors in `rows` have seen; a new array after each sample."""
        self._past: list[Array] = []  # true values, the newest first
        self._ago: list[tuple[int, NDArray[np.intp]]] = []  # samples, and the sensors that lag so far

    @property
    def has_seen(self) -> bool:
        """Whether they took a sample."""
        return bool(self._past)

    def is_due(self, seconds: float, last: float | None = None) -> bool:
        """Whether the sensors take a sample at this time. last: of a sample that is due."""
        if not len(self.rows):
            return False
        last = self._last if last is None else last
        return math.floor(seconds / SAMPLING + 1e-6) > math.floor(last / SAMPLING + 1e-6)

    def follow(self, values: Sequence[Values], seconds: float) -> None:
        """Takes a sample of the true values of every model."""
        columns = [of[name] for of, names in zip(values, self.names, strict=True) for name in names]
        self.follow_array(np.concatenate(columns, dtype=np.float64, casting="unsafe"), seconds)

    def follow_array(self, true: Array, seconds: float) -> None:
        """As `follow`, with the true values of the sensors in `rows`."""
        if not self._past:
            self._past, self.shown = [true], true
        else:
            self._pace(seconds - self._last)
            change = self._seen(true)
            change -= self.shown
            change *= self._gain
            change += self.shown
            self.shown = change
        self._last = seconds

    def put(self, true: Array) -> None:
        """Puts what these sensors have seen in place of the true values, in the array of all."""
        if self._past:
            true[self.rows] = self.shown

    def _pace(self, dt: float) -> None:
        if abs(dt - self._dt) > 1e-6:
            self._dt = dt
            with np.errstate(divide="ignore"):
                self._gain = -np.expm1(-dt / self._tau)
            samples = np.rint(self._dead / dt).astype(np.intp)
            self._ago = [(int(ago), np.flatnonzero(samples == ago)) for ago in np.unique(samples) if ago]

    def _seen(self, true: Array) -> Array:
        """The true values before the dead time of each sensor, in a new array."""
        seen = true.copy()
        if self._ago:
            self._past = [true, *self._past[: self._ago[-1][0]]]
            for ago, late in self._ago:
                seen[late] = self._past[min(ago, len(self._past) - 1)][late]
        return seen
