"""The stretches of time of which the spool gave something up."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.content import Content
from gateway.interfaces import Dropped


@dataclass(slots=True)
class Stretch:
    """`records` given up for `reason`, appended between `from_ms` and `to_ms` (UTC), and what was in them."""

    reason: str
    from_ms: int
    to_ms: int
    records: int
    content: Content = field(default_factory=Content)
    in_flight: int = 0
    """Of these, records that had been sent: they may be in the store."""

    @property
    def unread(self) -> int:
        """Records of which nobody knows the device."""
        return max(self.records - self.content.known, 0)


class Losses:
    """Joins what is given up while a backlog lasts: what told of the begin may be given up before it arrives.

    So each telling repeats the whole stretch, and the last one is enough.
    """

    def __init__(self) -> None:
        self._open: dict[str, Stretch] = {}

    @property
    def open(self) -> bool:
        """Whether there is anything that a further loss would be joined to."""
        return bool(self._open)

    def dropped(self, dropped: Dropped, in_flight: int = 0) -> Stretch:
        """One more loss; returns the stretch to tell."""
        records = dropped.records
        found = self._open.get(dropped.reason)
        if found is None:
            found = self._open[dropped.reason] = Stretch(
                dropped.reason, dropped.from_ms, dropped.to_ms, records
            )
        else:
            found.from_ms = min(found.from_ms, dropped.from_ms)
            found.to_ms = max(found.to_ms, dropped.to_ms)
            found.records += records
        found.in_flight += in_flight
        found.content.add(dropped.content)
        return found

    def drained(self) -> None:
        """All that was told is durable: the next loss is another one."""
        self._open.clear()
