"""Events that an edge reported of its own collecting, as those who read a store understand them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qilu.contract.accounting import EVENT_POINTS, EventKind
from qilu.contract.reading import Value

EVENT_NUMBERS = EVENT_POINTS[:-1]
"""The points of an event but its text."""
_KNOWN = frozenset(kind.value for kind in EventKind)


@dataclass(frozen=True, slots=True)
class EdgeEvent:
    """An event that was sent at `time_ms` and took place from `start_ms` to `end_ms` (UTC)."""

    kind: EventKind
    time_ms: int
    start_ms: int
    end_ms: int
    records: int = 0
    values: int = 0
    in_flight: int = 0
    unread: int = 0
    code: int = 0
    text: str = ""


def edge_event(time_ms: int, numbers: Sequence[float], text: Value = None) -> EdgeEvent | None:
    """The event with these numbers (EVENT_NUMBERS); None where its kind is one that only newer edges know."""
    event, ago, length, *counts = numbers
    if int(event) not in _KNOWN:
        return None
    start_ms = time_ms - round(ago * 1000)
    records, values, in_flight, unread, code = map(int, counts)
    return EdgeEvent(
        EventKind(int(event)),
        *(time_ms, start_ms, start_ms + round(length * 1000)),
        *(records, values, in_flight, unread, code),
        text if isinstance(text, str) else "",
    )
