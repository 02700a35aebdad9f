"""Reports what the spool dropped, until these reports are durable themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.accounting.event_queue import EventQueue
from gateway.interfaces import DropReport, Record
from gateway.record_content import MAX_ACCOUNTS, Content
from qilu.contract.accounting import RECOUNT, RECOUNT_POINTS, DropReason, EventKind
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Poll


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
        """Records whose device is not known."""
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


class LossReports:
    """Reports of losses are records as well, and may be dropped themselves: then they are made again."""

    def __init__(self, events: EventQueue) -> None:
        self._events = events
        self._periods = LossPeriods()
        self._again: dict[str, dict[int, int]] = {}
        self._unspooled: deque[Poll] = deque()
        self._last_record: Record | None = None

    def dropped(self, dropped: DropReport, in_flight: int = 0) -> None:
        """The spool dropped records; `in_flight` of them had been sent."""
        events = self._events
        self._superseded(dropped.content)
        period = self._periods.dropped(dropped, in_flight)
        code = DropReason[period.reason] if period.reason in DropReason.__members__ else 0
        time_ms = events.stamp(events.edge)
        report = events.add(
            events.edge,
            time_ms,
            EventKind.DROPPED,
            f"the spool gave up {period.records} records ({period.reason})",
            start_ago_s=(time_ms - period.from_ms) / 1000,
            duration_s=(period.to_ms - period.from_ms) / 1000,
            records=period.records,
            in_flight=period.in_flight,
            unread=period.unread,
            code=code,
        )
        self._unspooled += [report, *self._of_devices(period, dropped, code)]

    def _of_devices(self, period: LossPeriod, dropped: DropReport, code: int) -> Iterator[Poll]:
        """The whole stretch for each device of which something more was given up, and its accounts again."""
        events = self._events
        for device in dropped.content.devices:
            lost, columns = period.content.devices[device], events.devices.get(device)
            if columns is None:
                continue
            if lost.records:
                time_ms = events.stamp(columns)
                yield events.add(
                    columns, time_ms, EventKind.DROPPED, period.reason, records=lost.records,
                    start_ago_s=(time_ms - lost.from_ms) / 1000,
                    duration_s=(lost.to_ms - lost.from_ms) / 1000,
                    values=lost.values, in_flight=min(period.in_flight, lost.records), code=code,
                )  # fmt: skip
            for started_ms, start_ms in lost.starts.items():
                time_ms, duration_s = events.stamp(columns), (started_ms - start_ms) / 1000
                text = f"collected again after {duration_s:.1f} s"
                start_ago_s = (time_ms - start_ms) / 1000
                yield events.add(
                    columns, time_ms, EventKind.STARTED, text, start_ago_s=start_ago_s, duration_s=duration_s
                )
            again = BlockSchema(columns.origin, RECOUNT, RECOUNT_POINTS)
            for start_ms, numbers in lost.accounts.items():
                repeated = self._again.setdefault(device, {})
                repeated[start_ms] = max(start_ms + int(numbers[0]), repeated.get(start_ms, 0))
                time_ms = events.stamp(again)
                values = ((time_ms - start_ms) / 1000, *numbers)
                yield events.enqueue(again, time_ms, values)

    def _superseded(self, content: Content) -> None:
        """Leave out accounts that are part of one that was sent again since."""
        for device, lost in content.devices.items():
            repeated = self._again.get(device, {})
            for start_ms, numbers in list(lost.accounts.items()):
                end_ms = start_ms + int(numbers[0])
                wider = (span for span in repeated.items() if span[0] <= start_ms and end_ms <= span[1])
                if any(span != (start_ms, end_ms) for span in wider):
                    del lost.accounts[start_ms]
            while len(repeated) > MAX_ACCOUNTS:
                del repeated[min(repeated)]

    @property
    def open(self) -> bool:
        """Whether records were dropped, and the records that report it may be dropped too."""
        return self._periods.open

    def appended(self, poll: Poll, record: Record) -> None:
        if self._unspooled and poll is self._unspooled[0]:
            self._unspooled.popleft()
            self._last_record = record

    def durable(self, pending: Mapping[int, IntervalSet]) -> bool:
        """Whether all reports of losses are in the spool, and durable in the store."""
        last = self._last_record
        if not self.open or self._unspooled or last is None:
            return False
        kept = pending.get(last.stream)
        return not kept or kept.first() > last.offset

    def close(self) -> None:
        """All reports of losses are durable."""
        self._periods.close()
