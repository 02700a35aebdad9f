"""The requests of one read: which wait, which are open, and which timed out. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from qilu.contract.errors import QiluError
from qilu.modbus_client.endpoint_state import TransactionIds
from qilu.modbus_client.transaction import Transaction

_REMEMBERED = 64  # requests given up, whose replies would still be recognised


@dataclass(slots=True)
class OpenRequests:
    """Of one connection. Reads follow one another; what timed out is remembered beyond its read."""

    ids: TransactionIds
    limit: int
    """Requests that may be open at once."""
    timeout: float = 0.0
    """Seconds to wait for each reply."""
    waiting: deque[Transaction] = field(default_factory=deque)
    open: dict[int, Transaction] = field(default_factory=dict)
    """Transaction id -> sent and not answered, the oldest first."""
    timed_out: dict[int, Transaction] = field(default_factory=dict)
    unconfirmed: list[Transaction] = field(default_factory=list)
    """Answered, and bytes of another frame came at once behind."""
    behind: int = 0
    """Bytes that came behind the frame at hand."""

    def remember(self, transaction: Transaction) -> None:
        """It timed out; its reply may still come."""
        self.timed_out[transaction.id] = transaction
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
            transaction.fail(error, now)
        self.drop()

    def drop(self) -> bool:
        """Forget what was not answered; whether there was any."""
        left = bool(self.open or self.waiting)
        self.open.clear()
        self.waiting.clear()
        return left
