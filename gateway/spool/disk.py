"""The spool on disk: append-only segment files in one directory, given up or unlinked whole.

- Appending is one write(2) at once: a killed process loses nothing. Committing is fsync in a thread, for all
  appended since the last time: a power cut loses no more than that.
- Each opening begins a stream of its own and only ever writes to that; what older streams left is drained.
- Truth about what is kept is in the segment files alone. `forgotten` spares re-sending after a restart.
- Nothing here needs disk space to open, to read, to forget or to give up.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self
from uuid import UUID

from gateway.interfaces import Blockage, DropReport, Record, SpoolCounts, StreamOrigin
from gateway.spool.drop_log import DropLog
from gateway.spool.edges import Edges
from gateway.spool.filesystem import Files, OsFiles
from gateway.spool.opened_spool import OpenedSpool, SpoolSetup, open_spool
from gateway.spool.requeue import requeue_running
from gateway.spool.segment import HEAD_SIZE, encode_record
from gateway.spool.settings import SpoolSettings
from gateway.spool.thread_probe import ThreadProbe
from gateway.timekeeping.held_records import Authority
from gateway.timekeeping.provisional import is_provisional
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.runtime.boot import UNKNOWN_BOOT
from qilu.runtime.log_throttle import LogThrottle

_log = logging.getLogger(__name__)

_READ_BYTES = 64 * 1024
"""Bytes of rejected records that are read at once."""


def random_stream() -> int:
    """A number that no other opening of any spool has."""
    return secrets.randbits(64)


class DiskSpool:
    """A Spool in one directory, which this process holds alone from entering to leaving.

    Entering raises ConfigError when the directory cannot be used. `edge` (its present name) and `boot` (the
    present one of the operating system) are the origin of the stream of this opening. `time_authority`
    corrects records of a time in doubt; without one they are read as they were written. `on_recreated` is
    called when the directory was removed or replaced and is there again: files in it are new. `on_corrected`
    is called with each record of a time in doubt when it is read, corrected. `files`, `clock` (s, UTC),
    `monotonic` (s) and `new_stream` are handed in by tests.
    """

    stream = 0
    epoch = 0

    def __init__(
        self,
        settings: SpoolSettings,
        edge: str,
        *,
        boot: UUID = UNKNOWN_BOOT,
        time_authority: Authority | None = None,
        files: Files | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_stream: Callable[[], int] = random_stream,
        on_recreated: Sequence[Callable[[], None]] = (),
        on_corrected: Sequence[Callable[[Record], None]] = (),
    ) -> None:
        origin, now_ms = StreamOrigin(edge, boot), lambda: int(clock() * 1000)
        self.edges = Edges(edge, settings.directory, monotonic)
        self._files: Files = OsFiles(settings.directory) if files is None else files
        self._drop_log = DropLog(self._files, now_ms)
        self._setup = SpoolSetup(
            *(settings, origin, self.edges, self._files, self._drop_log, time_authority),
            *(now_ms, monotonic, new_stream, on_corrected),
        )
        self._spool: OpenedSpool | None = None
        self._segment_size = settings.segment_size
        self._max_bytes = settings.max_bytes
        self._committing = asyncio.Lock()
        self._complaints = LogThrottle(_log)
        self._on_recreated = on_recreated
        self._clock_was_set = False
        self._probe: ThreadProbe | None = None

    async def __aenter__(self) -> Self:
        thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        try:
            loop = asyncio.get_running_loop()
            spool = await loop.run_in_executor(thread, open_spool, self._setup, thread)
        except BaseException:
            thread.shutdown()
            self._files.close()
            raise
        self._spool, self.stream, self.epoch = spool, spool.stream, spool.epoch
        self._probe = ThreadProbe(thread, self._setup.monotonic)
        if self._clock_was_set:
            spool.ages.stepped()
        return self

    async def __aexit__(self, *_: object) -> None:
        spool, self._probe = self._opened, None
        try:
            spool.writer.roll()
            spool.quarantine.writer.roll()
            spool.consumer.release_all()
            await self.commit()
            spool.commits.save_next()  # what was set aside can be remembered only now
            await self.commit()
        except UnreachableError as lost:
            _log.error("spool: the last commit failed, a power cut may lose the newest records: %s", lost)
        finally:
            spool.thread.shutdown()
            spool.writer.close()
            spool.quarantine.writer.close()
            self._files.close()

    @property
    def _opened(self) -> OpenedSpool:
        if self._spool is None:
            raise RuntimeError("a spool is used inside its `async with`")
        return self._spool

    def append(self, body: bytes) -> Record | None:
        """Hand one record to the operating system; None when the policy is `block` or the disk refuses.

        DataError when it is longer than the whole spool may be.
        """
        size = HEAD_SIZE + len(body)
        spool = self._opened
        writer = spool.writer
        active = writer.active
        if (
            active is None
            or active.size + size > self._segment_size
            or self.size + size > self._max_bytes
        ):  # fmt: skip
            active = spool.retention.make_room(size)
            if active is None:
                return None
        offset = active.last + 1
        try:
            writer.write(encode_record(writer.key, offset - active.first, body))
        except OSError as error:
            spool.retention.on_write_error(error)
            return None
        record = Record(self.stream, offset, body)
        if spool.held_records is not None and is_provisional(body):
            spool.held_records.hold(record)
        return record

    async def commit(self) -> None:
        async with self._committing:
            spool = self._opened
            self._keep_directory(spool)
            error = await spool.commits.once() and await spool.commits.once()
            spool.consumer.check_active()
            spool.quarantine.check_active()
            spool.retention.enforce()
            if error:
                raise UnreachableError(f"spool: fsync: {error}") from error

    def _keep_directory(self, spool: OpenedSpool) -> None:
        """Make the directory again when somebody removed or replaced it; while it cannot be, take nothing."""
        if self._files.present():
            spool.retention.usable(True)
            return
        try:
            self._files.open_again()
        except (ConfigError, UnreachableError) as error:
            spool.retention.usable(False)
            text = f"spool: the directory was removed or replaced, no record is accepted: {error}"
            self._complaints.warn("directory", text, self._setup.monotonic())
            return
        _log.error(
            "spool: directory %s was removed or replaced, its records are lost; a new directory is in use",
            self._setup.settings.directory,
        )
        names = frozenset(self._files.names())
        spool.consumer.check_present(names)
        spool.quarantine.check_present(names)
        spool.retention.usable(True)
        for recreated in self._on_recreated:
            recreated()

    def problem(self) -> str | None:
        """Why the open spool does not work: its disk does not reply. None while it does, and outside."""
        return None if self._probe is None else self._probe.problem()

    @property
    def is_open(self) -> bool:
        """Whether it was entered: before that nothing is known of what it keeps."""
        return self._spool is not None

    @property
    def size(self) -> int:
        return self._opened.kept.size + self._opened.quarantine.kept.size

    @property
    def room_bytes(self) -> int:
        """Bytes until the bound of its size or of the free disk is reached; 0: the disk cannot be read."""
        return self._opened.retention.room_before_bound()

    @property
    def free_bytes(self) -> int:
        """Bytes free on its file system; 0: the disk cannot be read."""
        return self._opened.retention.free()

    @property
    def blockage(self) -> Blockage | None:
        """Why it takes no records just now, as far as the directory and the disk are the reason."""
        return self._opened.retention.blockage

    def origin(self, stream: int) -> StreamOrigin:
        if stream == self.stream:
            return self._setup.origin
        return self._opened.kept.origins.get(stream, StreamOrigin())

    def pending(self) -> Mapping[int, IntervalSet]:
        pending = self._opened.kept.pending
        if not self.edges.has_foreign:
            return pending
        return {stream: offsets for stream, offsets in pending.items() if not self.edges.held(stream)}

    def counts(self) -> SpoolCounts:
        kept, quarantine = self._opened.kept, self._opened.quarantine
        return SpoolCounts(
            held=self.edges.held_of(kept).total(),
            quarantined=quarantine.records + sum(map(len, kept.stuck.values())),
            quarantine_dropped=quarantine.dropped,
        )

    def read(self, stream: int, wanted: IntervalSet, max_bytes: int) -> Sequence[Record]:
        return self._opened.consumer.read(stream, wanted, max_bytes)

    def corrected(self, records: Sequence[Record]) -> Sequence[Record]:
        held_records = self._opened.held_records
        return records if held_records is None else held_records.corrected(records)

    def sendable(self) -> Mapping[int, IntervalSet]:
        held_records = self._opened.held_records
        return self.pending() if held_records is None else held_records.without_held(self.pending())

    def clock_stepped(self) -> None:
        """The wall clock was set: nothing is given up for its age within an hour."""
        self._clock_was_set = True
        if self._spool is not None:
            self._spool.ages.stepped()

    def forget(self, stream: int, durable: IntervalSet) -> None:
        """These need not be kept any longer: segments with nothing else in them are unlinked."""
        self._opened.commits.checkpoint_dirty = True
        self._opened.consumer.forget(stream, durable)

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> IntervalSet:
        """Set these aside with their reasons, and forget them once that survives a power cut."""
        origin, wanted, set_aside = self.origin(stream), IntervalSet.of(rejected), IntervalSet()
        while records := self.read(stream, wanted, _READ_BYTES):
            for record in self.corrected(records):
                copied = self._set_aside(record, origin, rejected[record.offset])
                self._opened.kept.set_aside(stream, IntervalSet.of((record.offset,)), copied=copied)
                if copied:
                    set_aside.add(record.offset)
            wanted.remove(0, records[-1].offset)
        if unnoted := self._opened.quarantine.give_up_refused(stream):
            self._opened.kept.keep_stuck(stream, unnoted)
            self._warn_of_stuck("the disk takes no note of them")
        return set_aside.difference(unnoted)

    async def requeue(self) -> int:
        """Make what is set aside pending again; returns how many records that is.

        UnreachableError when the disk refuses: the rest stays set aside. What could not be copied waits for
        the next opening.
        """
        spool = self._opened
        ready = spool.quarantine.finish()
        await self.commit()
        spool.commits.save_next()  # a kill must not bring the originals back: the copies are no longer there
        await self.commit()
        try:
            return requeue_running(self._files, spool.kept, spool.quarantine.kept, ready)
        except OSError as error:
            raise UnreachableError(f"spool: rename: {error}") from error
        finally:
            self.edges.arrived(spool.kept)
            spool.consumer.release_all()

    def _set_aside(self, record: Record, origin: StreamOrigin, reason: str) -> bool:
        try:
            self._opened.quarantine.add(record, origin, reason)
        except OSError as error:
            self._warn_of_stuck(error)
            return False
        return True

    def _warn_of_stuck(self, why: object) -> None:
        text = f"spool: rejected records cannot be set aside, so a later start sends them again: {why}"
        self._complaints.warn("quarantine", text, self._setup.monotonic())

    def dropped(self) -> Sequence[DropReport]:
        return self._drop_log.drain()

    def mark_drops_reported(self) -> None:
        self._drop_log.mark_reported()

    def unreported_drops(self) -> Sequence[DropReport]:
        return self._opened.unreported

    def requeued(self) -> int:
        return self._opened.requeued
