"""Alarms that stop a machine: each has a code, a served quantity, a limit and a value at which it clears.

Codes under 10 are reasons to wait, 10 to 49 those of the machine's own quantities, from 50 on stops by chance
that no sensor of the machine sees coming.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulator.physics.noise import Array
from simulator.physics.signals import Bools, any_of

Codes = np.ndarray

FIRST_BY_CHANCE = 50


class Alarm(NamedTuple):
    """A limit of a point. `faults`: those of the machine that lead to it."""

    code: int
    point: str
    limit: float
    clears: float
    """On the good side of the limit: between the two the alarm stays as it is."""
    faults: tuple[str, ...] = ()
    below: str = ""
    """Set-point of which the limit is a distance; without it the limit is a value."""

    @property
    def is_low(self) -> bool:
        """Whether the alarm comes under its limit, and not over it."""
        return self.limit < self.clears


class AlarmLimits:
    """The alarms of one model on n machines; `codes` has what `check` set."""

    def __init__(self, alarms: Sequence[Alarm], n: int) -> None:
        self._sign = np.array([[-1.0 if alarm.is_low else 1.0] for alarm in alarms])
        self._limit = self._sign * np.array([[alarm.limit] for alarm in alarms])
        self._clears = self._sign * np.array([[alarm.clears] for alarm in alarms])
        self._code = [alarm.code for alarm in alarms]
        self._on: Bools = np.zeros((len(alarms), n), dtype=bool)
        self.codes = np.zeros(n, dtype=np.int64)

    def check(self, *quantities: Array) -> None:
        """Compares one quantity for each alarm, in their order; the first alarm that holds has the code."""
        signed = self._sign * np.stack(quantities)
        self._on = (signed > self._limit) | (self._on & (signed > self._clears))
        if any_of(self._on):
            codes = np.zeros_like(self.codes)
            for number in reversed(range(len(self._code))):
                codes = np.where(self._on[number], self._code[number], codes)
            self.codes = codes
        elif any_of(self.codes):
            self.codes = np.zeros_like(self.codes)
