"""What a row says of the interval before it: the mean, the lowest or the highest value of a gauge in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array
from simulator.registers.decoder import DIGITS

Take: TypeAlias = Literal["last", "mean", "min", "max"]
_EMPTY = {"mean": 0.0, "min": np.inf, "max": -np.inf}
_JOIN: Mapping[str, np.ufunc] = {"mean": np.add, "min": np.minimum, "max": np.maximum}


class Intervals:
    """Joins the values of one device between two rows; an interval may lie in any number of chunks.

    Of points that are no gauges, and of all with `last`, the last value of the interval is taken.
    """

    def __init__(self, take: Take, gauges: Collection[str]) -> None:
        self._take = take
        self._gauges = frozenset(gauges) if take != "last" else frozenset[str]()
        self._partial: dict[str, tuple[float, int]] = {}  # of the interval under way: joined value, count

    def rows(self, columns: Mapping[str, NDArray[Any]], ends: NDArray[np.intp]) -> Mapping[str, NDArray[Any]]:
        """One value for each interval that ends in this chunk. ends: the last index of each of them."""
        return {
            name: self._joined(name, column, ends) if name in self._gauges else column[ends]
            for name, column in columns.items()
        }

    def _joined(self, name: str, column: NDArray[Any], ends: NDArray[np.intp]) -> Array:
        values = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
        known = ~np.isnan(values)
        filled = np.where(known, values, _EMPTY[self._take])
        starts = np.concatenate([[0], ends + 1])
        edges = starts[starts < len(values)]  # the last one begins an interval that does not end here
        join = _JOIN[self._take]
        joined, counts = join.reduceat(filled, edges), np.add.reduceat(known.astype(np.int64), edges)
        before, count = self._partial.pop(name, (_EMPTY[self._take], 0))
        joined[0], counts[0] = join(joined[0], before), counts[0] + count
        if len(edges) > len(ends):
            self._partial[name] = float(joined[-1]), int(counts[-1])
        joined, counts = joined[: len(ends)], counts[: len(ends)]
        if self._take == "mean":
            joined = np.round(joined / np.maximum(counts, 1), DIGITS)
        return np.where(counts > 0, joined, np.nan)
