"""The shares of an endpoint's time that units without replies, and with late replies, may take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp

SHARE = 0.05
"""Of the endpoint's time, for all units out of service while others are in service; and for late replies."""
WINDOW_S = 60.0
"""Seconds in which the sum of late replies decays to a third."""
COMMON = 2.0
"""Times what a quarter of the other units take is no excess: then the endpoint is slow, not the unit."""


class ProbeBudget:
    """Seconds that probes may take. They are not saved up: a quiet hour must not end in a burst."""

    __slots__ = ("_counted_at", "_left", "_share", "free_since")

    def __init__(self, start: float, credit: float, share: float = SHARE) -> None:
        """`credit`: seconds at first, when nothing is known: a live unit must not wait behind dead ones."""
        self._left = credit
        self._share = share
        self._counted_at = self.free_since = start

    def refill(self, now: float) -> None:
        after = self._left + self._share * (now - self._counted_at)
        if self._left < 0 <= after:
            self.free_since = now
        self._left = min(max(0.0, self._left), after)
        self._counted_at = now

    def charge(self, seconds: float) -> None:
        self._left -= seconds

    @property
    def used_up(self) -> bool:
        return self._left < 0


class SlowUnitLimiter:
    """Holds units back whose late replies take more than their share while neighbours miss polls."""

    __slots__ = ("_missed", "_slow")

    def __init__(self) -> None:
        self._missed: dict[int, float] = {}  # unit -> when it last missed a poll
        self._slow: dict[int, tuple[float, float]] = {}  # unit -> seconds of late replies, decaying since

    def __contains__(self, unit: int) -> bool:
        """Whether the unit ever replied late."""
        return unit in self._slow

    def missed(self, unit: int, now: float) -> None:
        """A poll of this unit was left out: the one before, or that of another unit, took too long."""
        self._missed[unit] = now

    def record(self, unit: int, seconds: float, now: float) -> None:
        """Replies of this unit took so long, and came after the timeout."""
        self._slow[unit] = self._seconds(unit, now) + seconds, now

    def limits(self, unit: int, in_service: Iterable[int], now: float) -> bool:
        """Whether this unit, one of those in service, has to wait."""
        if all(now - at > WINDOW_S for other, at in self._missed.items() if other != unit):
            return False
        ordered = sorted(self._seconds(other, now) for other in in_service)
        if not _excess(self._seconds(unit, now), ordered):
            return False
        return sum(_excess(seconds, ordered) for seconds in ordered) > SHARE * WINDOW_S

    def _seconds(self, unit: int, now: float) -> float:
        seconds, at = self._slow.get(unit, (0.0, now))
        return seconds * exp((at - now) / WINDOW_S)


def _excess(seconds: float, ordered: Sequence[float]) -> float:
    """What one of these sums, smallest first, has beyond what is common to the others; an only one 0."""
    if len(ordered) == 1:
        return 0.0
    quarter = (len(ordered) - 1) // 4
    return max(0.0, seconds - COMMON * ordered[quarter + (seconds <= ordered[quarter])])
