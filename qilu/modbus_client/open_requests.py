"""The requests of one read: which wait, which are open, and which timed out. Pure."""

from __future__ import annotations

from collections import deque

from qilu.contract.errors import QiluError
from qilu.modbus_client.transaction import Transaction
from qilu.modbus_client.transaction_ids import TransactionIds

_REMEMBERED = 64  # requests given up, whose replies would still be recognised


class OpenRequests:
    """Of one connection. Reads follow one another; what timed out is remembered beyond its read."""

    __slots__ = ("ids", "limit", "open", "timed_out", "timeout", "unconfirmed", "waiting")

    def __init__(self, ids: TransactionIds, limit: int) -> None:
        """`limit`: requests that may be open at once."""
        self.ids = ids
        self.limit = limit
        self.timeout = 0.0
        """Seconds to wait for each reply."""
        self.waiting: deque[Transaction] = deque()
        self.open: dict[int, Transaction] = {}
        """Transaction id -> sent and not answered, the oldest first."""
        self.timed_out: dict[int, Transaction] = {}
        self.unconfirmed: list[Transaction] = []
        """Answered, and bytes of another frame came at once behind."""

    def remember(self, transaction_id: int, transaction: Transaction) -> None:
        """It timed out; its reply may still come."""
        self.timed_out[transaction_id] = transaction
        if len(self.timed_out) > _REMEMBERED:
            del self.timed_out[next(iter(self.timed_out))]

    def invalidate_unconfirmed(self, error: QiluError) -> None:
        """What came before the stream went out of step may have been short, and filled up with the next."""
        for transaction in self.unconfirmed:
            transaction.data, transaction.error = None, error
        self.unconfirmed.clear()

    def fail(self, error: QiluError, now: float) -> None:
        """The stream ended: what is open will not be answered, and what was to follow is not sent."""
        for transaction in self.open.values():
            transaction.ended_at, transaction.error = now, error
        self.open.clear()
        self.waiting.clear()

    def end(self) -> bool:
        """The read is over; whether it was cancelled and leaves requests behind."""
        self.unconfirmed.clear()
        left = bool(self.open or self.waiting)
        self.open.clear()
        self.waiting.clear()
        return left
