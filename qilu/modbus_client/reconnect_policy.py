"""What one connection showed of the far side, and when the endpoint is connected to again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from qilu.runtime.backoff import Backoff

TIMEOUTS_BEFORE_RECONNECT = 3
"""Consecutive requests without a reply to any after which the connection itself is doubted."""
DEAF_CONNECTIONS = 4
"""Consecutive connections without a reply of which each one is given twice as many timeouts; then it begins
anew: some devices need seconds after a connection, of others only a new connection works."""


@dataclass(slots=True)
class ConnectionRecord:
    """Of one connection, from its begin to its end. Times are seconds of the loop's clock."""

    replies: int = 0
    """Frames that answered a request of ours, in time or late."""
    problem: str = ""
    """What came that is no Modbus, for people: then it was closed."""
    connected_at: float = 0.0
    deaf_for: float = 0.0
    """Seconds from the connection to its first reply, where requests before it timed out."""
    last_reply_at: float = 0.0
    """When a frame came last that may be a reply."""
    max_timeouts: int = TIMEOUTS_BEFORE_RECONNECT
    """Consecutive timeouts after which it is closed."""
    consecutive_timeouts: int = 0
    closed_by_us: bool = False
    """Whether we closed it; a new connection may then be made at once."""

    @property
    def is_doubtful(self) -> bool:
        """Whether so many requests timed out that another connection is tried."""
        return self.consecutive_timeouts >= self.max_timeouts

    def replied(self, now: float, *, late: bool = False) -> None:
        if self.consecutive_timeouts > 1 and not self.replies and not late:
            self.deaf_for = now - self.connected_at
        if not late:
            self.last_reply_at = now
        self.replies += 1
        self.consecutive_timeouts = 0


class ReconnectPolicy:
    """Of one endpoint. Times are seconds of the loop's clock."""

    __slots__ = ("_backoff", "_excused", "_without_reply", "not_before", "problem")

    def __init__(self, backoff: Backoff) -> None:
        self.problem = ""
        """Why there was no connection, for people, until one has brought a reply: many are only accepted."""
        self.not_before = float("-inf")
        """The backoff is over then."""
        self._backoff = backoff
        self._excused = False  # the last connection brought replies: an early end of the next is no failure
        self._without_reply = 0  # consecutive connections that brought none

    @property
    def max_timeouts(self) -> int:
        """Consecutive timeouts after which the next connection is closed."""
        return TIMEOUTS_BEFORE_RECONNECT << self._without_reply % DEAF_CONNECTIONS

    @property
    def is_deaf(self) -> bool:
        """Whether so many connections brought no reply that people should know."""
        return self._without_reply == DEAF_CONNECTIONS

    def ended(self, last: ConnectionRecord) -> str | None:
        """A connection ended; the problem, where that is a failure.

        It is none if the connection ever brought a reply: many devices close when idle. Nor is the end of the
        next one: its first request may be what made the device close both.
        """
        if not last.replies and last.closed_by_us:
            self._without_reply += 1
        elif not last.deaf_for:
            self._without_reply = 0
        if last.replies:
            self._backoff.reset()
            self.problem = ""
            self._excused = True
        elif not self._excused and not last.closed_by_us:
            return last.problem or "the connection ended before the first reply"
        else:
            self._excused = False
        return None

    def failed(self, problem: str, now: float) -> float:
        """No connection; the seconds until the next attempt."""
        self.problem = problem
        wait = self._backoff.next()
        self.not_before = now + wait
        return wait
