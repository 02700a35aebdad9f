"""The local history of a gateway: takes what the spool has, writes it in a thread, and answers for charts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from gateway.history.history_charts import HistoryCharts
from gateway.history.history_queue import HistoryQueue, LeftOut
from gateway.history.room import HistoryRoom, PolledGroup, estimate, measured_or, room_of
from gateway.history.series import Series
from gateway.history.settings import HistorySettings
from gateway.interfaces import Record, Spool
from qilu.contract.accounting import EDGE_COLLECTION, EDGE_INFO, POINT_INFO
from qilu.contract.errors import DataError, QiluError, UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import Poll, TimeTrust
from qilu.contract.record_codec import decode_record
from qilu.runtime.log_throttle import LogThrottle
from qilu.stores.sqlite.history.files import Kind, listing
from qilu.stores.sqlite.history.folder import DISK_ERRORS, HistoryFolder
from qilu.stores.sqlite.history.keys import BUCKET_MS
from qilu.stores.sqlite.history.reader import HistoryReader
from qilu.stores.sqlite.history.retention import Bounds
from qilu.stores.sqlite.history.upkeep import Upkeep
from qilu.stores.sqlite.history.writer import HistoryWriter, blocks_of
from qilu.stores.validation import unstorable_reason

_LEFT_OUT = frozenset((POINT_INFO, EDGE_INFO, EDGE_COLLECTION))
_LOOK_S = 0.5
"""Seconds between two looks whether something is due."""
_BUCKET_LATENESS_MS = 1_500
"""How long after its end a bucket waits for readings that are on their way."""
_RETRY_S = 10.0
_MARKS_S = 60.0
_MARKS = "taken"
_SLICE_S = 0.03
"""Seconds of one slice of roll-ups."""
_REST = 9.0
"""A slice is followed by a rest of so many times its length."""
_REFILL_BYTES = 64 * 1024
_REFILL_REST_S = 0.02
_CLOSING_S = 10.0
_NOTES = 2
_DONE = object()
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class History:
    """A consumer behind the spool. `folder`: where its files are; `min_free`: bytes that it leaves to others.

    `now_ms`: UTC. `groups`: device -> point -> its poll group. It never raises towards the gateway, and what
    it cannot keep it leaves out, counts, and logs.
    """

    def __init__(
        self,
        settings: HistorySettings,
        folder: Path,
        edge: str,
        groups: dict[str, dict[str, PolledGroup]],
        now_ms: Callable[[], int],
        *,
        min_free: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        ages_ms = {
            Kind.RAW: round(settings.raw * 1000),
            Kind.MINUTES: round(settings.minutes * 1000),
            Kind.QUARTERS: round(settings.quarters * 1000),
        }
        self._settings = settings
        self._edge = edge
        self._groups = groups
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._folder = HistoryFolder(folder, Bounds(ages_ms, settings.max_bytes), now_ms, min_free)
        self._writer = HistoryWriter(self._folder)
        self._upkeep = Upkeep(self._folder)
        self._work: Iterator[None] = iter(())
        self._queue = HistoryQueue()
        self._reader = HistoryReader(folder)
        self._charts = HistoryCharts(edge, groups, self._reader, self._queue, now_ms)
        self._spool: Spool | None = None
        self._spool_is_open = asyncio.Event()
        self._is_open = asyncio.Event()
        self._written_bucket = 0
        self._marks_due = 0.0
        self._reported = 0
        self._complaints = LogThrottle(_log)
        self._thread: ThreadPoolExecutor

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        await self._reader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown(wait=False)
        with suppress(TimeoutError):  # a disk that hangs must not keep the gateway from ending
            async with asyncio.timeout(_CLOSING_S):
                await closing
        await self._reader.__aexit__(kind, error, trace)

    # What the gateway calls.

    @property
    def left_out(self) -> LeftOut:
        """What found no room since the start."""
        return self._queue.left_out

    def opened(self, spool: Spool) -> None:
        """The spool is open: what it still holds is taken, if it is not here already."""
        self._spool = spool
        self._spool_is_open.set()

    def take(self, poll: Poll, record: Record) -> None:
        """A record that the spool has. One whose time is provisional comes again, corrected."""
        if poll.epoch is None or poll.epoch.trust is not TimeTrust.HELD:
            self._add(poll, record)

    def take_corrected(self, record: Record) -> None:
        """A record whose time is corrected now, as it is sent; or one of a run before this one."""
        if not self._queue.has(record.stream, record.offset):
            with suppress(DataError):
                poll = decode_record(record.body)
                if unstorable_reason(poll) is None:
                    self._add(poll, record)

    def _add(self, poll: Poll, record: Record) -> None:
        """What points are is no value, and stands in the profiles beside the history; so are sums of it."""
        if poll.origin.profile not in _LEFT_OUT:
            self._queue.add(record.stream, record.offset, poll)

    def exchange(self, removed: Collection[str], added: Mapping[str, dict[str, PolledGroup]]) -> None:
        """Other devices from now on; the files of those that are removed stay for their time."""
        for device in removed:
            self._groups.pop(device, None)
        self._groups.update(added)

    async def series(self, device: str, point: str, from_ms: int, to_ms: int, pixels: int) -> Series:
        """A point between these times, for a chart of so many pixels. UnreachableError: the disk refuses."""
        return await self._charts.series(device, point, from_ms, to_ms, pixels)

    async def room(self) -> HistoryRoom:
        """How long each kind really fits: by the files where these have two days, else an estimate."""
        files = await self._in_thread(listing, self._folder.path)
        groups = {group for points in self._groups.values() for group in points.values()}
        return room_of(self._settings, *measured_or(estimate(groups), files))

    async def run(self) -> None:
        """Write and roll up until cancelled. Whatever goes wrong here, the gateway goes on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._guarded(self._refill), name="refill the history")
            tasks.create_task(self._guarded(self._write), name="write the history")

    # Inside.

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 - a history must not end what collects
                known = isinstance(error, (*DISK_ERRORS, QiluError))
                if not known:
                    _log.exception("local history: internal error; it goes on in %g s", _RETRY_S)
                else:
                    self._complain(error)
            await asyncio.sleep(_RETRY_S)

    def _complain(self, error: Exception) -> None:
        text = (
            f"local history: nothing is written to {self._folder.path}: {error}; readings are collected and"
            " delivered as always; free disk space or correct the folder"
        )
        self._complaints.warn("disk", text, self._monotonic())

    async def _write(self) -> None:
        if not self._is_open.is_set():
            await self._in_thread(self._open)
        self._is_open.set()
        rest_until = 0.0
        while True:
            await asyncio.sleep(_LOOK_S)
            self._report_left_out()
            if (name := self._reader.torn_file()) is not None:
                await self._in_thread(self._folder.set_aside, name)
            bucket = (self._now_ms() - _BUCKET_LATENESS_MS) // BUCKET_MS
            if self._queue.values > self._queue.max_values // 2:
                await self._commit(None)
            elif bucket != self._written_bucket:
                await self._commit(bucket * BUCKET_MS)
                self._written_bucket = bucket
            elif self._monotonic() >= rest_until:
                start = self._monotonic()
                await self._in_thread(self._roll_up)
                rest_until = start + (1 + _REST) * (self._monotonic() - start)

    async def _commit(self, before_ms: int | None) -> None:
        if self._queue.start_batch(before_ms):
            note = None
            if self._monotonic() >= self._marks_due and self._spool is not None:
                note = _MARKS, self._queue.marks(self._spool.pending())
                self._marks_due = self._monotonic() + _MARKS_S
            await self._in_thread(self._commit_batch, note)
            self._queue.written()

    def _report_left_out(self) -> None:
        left_out = self._queue.left_out
        if left_out.records > self._reported:
            self._reported = left_out.records
            text = (
                f"local history: {left_out.records} records with {left_out.values} values were left out since"
                f" the start, because the disk does not keep up; they are collected and delivered as always"
            )
            self._complaints.warn("left out", text, self._monotonic())

    async def _refill(self) -> None:
        """Take what the spool still holds from before, slowly, and only while there is much room."""
        await self._is_open.wait()
        await self._spool_is_open.wait()
        spool = self._spool
        if spool is None:
            return
        waiting = {
            stream: offsets.difference(self._queue.accepted.get(stream, IntervalSet()))
            for stream, offsets in spool.pending().items()
            if stream != spool.stream
        }
        for stream, offsets in waiting.items():
            while offsets:
                await asyncio.sleep(_REFILL_REST_S)
                if self._queue.values > self._queue.max_values // 4:
                    continue
                try:
                    records = spool.read(stream, offsets, _REFILL_BYTES)
                except UnreachableError:
                    continue
                for record in spool.corrected(records):
                    self.take_corrected(record)
                offsets.remove(0, records[-1].offset if records else offsets.last())

    # In the thread.

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _open(self) -> None:
        self._folder.open()
        for marks in islice(self._writer.notes(_MARKS), _NOTES):
            self._queue.restore(marks)

    def _commit_batch(self, note: tuple[str, str] | None) -> None:
        self._writer.commit(blocks_of(self._queue.batch), note)

    def _roll_up(self) -> None:
        """A slice of the work on roll-ups."""
        end = self._monotonic() + _SLICE_S
        while self._monotonic() < end:
            if next(self._work, _DONE) is _DONE:
                self._work = self._upkeep.run()
                return

    def _close(self) -> None:
        if not self._is_open.is_set():
            return
        try:
            if self._queue.start_batch(None):
                pending = self._spool.pending() if self._spool is not None else {}
                self._writer.commit(blocks_of(self._queue.batch), (_MARKS, self._queue.marks(pending)))
        except (*DISK_ERRORS, QiluError) as error:
            self._complain(error)
        finally:
            self._folder.close()
