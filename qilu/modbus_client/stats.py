"""What a client counts of its connections and requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ClientStats:
    """Since the client was made; every figure only rises."""

    requests: int = 0
    replies: int = 0
    """Accepted ones; the exceptions among them are counted again in `exceptions`."""
    exceptions: int = 0
    timeouts: int = 0
    late_replies: int = 0
    """Replies to a request that had timed out, recognised and discarded."""
    rejected_replies: int = 0
    """Replies to no open request, or not to what was asked; discarded."""
    broken_streams: int = 0
    """Connections closed because what came was no Modbus."""
    connects: int = 0
    reconnects: int = 0
    failed_connects: int = 0
