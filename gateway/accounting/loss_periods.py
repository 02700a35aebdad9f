"""The stretches of time of which the spool gave something up."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.interfaces import DropReport
from gateway.record_content import Content


@dataclass(slots=True)
class LossPeriod:
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


class LossPeriods:
    """Joins what is dropped while a backlog lasts: the report of its start may be dropped before it arrives.

    So each report repeats the whole period, and the last one is enough.
    """

    def __init__(self) -> None:
        self._open: dict[str, LossPeriod] = {}

    @property
    def open(self) -> bool:
        """Whether there is anything that a further loss would be joined to."""
        return bool(self._open)

    def dropped(self, dropped: DropReport, in_flight: int = 0) -> LossPeriod:
        """One more loss; returns the period to report."""
        records = dropped.records
        period = self._open.get(dropped.reason)
        if period is None:
            period = self._open[dropped.reason] = LossPeriod(
                dropped.reason, dropped.from_ms, dropped.to_ms, records
            )
        else:
            period.from_ms = min(period.from_ms, dropped.from_ms)
            period.to_ms = max(period.to_ms, dropped.to_ms)
            period.records += records
        period.in_flight += in_flight
        period.content.add(dropped.content)
        return period

    def close(self) -> None:
        """All reports are durable: the next loss is another one."""
        self._open.clear()
