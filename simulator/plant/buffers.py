"""Buffers between machines: an empty one starves the machine behind it, a full one blocks the one before.

Parts are conserved: the level of a buffer is what it held at first plus what was made into it less
what was taken. A part that is begun is also put down, so a buffer may for a while hold one part more
for each machine that fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array


@dataclass(frozen=True)
class Buffer:
    """One place for parts. `after` and `before`: the machines that fill and empty it, by their place in
    the plant.
    """

    capacity: int
    filled: int
    after: Sequence[int]
    before: Sequence[int]


class Buffers:
    """All buffers of a plant of n machines; each machine fills at most one and empties at most one."""

    def __init__(self, n: int, buffers: Sequence[Buffer]) -> None:
        self._n = n
        self.capacity = np.array([buffer.capacity for buffer in buffers], dtype=np.float64)
        self.level = np.array([buffer.filled for buffer in buffers], dtype=np.float64)
        self._fills = _Side([buffer.after for buffer in buffers], n)
        self._empties = _Side([buffer.before for buffer in buffers], n)

    def move(self, consumed: Array, produced: Array) -> None:
        """What all machines took and made in one step, shape (n,)."""
        if len(self.level):
            self.level = self.level + self._fills.sums(produced) - self._empties.sums(consumed)

    def parts(self, tick: int) -> Array:
        """What each machine may take in the next step; infinite where no buffer is before it."""
        return self._empties.shares(self.level, tick)

    def room(self, tick: int) -> Array:
        """What each machine may put down in the next step; infinite where no buffer is behind it."""
        return self._fills.shares(np.maximum(self.capacity - self.level, 0.0), tick)


class _Side:
    """The machines on one side of all buffers."""

    fixed = ("_places", "_buffers", "_ranks", "_count", "_pair")

    def __init__(self, machines: Sequence[Sequence[int]], n: int) -> None:
        """n: the number of all machines."""
        pairs = [
            (place, buffer, rank)
            for buffer, places in enumerate(machines)
            for rank, place in enumerate(places)
        ]
        columns = np.array(pairs, dtype=np.intp).reshape(-1, 3).T
        self._places, self._buffers, self._ranks = columns
        self._count: NDArray[np.intp] = np.bincount(self._buffers, minlength=len(machines))
        pair_of = {int(place): pair for pair, place in enumerate(self._places)}
        self._pair = np.array([pair_of.get(place, -1) for place in range(n)], dtype=np.intp)

    def sums(self, amount: Array) -> Array:
        """The amounts of the machines of each buffer, added up."""
        total: Array = np.bincount(
            self._buffers, weights=amount[self._places], minlength=len(self._count)
        ).astype(np.float64)
        return total

    def shares(self, whole: Array, tick: int) -> Array:
        """Whole parts of each buffer split between its machines; what is left over goes round with the
        ticks.
        """
        if not len(self._places):
            return np.full(len(self._pair), np.inf)
        count, own = self._count[self._buffers], np.floor(whole)[self._buffers]
        offset = (self._ranks - tick) % count
        shares = np.floor(own / count) + (offset < np.mod(own, count))
        of_all: Array = np.where(self._pair >= 0, shares[self._pair], np.inf)
        return of_all
