"""Seconds of an endpoint's time that some of its units may take together. Pure."""

from __future__ import annotations

SHARE = 0.05
"""Of the endpoint's time, for all units out of service, and for late replies, while others lose by them."""


class TimeBudget:
    """Refills with a share of the time, up to a limit: a quiet hour must not end in a burst."""

    __slots__ = ("_counted_at", "_left", "_limit", "free_since")

    def __init__(self, start: float, *, credit: float, limit: float = 0.0) -> None:
        """`credit`: seconds at first; `limit`: seconds that it refills to."""
        self._left = credit
        self._limit = limit
        self._counted_at = self.free_since = start

    def refill(self, now: float) -> None:
        after = self._left + SHARE * (now - self._counted_at)
        if self._left < 0 <= after:
            self.free_since = now
        self._left = min(max(self._limit, self._left), after)
        self._counted_at = now

    def charge(self, seconds: float) -> None:
        self._left -= seconds

    @property
    def used_up(self) -> bool:
        return self._left < 0
