"""When the next request may be sent: after a silence behind each reply. Pure."""

from __future__ import annotations


class QuietPeriod:
    """Of one connection. Times are seconds of the loop's clock."""

    __slots__ = ("_min_gap", "gap", "quiet_until")

    def __init__(self, min_gap: float) -> None:
        """`min_gap`: seconds of silence that every request needs before it."""
        self._min_gap = self.gap = min_gap
        self.quiet_until = 0.0
        """Before that nothing is sent."""

    def start(self, gap: float, last_reply_at: float) -> None:
        """A read begins whose requests need so many seconds of silence."""
        self.gap = max(gap, self._min_gap)
        if self.gap:
            self.quiet_until = max(self.quiet_until, last_reply_at + self.gap)

    def replied(self, now: float) -> None:
        """A request was answered."""
        self.quiet_until = now + self.gap

    def sent_broadcast(self, until: float) -> None:
        """Nobody answers; all get the time to carry it out."""
        self.quiet_until = until
