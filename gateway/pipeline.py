"""The whole gateway on one screen: what a source polls goes through the processors into the spool.

source ▶ processors ▶ spool ▶ delivery (outbox ▶ sink)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field

from gateway.accounting.events import AccountingSource
from gateway.delivery.delivery import Delivery
from gateway.interfaces import Processor, Record, Source, Spool
from gateway.timekeeping.provisional import marked
from qilu.contract.errors import UnreachableError
from qilu.contract.limits import bounded
from qilu.contract.reading import EpochTag, Poll, Reading, Reason, TimeTrust
from qilu.contract.record_codec import encode_record
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

_RETRY = 0.25
"""Seconds between two tries to append to a spool that is full."""


@dataclass(slots=True)
class Tally:
    """What went through since the start, for the status."""

    polls: int = 0
    points: int = 0
    bad_points: int = 0
    suppressed_points: int = 0
    blocked: int = 0
    """Records that had to wait for room in the spool."""
    dropped: int = 0
    """Records that the spool had to give up."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a gateway does while it runs.

    `own` are the sources about the gateway itself: no processor touches what they say. `reports` is told of
    everything, and is one of them. `sync`: seconds between commits, None for one after each record. `stamp`:
    the time (UTC, ms) of a new reading of a series, `tag` the epoch of these times. `blocked`
    is told with each record whether the spool refuses it.
    """

    sources: Sequence[Source]
    processors: Sequence[Processor]
    spool: Spool
    delivery: Delivery
    tally: Tally
    sync: float | None
    backoff: Callable[[], Backoff]
    next_timestamp: Callable[[Hashable], int]
    tag: Callable[[], EpochTag | None] = lambda: None
    on_spool_blocked: Callable[[bool], None] = lambda _: None
    internal_sources: Sequence[Source] = ()
    shutdown_grace: float = 2.0
    """Seconds that turns under way may take to end when it stops."""
    reports: AccountingSource | None = None
    complaints: LogThrottle = field(default_factory=lambda: LogThrottle(_log))

    async def run(self, stop: asyncio.Event, grace: float) -> None:
        """Collect until `stop`, then deliver what is left for at most `grace` seconds; or until cancelled.

        Whatever is not durable then stays in the spool and is delivered next time.
        """
        async with self.spool:
            if self.reports is not None:
                self.reports.started()
                if requeued := self.spool.requeued():
                    self.reports.requeued(requeued)
                for dropped in self.spool.unreported_drops():
                    self.reports.dropped(dropped)
            try:
                async with asyncio.TaskGroup() as tasks:
                    keeping = tasks.create_task(self._commit(), name="commit the spool")
                    delivering = tasks.create_task(self.delivery.run(), name="deliver")
                    await self._collect_all(stop)
                    self._flush_reports()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(grace):
                            await self.delivery.wait_drained()
                    delivering.cancel()
                    keeping.cancel()
            finally:
                self._flush_reports()

    async def _collect_all(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            collecting = {
                tasks.create_task(
                    self._collect(source, keep, stop), name=f"collect from {source.name}"
                ): source
                for sources, keep in (
                    (self.sources, self._process),
                    (self.internal_sources, self._process_internal),
                )
                for source in sources
            }
            await stop.wait()
            for task, source in collecting.items():
                if not source.busy:
                    task.cancel()
            if collecting:
                await asyncio.wait(collecting, timeout=self.shutdown_grace)
            for task in collecting:
                task.cancel()

    async def _collect(
        self, source: Source, keep: Callable[[Poll], Awaitable[None]], stop: asyncio.Event
    ) -> None:
        backoff = self.backoff()
        while not stop.is_set():
            try:
                async with source, contextlib.aclosing(source.polls()) as polls:
                    async for poll in polls:
                        await keep(poll)
                        backoff.reset()
                        if stop.is_set():
                            return
            except Exception:  # noqa: BLE001 - the one supervisor boundary: one odd device must not stop the others
                _log.exception("%s: internal error, this source starts again", source.name)
                for poll in _all_bad(source, self.next_timestamp, self.tag()):
                    await keep(poll)
            await asyncio.sleep(backoff.next())

    async def _process(self, poll: Poll) -> None:
        if poll.epoch is not None and poll.epoch.trust is TimeTrust.UNCERTAIN:
            poll = _uncertain(poll)
        kept: Sequence[Poll] = (poll,)
        for processor in self.processors:
            kept = [after for before in kept for after in processor.process(before)]
        kept = list(map(bounded, kept))
        self._count(poll, kept)
        records = [await self._append(kept_poll) for kept_poll in kept]
        if self.reports is not None:
            self.reports.record_poll(poll, kept)  # what a kill keeps from the spool must not be counted
        await self._deliver(records)

    async def _process_internal(self, poll: Poll) -> None:
        self._count(poll, (poll,))
        record = await self._append(poll)
        if self.reports is not None:
            self.reports.appended(poll, record)
        await self._deliver([record])

    async def _append(self, poll: Poll) -> Record:
        body = _record_of(poll)
        while (record := self.spool.append(body)) is None:
            self.tally.blocked += 1
            self.on_spool_blocked(True)
            await asyncio.sleep(_RETRY)
        self.on_spool_blocked(False)
        return record

    async def _deliver(self, records: Sequence[Record]) -> None:
        if self.sync is None:
            await self._commit_now()
        for record in records:
            self.delivery.appended(record)

    def _flush_reports(self) -> None:
        """Keep the last reports, if there is room; what they say is true only when nothing follows them."""
        if self.reports is None:
            return
        self.reports.stopped()
        for poll in self.reports.drain():
            self._count(poll, (poll,))
            record = self.spool.append(_record_of(poll))
            if record is not None:
                self.delivery.appended(record)

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(_RETRY if self.sync is None else self.sync)
            await self._commit_now()

    async def _commit_now(self) -> None:
        try:
            await self.spool.commit()
        except UnreachableError as error:
            text = f"{error}: a power cut could now cost more than the interval of commits"
            self.complaints.warn("commit", text, asyncio.get_running_loop().time())
        for dropped in self.spool.dropped():
            self.tally.dropped += dropped.records
            if self.reports is not None:
                self.reports.dropped(dropped, self.delivery.in_flight(dropped))
        if self.reports is not None and self.reports.losses_durable(self.spool.pending()):
            self.reports.drained()
            self.spool.mark_drops_reported()

    def _count(self, poll: Poll, kept: Sequence[Poll]) -> None:
        tally = self.tally
        tally.polls += 1
        size = poll.size
        tally.points += size
        tally.bad_points += sum(len(reading.reasons) for reading in poll.readings)
        tally.suppressed_points += size - sum(kept_poll.size for kept_poll in kept)


def _record_of(poll: Poll) -> bytes:
    """The record of a poll, marked as provisional where its times are."""
    body = encode_record(poll)
    if poll.epoch is not None and poll.epoch.trust is TimeTrust.HELD:
        return marked(body, poll.epoch)
    return body


def _all_bad(source: Source, stamp: Callable[[Hashable], int], tag: EpochTag | None) -> list[Poll]:
    """One poll per block that the source should have read, all of it `internal_error`."""
    polls = []
    for columns in source.columns():
        time_ms, points = stamp(f"{columns.origin.device}/{columns.group}"), len(columns.points)
        reasons = dict.fromkeys(range(points), Reason.INTERNAL_ERROR)
        polls.append(Poll(time_ms, (Reading(columns, time_ms, (None,) * points, reasons),), epoch=tag))
    return polls


def _uncertain(poll: Poll) -> Poll:
    """The same poll, with every good value marked as one whose time may be wrong."""
    readings = []
    for reading in poll.readings:
        uncertain = dict.fromkeys(range(len(reading.values)), Reason.CLOCK_UNCERTAIN)
        readings.append(reading._replace(reasons=uncertain | dict(reading.reasons)))
    return poll._replace(readings=tuple(readings))
