"""When an endpoint is connected to again, by what its last connections brought. Pure."""

from __future__ import annotations

from qilu.modbus_client.connection_record import TIMEOUTS_BEFORE_RECONNECT, ConnectionRecord
from qilu.runtime.backoff import Backoff

DEAF_CONNECTIONS = 4
"""Consecutive connections without a reply of which each one is given twice as many timeouts; then it begins
anew: some devices need seconds after a connection, of others only a new connection works."""


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
