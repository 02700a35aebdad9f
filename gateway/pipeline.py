"""The whole gateway on one screen: what a source polls goes through the processors into the spool.

source ▶ processors ▶ spool ▶ delivery (outbox ▶ sink)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.accounting.reports import Reports
from gateway.delivery.delivery import Delivery
from gateway.interfaces import Clock, Consumer, Equipment, Processor, Record, Source, Spool
from gateway.progress import Progress
from gateway.timekeeping.provisional import marked
from qilu.contract.errors import UnreachableError
from qilu.contract.limits import bounded
from qilu.contract.reading import BlockSchema, Poll, Reading, Reason, TimeTrust
from qilu.contract.record_codec import encode_record
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

COMMIT = "commit the spool"
"""The task that syncs what was appended."""

_RETRY = 0.25
"""Seconds between two tries to append to a spool that is full."""


def collecting_task(source: Source) -> str:
    """The name of the task that collects from `source`."""
    return f"collect from {source.name}"


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Tally:
    """What went through since the start, for the status."""

    polls: int = 0
    points: int = 0
    bad_points: int = 0
    suppressed_points: int = 0
    record_bytes: int = 0
    """Bytes of the records that the spool took."""
    blocked: int = 0
    """Records that had to wait for room in the spool."""
    dropped: int = 0
    """Records that the spool had to give up."""


@dataclass(slots=True)
class _CollectingTasks:
    """The tasks that collect from equipment, each with the event that ends it after the poll in progress."""

    tasks: asyncio.TaskGroup | None = None
    """While collecting goes on."""
    running: dict[Equipment, tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a gateway does while it runs.

    `internal_sources` are about the gateway itself, as `reports` is: no processor changes their polls.
    `sync`: seconds between commits, None for one after each record. `sources` and `processors` may be
    exchanged in place.
    """

    sources: list[Equipment]
    processors: list[Processor]
    spool: Spool
    delivery: Delivery
    reports: Reports
    clock: Clock
    sync: float | None
    backoff: Callable[[], Backoff]
    internal_sources: Sequence[Source] = ()
    consumers: Sequence[Consumer] = ()
    """Take each record behind the spool."""
    tally: Tally = field(default_factory=Tally)
    progress: Progress = field(default_factory=Progress)
    shutdown_grace: float = 2.0
    """Seconds that polls in progress may take to end when it stops."""
    complaints: LogThrottle = field(default_factory=lambda: LogThrottle(_log))
    _collecting: _CollectingTasks = field(default_factory=_CollectingTasks)

    async def run(self, stop: asyncio.Event, grace: float, opened: Callable[[], None] = _nothing) -> None:
        """Collect until `stop`, then deliver what is left for at most `grace` seconds; or until cancelled.

        Whatever is not durable then stays in the spool and is delivered next time. `opened` is called when
        the spool takes records.
        """
        async with self.spool:
            opened()
            for consumer in self.consumers:
                consumer.opened(self.spool)
            self.reports.started()
            if requeued := self.spool.requeued():
                self.reports.requeued(requeued)
            for dropped in self.spool.unreported_drops():
                self.reports.dropped(dropped)
            try:
                async with asyncio.TaskGroup() as tasks:
                    keeping = tasks.create_task(self._commit(), name=COMMIT)
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
        collecting = self._collecting
        async with asyncio.TaskGroup() as tasks:
            collecting.tasks = tasks
            for source in self.sources:
                self._start(source)
            internal = [
                tasks.create_task(self._collect(source, stop), name=collecting_task(source))
                for source in (*self.internal_sources, self.reports)
            ]
            await stop.wait()
            collecting.tasks = None
            for task in internal:
                task.cancel()
            running = [self._end(source) for source in list(collecting.running)]
            if running:
                await asyncio.wait(running, timeout=self.shutdown_grace)
            for task in running:
                task.cancel()

    def add_source(self, source: Equipment) -> None:
        """Collect from `source`, too; nothing happens where collecting has ended."""
        self.sources.append(source)
        self._start(source)

    async def remove_source(self, source: Equipment) -> None:
        """Return when nothing is collected from `source` any more; a poll in progress ends first."""
        self.sources.remove(source)
        if source in self._collecting.running:
            await asyncio.wait([self._end(source)])

    def _start(self, source: Equipment) -> None:
        if (tasks := self._collecting.tasks) is not None:
            stop = asyncio.Event()
            task = tasks.create_task(self._collect(source, stop, source), name=collecting_task(source))
            self._collecting.running[source] = task, stop

    def _end(self, source: Equipment) -> asyncio.Task[None]:
        """End the task of `source`, after the poll in progress."""
        task, stop = self._collecting.running.pop(source)
        stop.set()
        if not source.busy:
            task.cancel()
        return task

    async def _collect(self, source: Source, stop: asyncio.Event, equipment: Equipment | None = None) -> None:
        """Poll `source` until `stop`; `equipment` is the same one, where it is no source of our own."""
        keep = self._process_internal if equipment is None else self._process
        backoff = self.backoff()
        with self.progress.watching(collecting_task(source)) as moved:
            while not stop.is_set():
                moved()
                try:
                    async with (
                        equipment or contextlib.nullcontext(),
                        contextlib.aclosing(source.polls()) as polls,
                    ):
                        async for poll in polls:
                            await keep(poll, moved)
                            backoff.reset()
                            if stop.is_set():
                                return
                            moved()
                except Exception:  # noqa: BLE001 - the one supervisor boundary: one odd device must not stop the others
                    _log.exception("%s: internal error, this source starts again", source.name)
                    for columns in () if equipment is None else equipment.columns():
                        await keep(self._all_bad(columns), moved)
                await asyncio.sleep(backoff.next())

    def _all_bad(self, columns: BlockSchema) -> Poll:
        """A block that the source should have read, all of it `internal_error`."""
        time_ms = self.clock.stamp(f"{columns.origin.device}/{columns.group}")
        points = len(columns.points)
        reasons = dict.fromkeys(range(points), Reason.INTERNAL_ERROR)
        reading = Reading(columns, time_ms, (None,) * points, reasons)
        return Poll(time_ms, (reading,), epoch=self.clock.tag())

    async def _process(self, poll: Poll, moved: Callable[[], None]) -> None:
        if poll.epoch is not None and poll.epoch.trust is TimeTrust.UNCERTAIN:
            poll = _uncertain(poll)
        kept: Sequence[Poll] = (poll,)
        for processor in self.processors:
            kept = [after for before in kept for after in processor.process(before)]
        kept = list(map(bounded, kept))
        self._count(poll, kept)
        records = [await self._append(kept_poll, moved) for kept_poll in kept]
        self.reports.record_poll(poll, kept)  # what a kill keeps from the spool must not be counted
        await self._deliver(records)

    async def _process_internal(self, poll: Poll, moved: Callable[[], None]) -> None:
        self._count(poll, (poll,))
        record = await self._append(poll, moved)
        self.reports.appended(poll, record)
        await self._deliver([record])

    async def _append(self, poll: Poll, moved: Callable[[], None]) -> Record:
        """The record of `poll`; while the spool takes none this waits, and is no task that hangs."""
        body = _record_of(poll)
        while (record := self.spool.append(body)) is None:
            moved()
            self.tally.blocked += 1
            self._set_blocked(True)
            await asyncio.sleep(_RETRY)
        self._set_blocked(False)
        self.tally.record_bytes += len(body)
        self._hand_on(poll, record)
        return record

    def _hand_on(self, poll: Poll, record: Record) -> None:
        for consumer in self.consumers:
            consumer.take(poll, record)

    def _set_blocked(self, blocked: bool) -> None:
        self.clock.set_spool_blocked(blocked)
        self.reports.blocked(blocked)

    async def _deliver(self, records: Sequence[Record]) -> None:
        if self.sync is None:
            await self._commit_now()
        for record in records:
            self.delivery.appended(record)

    def _flush_reports(self) -> None:
        """Keep the last reports, if there is room; they are true only when nothing follows them."""
        self.reports.stopped()
        for poll in self.reports.drain():
            self._count(poll, (poll,))
            record = self.spool.append(_record_of(poll))
            if record is not None:
                self._hand_on(poll, record)
                self.delivery.appended(record)

    async def _commit(self) -> None:
        with self.progress.watching(COMMIT) as moved:
            while True:
                moved()
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
            self.reports.dropped(dropped, self.delivery.in_flight(dropped))
        if self.reports.losses_durable(self.spool.pending()):
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


def _uncertain(poll: Poll) -> Poll:
    """The same poll, with every good value marked as one whose time may be wrong."""
    readings = []
    for reading in poll.readings:
        uncertain = dict.fromkeys(range(len(reading.values)), Reason.CLOCK_UNCERTAIN)
        readings.append(reading._replace(reasons=uncertain | dict(reading.reasons)))
    return poll._replace(readings=tuple(readings))
