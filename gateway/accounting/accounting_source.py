"""Everything that the edge reports of its collection besides its status: accounts and events, in their
order."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence

from gateway.accounting.account import own
from gateway.accounting.counters import Counts
from gateway.accounting.edge_account import EdgeAccount, origin_of
from gateway.accounting.event_queue import EventQueue, event_columns
from gateway.accounting.ledger import Ledger, PreviousRun
from gateway.accounting.loss_reports import LossReports
from gateway.interfaces import DropReport, Event, Record
from gateway.record_content import content_of
from qilu.contract.accounting import (
    COLLECTION,
    COUNTS,
    EDGE_COUNTS_POINTS,
    EVENT_POINTS,
    EVENTS,
    DropReason,
    EventKind,
)
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll
from qilu.runtime.monotonic_utc import ClockStep

_log = logging.getLogger(__name__)

_EPOCH_MARGIN_MS = 1000
"""A correction of times is exact to less than this."""
_DEVICE_EVENTS = {
    "offline": EventKind.OFFLINE,
    "online": EventKind.ONLINE,
    "limits_learned": EventKind.LIMITS_LEARNED,
}


class AccountingSource:
    """The source of the reports. Other parts report by calling its methods; none of them waits.

    `edge` has the profile `gateway`; `devices`: name -> origin. `stamp` gives the time (ms, UTC) of a new
    reading of a series, `tag` its epoch. `down_since_ms`: when this gateway was last alive before, if known;
    `blocked_since_ms`: since when its spool had taken nothing then, if it did not. `ledger` keeps the open
    accounts over a kill; without one the last account before it is lost.
    """

    name = "reports"

    def __init__(
        self,
        edge: Origin,
        devices: Mapping[str, Origin],
        stamp: Callable[[Hashable], int],
        *,
        every_ms: int,
        down_since_ms: int | None,
        blocked_since_ms: int | None = None,
        ledger: Ledger | None = None,
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        self._events = EventQueue(edge, devices, stamp, tag)
        self._losses = LossReports(self._events)
        self._origins = dict(devices)
        self._every_ms = every_ms
        self._down_since_ms = down_since_ms
        self._blocked_since_ms = blocked_since_ms
        self._ledger = ledger
        self._counts: Counts | None = None
        self._total = EdgeAccount()
        self._total_columns = BlockSchema(origin_of(edge), COUNTS, EDGE_COUNTS_POINTS)
        self._blocked_from_ms = 0
        self.started_ms = 0

    def polls(self) -> AsyncGenerator[Poll]:
        return self._events.polls()

    def drain(self) -> Sequence[Poll]:
        return self._events.drain()

    # What happens, in the order of a run.

    def started(self) -> None:
        time_ms = self.started_ms = self._events.stamp(self._events.edge)
        left = PreviousRun() if self._ledger is None else self._ledger.read()
        self._start_accounts(left, time_ms)
        since_ms = self._down_since_ms
        down = 0.0 if since_ms is None else max((time_ms - since_ms) / 1000, 0.001)
        text = "first start here" if since_ms is None else f"started after {down:.1f} s"
        self._events.add(
            self._events.edge, time_ms, EventKind.STARTED, text, start_ago_s=down, duration_s=down
        )
        if self._blocked_since_ms is not None:
            end_ms = max(since_ms or time_ms, self._blocked_since_ms)
            self.dropped(
                DropReport(0, IntervalSet(), DropReason.blocked.name, self._blocked_since_ms, end_ms)
            )

        self._close_left(left, time_ms)

    def _start_accounts(self, left: PreviousRun, time_ms: int) -> None:
        known_ms = {device: account.known_ms for device, account in left.accounts.items()}
        if self._ledger is None:
            self._counts = Counts(self._every_ms, time_ms, known_ms, epoch=self._events.tag())
        else:
            self._counts = Counts(self._every_ms, time_ms, known_ms, self._ledger.keep, self._events.tag())
        self._counts.start(self._origins)
        if self._ledger is not None:
            self._ledger.open(self._counts.accounts)

    def open_ledger_again(self) -> None:
        """The ledger was removed with its folder, or replaced: begin it anew with what is counted now."""
        if self._ledger is not None and self._counts is not None:
            self._ledger.open(self._counts.accounts)

    def _close_left(self, left: PreviousRun, time_ms: int) -> None:
        """Close the accounts that a killed gateway left open, and report since when nobody collected."""
        for device, account in left.accounts.items():
            origin = self._origins.get(device)
            removed = origin is None
            if origin is None:
                edge = self._events.edge.origin
                origin = Origin(edge.edge, device, COLLECTION, edge.enterprise, edge.site)
            end_ms = left.ended_ms or account.last_ms + 1
            if left.exact and not left.ended_ms:
                self._put_account(account.to_poll(origin, end_ms))
            down_s = (time_ms - end_ms) / 1000 if left.exact else 0.0
            columns = BlockSchema(own(origin), EVENTS, EVENT_POINTS)
            if removed:
                text = f"{origin.edge} does not collect from this device any more"
                self._events.add(columns, time_ms, EventKind.REMOVED, text, start_ago_s=down_s)
            elif down_s > 0:
                text = f"collected again after {down_s:.1f} s"
                self._events.add(
                    columns, time_ms, EventKind.STARTED, text, start_ago_s=down_s, duration_s=down_s
                )

    def blocked(self, blocked: bool) -> None:
        if blocked and not self._blocked_from_ms:
            self._blocked_from_ms = self._events.stamp("blocked")
        elif self._blocked_from_ms and not blocked:
            if self._counts is not None:
                self._counts.blocked(self._blocked_from_ms, self._events.stamp("blocked"))
            self._blocked_from_ms = 0

    def record_poll(self, poll: Poll, kept: Sequence[Poll]) -> None:
        if self._counts is not None:
            if self._ledger is not None and self._ledger.removed:
                self.open_ledger_again()
            for done in self._counts.record_poll(poll, kept):
                self._put_account(done)
            for device, first_ms, unpolled_ms in self._counts.between_epochs():
                self._between_epochs(device, first_ms, unpolled_ms + _EPOCH_MARGIN_MS)

    def _put_account(self, account: Poll) -> None:
        """An account of a device, and that of the edge where it is over."""
        self._events.put(account)
        if self._total.has(account.origin.device):
            self._put_total()
        self._total.add(account)
        if self._total.is_over(len(self._origins)):
            self._put_total()

    def _put_total(self) -> None:
        if not self._total:
            return
        time_ms = self._events.stamp(self._total_columns)
        self._events.enqueue(self._total_columns, time_ms, self._total.take())

    def exchange(self, removed: Collection[str], added: Mapping[str, Origin]) -> None:
        """Collect from other devices at this instant: the account of each one in `removed` ends now, and that
        of each one in `added` begins. One in both is changed. Call it between two polls of each of them."""
        if self._counts is None:
            return
        time_ms = self._events.stamp(self._events.edge)
        for done in self._counts.exchange(removed, added, time_ms, self._events.tag()):
            self._put_account(done)
        for device in removed:
            if device not in added:
                self._removed(self._origins.pop(device), time_ms)
        self._origins.update(added)
        self._events.devices.update(event_columns(added))  # a removed one keeps its columns: records are left
        if self._ledger is not None and self._ledger.devices != self._counts.accounts.keys():
            self._ledger.open(self._counts.accounts)

    def _removed(self, origin: Origin, since_ms: int) -> None:
        columns = self._events.devices[origin.device]
        time_ms = self._events.stamp(columns)
        text = f"{origin.edge} does not collect from this device any more"
        since_s = max(time_ms - since_ms, 0) / 1000
        self._events.add(columns, time_ms, EventKind.REMOVED, text, start_ago_s=since_s)

    def reloaded(self, text: str) -> None:
        """Other settings were taken: who asked for them, and what they changed."""
        time_ms = self._events.stamp(self._events.edge)
        self._events.add(self._events.edge, time_ms, EventKind.RELOADED, text)

    def _between_epochs(self, device: str, first_ms: int, unpolled_ms: int) -> None:
        """Accounts of two epochs do not touch: nothing was polled of the device in between."""
        columns = self._events.devices[device]
        time_ms, start_ms = self._events.stamp(columns), first_ms - unpolled_ms
        self._events.add(
            columns, time_ms, EventKind.CORRECTED, "the clock was corrected between two readings",
            start_ago_s=(time_ms - start_ms) / 1000, duration_s=unpolled_ms / 1000,
        )  # fmt: skip

    def device(self, event: Event) -> None:
        columns, counts = self._events.devices[event.device], self._counts
        offline_s = 0.0
        if counts is not None and event.kind == "offline":
            counts.offline(self._origins[event.device], event.time_ms)
        elif counts is not None and event.kind == "online":
            offline_s = counts.online(self._origins[event.device], event.time_ms)
        kind, code = _DEVICE_EVENTS[event.kind], 0 if event.reason is None else event.reason.code
        self._events.add(
            columns,
            self._events.stamp(columns),
            kind,
            event.text,
            start_ago_s=offline_s,
            duration_s=offline_s,
            code=code,
        )

    def clock_stepped(self, step: ClockStep) -> None:
        """The wall clock was set, and is known again."""
        text, time_ms = (
            f"the wall clock was set by {step.seconds:+.1f} s",
            self._events.stamp(self._events.edge),
        )
        self._events.add(
            self._events.edge,
            time_ms,
            EventKind.CLOCK_STEPPED,
            text,
            start_ago_s=(time_ms - step.time_ms) / 1000,
            duration_s=step.seconds,
            code=int(step.unused),
        )

    def dropped(self, dropped: DropReport, in_flight: int = 0) -> None:
        self._losses.dropped(dropped, in_flight)

    @property
    def has_open_losses(self) -> bool:
        """Whether records were dropped, and the records that report it may be dropped too."""
        return self._losses.open

    def appended(self, poll: Poll, record: Record) -> None:
        self._losses.appended(poll, record)

    def losses_durable(self, pending: Mapping[int, IntervalSet]) -> bool:
        return self._losses.durable(pending)

    def drained(self) -> None:
        self._losses.close()

    def rejected(self, records: Sequence[Record], reason: str, values: int = 0) -> None:
        """The store will never take these; where it stored a part, so many `values` of each are missing."""
        self._of_devices(EventKind.REJECTED, records, reason, values)

    def deferred(self, records: Sequence[Record], code: str) -> None:
        """The store cannot take these for now."""
        self._of_devices(EventKind.DEFERRED, records, code)

    def requeued(self, records: int) -> None:
        text = f"{records} records came back from the quarantine"
        time_ms = self._events.stamp(self._events.edge)
        self._events.add(self._events.edge, time_ms, EventKind.REQUEUED, text, records=records)

    def _of_devices(
        self, kind: EventKind, records: Sequence[Record], text: str, values_each: int = 0
    ) -> None:
        """One event for each device whose values are in these records: all of them, or `values_each`."""
        content = content_of(record.body for record in records)
        if content.known < len(records):
            _log.debug("%d of these records cannot be read here", len(records) - content.known)
        for device, lost in content.devices.items():
            columns = self._events.devices.get(device)
            if columns is None or not lost.records:
                continue
            time_ms = self._events.stamp(columns)
            self._events.add(
                columns, time_ms, kind, text, records=lost.records,
                values=lost.records * values_each or lost.values,
                start_ago_s=(time_ms - lost.from_ms) / 1000, duration_s=(lost.to_ms - lost.from_ms) / 1000,
            )  # fmt: skip

    def stopped(self) -> None:
        if self._counts is None:
            return
        counts, self._counts = self._counts, None
        time_ms = self._events.stamp(self._events.edge)
        ended_ms = counts.ended_ms(time_ms)
        for account in counts.close(time_ms):
            self._put_account(account)
        self._put_total()
        if self._ledger is not None:
            self._ledger.end(ended_ms, counts.accounts)
        self._events.add(self._events.edge, time_ms, EventKind.STOPPED, "stopped")
