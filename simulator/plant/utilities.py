"""What machines share along `feeds`: electricity, compressed air, steam and cooling.

A machine that nothing feeds finds the nominal supply. Where several machines supply one, they stand on one
header: compressors find one pressure there, other suppliers give the mean of their levels, and a need is
split between them equally; meters are different: each sees all that passes through it, with the reactive
power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array
from simulator.physics.utility import NOMINAL, Utility


class Supplies:
    """Rates and levels of all N machines of a plant, in the plant's order of devices."""

    fixed = ("_from", "_to", "_fed")

    def __init__(self, n: int, gives: Mapping[Utility, Sequence[tuple[int, int]]]) -> None:
        """gives: for each utility the pairs (supplier, consumer)."""
        self._n = n
        self._from: dict[Utility, np.ndarray] = {}
        self._to: dict[Utility, np.ndarray] = {}
        self._share: dict[Utility, Array] = {}
        self._fed: dict[Utility, NDArray[np.bool_]] = {}
        for utility, pairs in gives.items():
            self._from[utility] = np.array([supplier for supplier, _ in pairs], dtype=np.intp)
            self._to[utility] = np.array([consumer for _, consumer in pairs], dtype=np.intp)
            suppliers = np.bincount(self._to[utility], minlength=n)
            self._fed[utility] = suppliers > 0
            self._share[utility] = np.ones(len(pairs))
            if utility is not Utility.ELECTRICITY:
                self._share[utility] = 1.0 / suppliers[self._to[utility]]
        self.rate = {utility: np.zeros(n) for utility in Utility}
        self.reactive = np.zeros(n)  # kvar that each machine takes
        self.offer = {utility: np.full(n, NOMINAL[utility]) for utility in Utility}

    def demand(self, utility: Utility) -> Array:
        """What the machines that each machine feeds take from it."""
        if utility not in self._from:
            return np.zeros(self._n)
        flow = self.rate[utility][self._to[utility]] * self._share[utility]
        total: Array = np.bincount(self._from[utility], weights=flow, minlength=self._n).astype(np.float64)
        return total

    def reactive_demand(self) -> Array:
        """kvar that the machines behind each meter take."""
        if Utility.ELECTRICITY not in self._from:
            return np.zeros(self._n)
        weights = self.reactive[self._to[Utility.ELECTRICITY]]
        total: Array = np.bincount(
            self._from[Utility.ELECTRICITY], weights=weights, minlength=self._n
        ).astype(np.float64)
        return total

    def headers(self, utility: Utility) -> NDArray[np.intp]:
        """The header on which each machine stands as a supplier: the same number for those that feed one and
        the same machine, also by way of others."""
        header = np.arange(self._n)
        if utility not in self._from:
            return header
        by_consumer: dict[int, list[int]] = {}
        for supplier, consumer in zip(self._from[utility], self._to[utility], strict=True):
            by_consumer.setdefault(int(consumer), []).append(int(supplier))
        for together in set(map(tuple, by_consumer.values())):
            joined = header[list(together)]
            header[np.isin(header, joined)] = joined.min()
        return header

    def level(self, utility: Utility, nominal: float) -> Array:
        """What each machine finds; `nominal` where nothing feeds it."""
        level: Array = np.zeros(self._n) + nominal
        # a meter changes nothing of what passes through it
        if utility not in self._from or utility is Utility.ELECTRICITY:
            return level
        to = self._to[utility]
        sums = np.bincount(
            to, weights=self.offer[utility][self._from[utility]] * self._share[utility], minlength=self._n
        )
        fed: Array = np.where(self._fed[utility], sums, level)
        return fed
