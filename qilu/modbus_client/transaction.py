"""A request, what became of it, and the errors of those that got no reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import ProtocolError


class ReplyTimeoutError(UnreachableError):
    """The unit did not answer in time; the connection is sound."""


class UnusableReplyError(ReplyTimeoutError):
    """Bytes came in time, and none of them was a reply to the request."""

    quirks: Mapping[str, object] = ProtocolError.quirks


class ConnectionLostError(UnreachableError):
    """The connection ended before the reply came, or broke in the middle of it."""


class Transaction:
    """One request and what became of it: `data` of the reply or `error`; neither when it was
    not sent. On a line without transaction ids, `error` may be that of the loopback sent in its place.

    `asked_at`, `ended_at` and `deadline` are seconds of the loop's clock. `withheld_reply` is a reply that
    may be that to an earlier request; `ended_at` is then when it came.
    """

    __slots__ = (
        "asked_at",
        "data",
        "deadline",
        "ended_at",
        "error",
        "id",
        "request",
        "unit",
        "withheld_reply",
    )

    def __init__(self, unit: int, request: bytes) -> None:
        self.unit = unit
        self.request = request
        self.id = 0
        self.asked_at = 0.0
        self.ended_at = 0.0
        self.deadline = 0.0
        self.data: bytes | None = None
        self.error: QiluError | None = None
        self.withheld_reply: bytes | None = None

    def fail(self, error: QiluError, now: float) -> None:
        """It will not be answered."""
        self.ended_at, self.error = now, error


LateReply = Callable[[int, float], None]
"""Told of a reply to a request that had been given up: the unit, and the seconds it took."""
