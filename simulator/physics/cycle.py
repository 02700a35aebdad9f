"""A repeating programme of phases: where each of n machines stands in its work cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.physics.noise import Array
from simulator.physics.signals import Bools


class Cycle:
    """n machines in the same programme of K phases, each machine with its own durations.

    `phase` and `elapsed` (s in this phase) have shape (n,). A machine stops at the start of the
    programme until it may begin; `took` and `made` are true for those that began or ended a cycle in
    the last step. dt may be longer than a phase, but not than the whole programme.
    """

    def __init__(self, durations: Array, started: Array) -> None:
        """durations: seconds, shape (n, K); begun: how far each machine is, as a share of its cycle."""
        self.ends = np.cumsum(durations, axis=1)
        self.clock: Array = started * self.ends[:, -1]
        self.at_start: Bools = np.zeros(len(started), dtype=bool)
        self.took: Bools = np.zeros(len(started), dtype=bool)
        self.parts: Bools = np.zeros(len(started), dtype=bool)
        self.since_start = self.clock.copy()
        self.last_time = self.ends[:, -1].copy()  # s of running that the last whole cycle took
        self._place()

    @property
    def length(self) -> Array:
        """Seconds of one cycle at nominal speed."""
        last: Array = self.ends[:, -1]
        return last

    def step(self, dt: float, running: Bools, may_start: Bools, rate: Array | float = 1.0) -> None:
        """Advances the machines that run; `rate` is the speed of the programme, 1 = nominal."""
        self.took = running & self.at_start & may_start
        goes = running & (~self.at_start | may_start)
        self.at_start = self.at_start & ~goes
        self.clock = self.clock + goes * rate * dt
        self.since_start = self.since_start + goes * dt
        self.parts = goes & (self.clock >= self.length)
        self.last_time = np.where(self.parts, self.since_start, self.last_time)
        self.since_start = np.where(self.parts, 0.0, self.since_start)
        self.clock = np.where(
            self.parts, np.minimum(self.clock - self.length, self.length * 0.999), self.clock
        )
        self.at_start = self.at_start | self.parts
        self._place()

    def restart(self, which: Bools) -> None:
        """Back to the start: the work in these machines is scrapped."""
        self.clock = np.where(which, 0.0, self.clock)
        self.at_start = self.at_start | which
        self._place()

    def _place(self) -> None:
        self.phase: NDArray[np.int64] = np.minimum(
            (self.clock[:, None] >= self.ends).sum(axis=1), self.ends.shape[1] - 1
        )
        rows = np.arange(len(self.clock))
        starts = np.where(self.phase > 0, self.ends[rows, self.phase - 1], 0.0)
        self.elapsed: Array = self.clock - starts
        self.fraction: Array = self.elapsed / np.maximum(self.ends[rows, self.phase] - starts, 1e-9)
