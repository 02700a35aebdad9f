"""What one connection showed of the far side, for whoever decides about the next one. Pure."""

from __future__ import annotations

TIMEOUTS_BEFORE_RECONNECT = 3
"""Consecutive requests without a reply to any after which the connection itself is doubted."""


class ConnectionRecord:
    """Of one connection, from its begin to its end. Times are seconds of the loop's clock."""

    __slots__ = (
        "_connected_at",
        "_consecutive_timeouts",
        "closed_by_us",
        "deaf_for",
        "last_reply_at",
        "max_timeouts",
        "problem",
        "replies",
    )  # fmt: skip

    def __init__(self) -> None:
        self.replies = 0
        """Frames that answered a request of ours, in time or late."""
        self.problem = ""
        """What came that is no Modbus, for people: then it was closed."""
        self.deaf_for = 0.0
        """Seconds from the connection to its first reply, where requests before it timed out."""
        self.last_reply_at = 0.0
        """When a frame came last that may be a reply."""
        self.max_timeouts = TIMEOUTS_BEFORE_RECONNECT
        """Consecutive timeouts after which it is closed."""
        self.closed_by_us = False
        """Whether we closed it; that says nothing against connecting again at once."""
        self._connected_at = 0.0
        self._consecutive_timeouts = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether so many requests timed out that another connection is tried."""
        return self._consecutive_timeouts >= self.max_timeouts

    def connected(self, now: float) -> None:
        self._connected_at = now

    def timed_out(self) -> None:
        self._consecutive_timeouts += 1

    def replied(self, now: float, *, late: bool = False) -> None:
        if self._consecutive_timeouts > 1 and not self.replies and not late:
            self.deaf_for = now - self._connected_at
        if not late:
            self.last_reply_at = now
        self.replies += 1
        self._consecutive_timeouts = 0
