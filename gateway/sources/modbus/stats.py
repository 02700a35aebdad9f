"""What a source counts of its own work, for the status, and keeps of the events of its devices."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.components import Event

_EVENTS_KEPT = 200


@dataclass(slots=True)
class SourceStats:
    """Since the source was made; every figure only rises, except those of the devices."""

    polls: int = 0
    good_points: int = 0
    bad_points: int = 0
    missed_turns: int = 0
    """Turns of a schedule that were skipped because the endpoint was still busy."""
    requests: int = 0
    replies: int = 0
    """Accepted ones; the exceptions among them are counted again in `exceptions`."""
    exceptions: int = 0
    timeouts: int = 0
    late_replies: int = 0
    """Recognised as the answer to a request that had been given up, and discarded."""
    rejected_replies: int = 0
    """Answers to nothing that was asked, or not what was asked for; discarded."""
    broken_streams: int = 0
    """Connections closed because what came was no Modbus."""
    connects: int = 0
    reconnects: int = 0
    failed_connects: int = 0
    offline: set[str] = field(default_factory=set)
    """Devices that do not answer now."""
    rtt: dict[str, float] = field(default_factory=dict)
    """Device -> seconds from request to reply, a running mean."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))
