"""Sensors that see a change late: a first-order lag behind a dead time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from simulator.physics.machine import Values
from simulator.physics.noise import Array

SAMPLING = 1.0  # s between two samples of a sensor with a lag


class Lags:
    """Those of many sensors that have a lag or a dead time.

    places: of each model, the sensors of each point in the array of all. tau, dead: s, of every sensor.
    """

    def __init__(self, places: Sequence[Mapping[str, slice]], tau: Array, dead: Array) -> None:
        late = (tau > 0.0) | (dead > 0.0)
        self._names = [[name for name, place in of_model.items() if late[place].any()] for of_model in places]
        rows = [np.arange(of_model[name].start, of_model[name].stop)
                for of_model, names in zip(places, self._names, strict=True) for name in names]  # fmt: skip
        self.rows = np.concatenate(rows) if rows else np.empty(0, dtype=np.intp)
        self._tau, self._dead = tau[self.rows], dead[self.rows]
        self._last, self._dt = -1.0, 0.0
        self._gain = np.zeros_like(self._tau)
        self._shown = np.zeros_like(self._tau)
        self._past: list[Array] = []  # true values, the newest first
        self._samples_ago = np.zeros(len(self.rows), dtype=np.intp)

    def is_due(self, seconds: float) -> bool:
        if not len(self.rows):
            return False
        return math.floor(seconds / SAMPLING + 1e-6) > math.floor(self._last / SAMPLING + 1e-6)

    def follow(self, values: Sequence[Values], seconds: float) -> None:
        """Takes a sample of the true values of every model."""
        columns = [of[name] for of, names in zip(values, self._names, strict=True) for name in names]
        self.follow_array(np.concatenate(columns, dtype=np.float64, casting="unsafe"), seconds)

    def follow_array(self, true: Array, seconds: float) -> None:
        """As `follow`, with the true values of the sensors in `rows`."""
        if not self._past:
            self._past, self._shown = [true], true
        else:
            self._pace(seconds - self._last)
            self._shown = self._shown + (self._seen(true) - self._shown) * self._gain
        self._last = seconds

    def put(self, true: Array) -> None:
        """Puts what these sensors have seen in place of the true values, in the array of all."""
        if self._past:
            true[self.rows] = self._shown

    def _pace(self, dt: float) -> None:
        if abs(dt - self._dt) > 1e-6:
            self._dt = dt
            with np.errstate(divide="ignore"):
                self._gain = -np.expm1(-dt / self._tau)
            self._samples_ago = np.rint(self._dead / dt).astype(np.intp)

    def _seen(self, true: Array) -> Array:
        """The true values before the dead time of each sensor."""
        furthest = int(self._samples_ago.max())
        self._past = [true, *self._past[:furthest]]
        if furthest == 0:
            return true
        seen = true
        for ago in np.unique(self._samples_ago[self._samples_ago > 0]):
            earlier = self._past[min(int(ago), len(self._past) - 1)]
            seen = np.where(self._samples_ago == ago, earlier, seen)
        return seen
