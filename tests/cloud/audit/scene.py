"""A plant of one device whose gateway keeps its books, without any gateway: what it sends, and when."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from uuid import UUID

from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.ledger import Ledger
from gateway.interfaces import DropReport, Event, Record
from gateway.record_content import content_of
from qilu.contract.accounting import COLLECTION, SCHEDULE, SCHEDULE_POINTS
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.contract.record_codec import encode_record

START = 1_764_000_000_000
POINTS = ("serve_counter", "force", "oil")


class Scene:
    """Polls one device every second; `sent` is all that it hands to the spool, in its order."""

    def __init__(
        self,
        folder: Path,
        device: str = "press-1",
        edge: str = "edge-1",
        account_interval_s: int = 60,
        *,
        words: bool = False,
    ) -> None:
        self._folder = folder
        self._boot = 1
        self._oil = "low" if words else 2.5
        self._account_s = account_interval_s
        self.device = device
        self.now_ms = START
        self.sent: list[Poll] = []
        self.refused: list[Poll] = []
        self.due: list[int] = []
        """When each value was due, polled or not."""
        self._origin = Origin(edge, device, "press")
        self._columns = BlockSchema(self._origin, "fast", POINTS)
        self._rest = BlockSchema(self._origin, "fast", POINTS[:-1])
        self._edge = Origin(edge, edge, "gateway")
        self._counter = 0
        self._last: dict[Hashable, int] = {}
        self._reports: AccountingSource | None = None

    @property
    def reports(self) -> AccountingSource:
        assert self._reports is not None, "start it first"
        return self._reports

    def start(self, down_since_ms: int | None = None) -> None:
        """A new gateway process."""
        self._reports = AccountingSource(
            self._edge,
            {self.device: self._origin},
            self._stamp,
            every_ms=1000 * self._account_s,
            down_since_ms=down_since_ms,
            ledger=Ledger(self._folder / f"accounts-{self.device}", UUID(int=self._boot)),
        )
        self.reports.started()
        own = Origin(self._origin.edge, self.device, COLLECTION)
        columns = BlockSchema(own, SCHEDULE, SCHEDULE_POINTS)
        self.sent.append(
            Poll(self.now_ms, (Reading(columns, self.now_ms, (3.0, 3, 1, 1.0, self._account_s)),))
        )
        self._flush()

    def collect(
        self,
        seconds: int,
        *,
        bad: Reason | None = None,
        skipped: int = 0,
        keep: Callable[[Poll], bool] = lambda poll: True,
    ) -> None:
        """Poll for this long; what `keep` refuses is left out by a processor."""
        for _ in range(seconds):
            self.due += [self.now_ms + 1000 * turn for turn in range(1, skipped + 2) for _ in POINTS]
            self.now_ms += 1000 * (1 + skipped)
            self._counter += 1
            values = (None,) * 3 if bad else (self._counter, 1.5, self._oil)
            reasons = dict.fromkeys(range(3), bad) if bad else {}
            time_ms = self._stamp(f"{self.device}/fast")
            poll = Poll(self.now_ms, (Reading(self._columns, time_ms, values, reasons),), skipped)
            kept = [poll] if keep(poll) else []
            self.reports.record_poll(poll, kept)
            self.sent += kept
            self._flush()

    def stop(self) -> None:
        """The process ends in good order."""
        self.reports.stopped()
        self._flush()

    def kill(self) -> None:
        """The process is killed: what it had not told is lost."""
        self._reports = None

    def cut_power(self) -> None:
        """The process and the system end."""
        self.kill()
        self._boot += 1

    def wait(self, seconds: float) -> None:
        """Nobody polls."""
        self.due += [self.now_ms + 1000 * turn for turn in range(1, round(seconds) + 1) for _ in POINTS]
        self.now_ms += round(seconds * 1000)

    def offline(self, reason: Reason = Reason.TIMEOUT) -> None:
        self.reports.device(Event(self.now_ms, self.device, "offline", "does not answer", reason))

    def online(self) -> None:
        self.reports.device(Event(self.now_ms, self.device, "online", "answers"))

    def forget_last(self) -> None:
        """What was told last never arrives."""
        self.sent += self.reports.drain()
        self.sent.pop()

    def drop(self, begin_ms: int, end_ms: int) -> None:
        """The spool gives up what was polled in this time."""
        lost = [one for one in self.sent if begin_ms <= one.readings[0].time_ms < end_ms]
        if lost:
            self.sent = [one for one in self.sent if one not in lost]
            content = content_of(map(encode_record, lost))
            offsets = IntervalSet([(0, len(lost) - 1)])
            self.reports.dropped(DropReport(7, offsets, "max_bytes", begin_ms, end_ms, content))
            self._flush()

    def reject(self, begin_ms: int, end_ms: int) -> None:
        """The store refuses what was polled in this time."""
        lost = [
            one
            for one in self.sent
            if one.origin.profile == "press" and begin_ms <= one.readings[0].time_ms < end_ms
        ]
        self.sent = [one for one in self.sent if one not in lost]
        self.refused += lost
        self.reports.rejected([Record(7, n, encode_record(one)) for n, one in enumerate(lost)], "too long")
        self._flush()

    def reject_in_part(self, begin_ms: int, end_ms: int) -> None:
        """Of what was polled in this time the store takes all points but the last one."""
        records: list[Record] = []
        for index, poll in enumerate(self.sent):
            [reading] = poll.readings
            if reading.columns is self._columns and begin_ms <= reading.time_ms < end_ms:
                records.append(Record(7, index, encode_record(poll)))
                rest = {place: why for place, why in reading.reasons.items() if place < len(POINTS) - 1}
                stored = Reading(self._rest, reading.time_ms, reading.values[:-1], rest)
                self.sent[index] = poll._replace(readings=(stored,))
        self.reports.rejected(records, "field_conflict 1: oil", 1)
        self._flush()

    def requeue(self, begin_ms: int, end_ms: int) -> None:
        """What the store refused of this time goes back from the quarantine, and is stored."""
        self.reports.requeued(1)
        back = [one for one in self.refused if begin_ms <= one.readings[0].time_ms < end_ms]
        self.refused = [one for one in self.refused if one not in back]
        self.sent += back
        self._flush()

    def lose(self, times_ms: Iterable[int]) -> None:
        """A fault that nobody knows of takes the readings of these times."""
        gone = set(times_ms)
        self.sent = [
            one for one in self.sent if one.origin.profile != "press" or one.readings[0].time_ms not in gone
        ]

    def _stamp(self, series: Hashable) -> int:
        found = self._last[series] = max(self.now_ms, self._last.get(series, 0) + 1)
        return found

    def _flush(self) -> None:
        self.sent += self.reports.drain()
