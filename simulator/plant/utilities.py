"""What machines share along `feeds`: electricity, compressed air, steam and cooling.

A machine that nothing feeds finds the nominal supply. Where several machines supply one, it finds the
mean of their levels and its need is split between them equally; meters are different: each sees all that
passes through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simulator.physics.noise import Array
from simulator.physics.utility import NOMINAL, Utility


class Supplies:
    """Rates and levels of all N machines of a plant, in the plant's order of devices."""

    def __init__(self, n: int, gives: Mapping[Utility, Sequence[tuple[int, int]]]) -> None:
        """gives: for each utility the pairs (supplier, consumer)."""
        self._n = n
        self._from: dict[Utility, np.ndarray] = {}
        self._to: dict[Utility, np.ndarray] = {}
        self._share: dict[Utility, Array] = {}
        for utility, pairs in gives.items():
            self._from[utility] = np.array([supplier for supplier, _ in pairs], dtype=np.intp)
            self._to[utility] = np.array([consumer for _, consumer in pairs], dtype=np.intp)
            suppliers = np.bincount(self._to[utility], minlength=n)
            self._share[utility] = np.ones(len(pairs))
            if utility is not Utility.ELECTRICITY:
                self._share[utility] = 1.0 / suppliers[self._to[utility]]
        self.rate = {utility: np.zeros(n) for utility in Utility}
        self.offer = {utility: np.full(n, NOMINAL[utility]) for utility in Utility}

    def demand(self, utility: Utility) -> Array:
        """What the machines that each machine feeds take from it."""
        if utility not in self._from:
            return np.zeros(self._n)
        flow = self.rate[utility][self._to[utility]] * self._share[utility]
        total: Array = np.bincount(self._from[utility], weights=flow, minlength=self._n).astype(np.float64)
        return total

    def level(self, utility: Utility, nominal: float) -> Array:
        """What each machine finds; `nominal` where nothing feeds it."""
        level = np.full(self._n, nominal)
        # a meter changes nothing of what passes through it
        if utility not in self._from or utility is Utility.ELECTRICITY:
            return level
        to = self._to[utility]
        sums = np.bincount(
            to, weights=self.offer[utility][self._from[utility]] * self._share[utility], minlength=self._n
        )
        level[to] = sums[to]
        return level
