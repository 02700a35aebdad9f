"""How long to wait before trying an unreachable far side again."""

from __future__ import annotations

from random import Random


class Backoff:
    """Exponential with full jitter: thousands of edges that lost one broker do not return in step.

    The n-th wait since the last reset is uniform between 0 and first * 2**n, never beyond `most` (seconds).
    """

    def __init__(self, random: Random, *, first: float = 0.5, max_s: float = 15.0) -> None:
        self._random = random
        self._first = first
        self._max_s = max_s
        self._bound = first

    def next(self, min_s: float | None = None) -> float:
        """Seconds to wait now. `min_s`: what the far side asked for; jitter comes on top of it."""
        wait = self._random.uniform(0, self._bound)
        self._bound = min(self._max_s, self._bound * 2)
        return wait + (min_s or 0.0)

    def reset(self) -> None:
        """It worked: the next failure starts from `first` again."""
        self._bound = self._first
