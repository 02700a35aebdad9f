"""How much a counter rose of late."""

from __future__ import annotations

from collections import deque

WINDOW_S = 600.0
_STEP_S = 5.0


class Rise:
    """Samples of one counter over WINDOW_S, at most one each 5 s; times are seconds of a monotonic clock."""

    __slots__ = ("_samples",)

    def __init__(self, value: float, now: float) -> None:
        self._samples: deque[tuple[float, float]] = deque([(now, value)])

    def of(self, value: float, now: float) -> float:
        """By how much it rose in the window; call it with every present value."""
        samples = self._samples
        if now - samples[-1][0] >= _STEP_S:
            samples.append((now, value))
        while len(samples) > 1 and now - samples[1][0] >= WINDOW_S:
            samples.popleft()
        return value - samples[0][1]

    def span_s(self, now: float) -> float:
        """Seconds that the rise is about."""
        return now - self._samples[0][0]
