"""When what a device refused is asked once more: it may have been starting up, or was changed since. Pure."""

from __future__ import annotations

from collections.abc import Sequence

FIRST_TRIAL = 10.0
"""Seconds after which one refused point is requested again; doubling, while it goes on being refused."""
RELEARN_INTERVAL_S = 3600.0
"""Seconds after which all is asked again; nothing sooner where silence taught it, which costs time-outs."""


class RetryPolicy:
    """Of one device. Times are seconds of one monotonic clock."""

    __slots__ = ("_since", "_trials", "retried_point")

    def __init__(self) -> None:
        self.retried_point: str | None = None
        """The refused point that the present turn asks for. When it is answered, the others may be, too."""
        self._since = 0.0
        self._trials = 0

    def learned(self, now: float) -> None:
        """The device refused something that it had not refused before, or refused it again."""
        self._since = now

    def all_due(self, now: float) -> bool:
        """Whether it is time to forget all that it taught."""
        return now - self._since >= RELEARN_INTERVAL_S

    def trial_due(self, now: float) -> bool:
        """Whether it is time to request one of the refused points."""
        return now - self._since >= FIRST_TRIAL * float(2**self._trials)

    def start_retry(self, refused: Sequence[str], now: float) -> str:
        """The one to ask for in this turn: another one each time."""
        self.retried_point = refused[self._trials % len(refused)]
        self._trials += 1
        self._since = now
        return self.retried_point

    def forgotten(self, now: float) -> None:
        """All is asked again; what comes of it is a new lesson."""
        self._since, self._trials = now, 0
