"""What a source counts of its own work, for the status, and keeps of the events of its devices."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields

from gateway.interfaces import Event
from qilu.modbus_client.stats import ClientStats

_EVENTS_KEPT = 200


@dataclass(slots=True)
class SourceStats(ClientStats):
    """Since the source was made; every figure only rises, except those of the devices."""

    polls: int = 0
    good_points: int = 0
    bad_points: int = 0
    missed_polls: int = 0
    """Polls of a schedule that were skipped because the endpoint was still busy."""
    offline: set[str] = field(default_factory=set)
    """Devices that do not answer now."""
    rtt: dict[str, float] = field(default_factory=dict)
    """Device -> seconds from request to reply, a running mean."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))

    def add(self, other: SourceStats) -> None:
        """Count what another source, which has ended, counted."""
        for entry in fields(self):
            before, more = getattr(self, entry.name), getattr(other, entry.name)
            if isinstance(before, int):
                setattr(self, entry.name, before + more)
