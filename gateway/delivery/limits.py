"""How much of a delivery may be on its way, how long is too long, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be on its way (bytes of records), and how long is too long (seconds)."""

    message: int = 64_000
    """One send; a longer record travels alone."""
    queue: int = 4_000_000
    """Live records that wait; beyond it they join the backlog."""
    live_window: int = 4_000_000
    backlog_window: int = 512_000
    reorder_timeout: float = 10.0
    """Given up at this age when one that was sent later on the same lane is stored."""
    ack_timeout: float = 30.0
    """Given up at this age, whatever else was answered."""
    horizon: float = 60.0
    """Assumed until an ingester announces its store's; two of them after `stored`, it is sent again."""
    deferral: float = 60.0
    """What was deferred is sent again after so long, and after twice as long each further time,"""
    longest_deferral: float = 3600.0
    """up to this."""

    @property
    def deferred_window(self) -> int:
        """Deferred records on their way: a tenth of the backlog's window; a longer one goes alone."""
        return self.backlog_window // 10


@dataclass(slots=True)
class Tally:
    """Records since the start, for the status."""

    sent: int = 0
    resent: int = 0
    durable: int = 0
    rejected: int = 0
    deferred: int = 0
    """Deferrals: a record that is deferred again counts again."""
    untrusted_acks: int = 0
    """Answers of stores that are not trusted; they free nothing."""
