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
from types import TracebackType
from typing import Self
from uuid import UUID

from gateway.interfaces import DropReport, Record, SpoolCounts, StreamOrigin
from gateway.spool.ages import Ages
from gateway.spool.checkpoint import FORGOTTEN, decode_forgotten, encode_forgotten
from gateway.spool.commit import Commits
from gateway.spool.consumer import SpoolConsumer
from gateway.spool.drop_log import DropLog
from gateway.spool.edges import ADOPTED, Edges, decode_adopted
from gateway.spool.epoch import read_epoch
from gateway.spool.filesystem import Files, OsFiles
from gateway.spool.index import SegmentIndex
from gateway.spool.quarantine import Quarantine
from gateway.spool.recovery import RecoveryResult, recover
from gateway.spool.retention import Retention
from gateway.spool.segment import HEAD_SIZE, REQUEUED, SEGMENT, encode_record
from gateway.spool.segment_writer import SegmentWriter
from gateway.spool.set_aside import unnoted
from gateway.spool.settings import SpoolSettings
from gateway.timekeeping.corrections import Corrections
from gateway.timekeeping.held_records import Authority, HeldRecords
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
    called when the directory was removed or replaced and is there again: files in it are new. `files`,
    `clock` (s, UTC), `monotonic` (s) and `new_stream` are handed in by tests.
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
    ) -> None:
        self._settings = settings
        self._origin = StreamOrigin(edge, boot)
        self.edges = Edges(edge, settings.directory, monotonic)
        self._time_authority = time_authority
        self._held_records: HeldRecords | None = None
        self._files: Files = OsFiles(settings.directory) if files is None else files
        self._clock = clock
        self._monotonic = monotonic
        self._new_stream = new_stream
        self._segment_size = settings.segment_size
        self._max_bytes = settings.max_bytes
        self._kept = SegmentIndex()  # nothing, until it is entered
        self._drop_log = DropLog(self._files, self._now_ms)
        self._committing = asyncio.Lock()
        self._complaints = LogThrottle(_log)
        self._unreported: Sequence[DropReport] = []
        self._requeued = 0
        self._on_recreated = on_recreated

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except BaseException:
            self._thread.shutdown()
            self._files.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.roll()
            self._quarantine.writer.roll()
            self._consumer.release_all()
            await self.commit()
            self._commits.save_next()  # what was set aside can be remembered only now
            await self.commit()
        except UnreachableError as lost:
            _log.error("at closing: %s: the last records may not survive a power cut", lost)
        finally:
            self._thread.shutdown()
            self._writer.close()
            self._quarantine.writer.close()
            self._files.close()

    def _open(self) -> None:
        self._files.open()
        self.epoch = read_epoch(self._files)
        started_at = self._monotonic()
        self._unreported = self._drop_log.unreported()
        recovered = recover(self._files)
        self._kept = kept = recovered.kept
        self.stream = self._unused_stream(recovered)
        self._build(recovered, keeps_acked=self._settings.acked_retention > 0)
        synced = self._sync_recovered()
        forgotten = self._read_forgotten()
        for segment, lost in recovered.damaged:
            if segment.quarantined:
                self._quarantine.lost(segment, lost, "damaged")
            else:
                lost = lost.difference(forgotten.get(segment.stream, IntervalSet()))
                self._drop_log.add(segment, lost, "damaged")
        for stream, offsets in forgotten.items():
            self._consumer.forget(stream, offsets)
        for name in recovered.empty:
            self._consumer.unlink(name)
        if synced:
            self._forget_set_aside(recovered)
        self.edges.opened(decode_adopted(self._content(ADOPTED)), kept)
        self._requeued = sum(
            len(kept.pending_of(segment)) for segment in kept.segments() if segment.name.endswith(REQUEUED)
        )
        _log.info(
            "spool opened in %.3f s: stream %016x; %d records (%d bytes) of %d streams wait",
            *(self._monotonic() - started_at, self.stream, sum(map(len, kept.pending.values()))),
            *(kept.size, len(kept.pending)),
        )

    def _build(self, recovered: RecoveryResult, *, keeps_acked: bool) -> None:
        files, opening, now_ms = self._files, recovered.opening + 1, self._now_ms
        self._ages = ages = Ages(files, self._monotonic)
        ages.restore([*recovered.kept.segments(), *recovered.quarantined.segments()])
        writer = SegmentWriter(
            *(files, recovered.kept, self.stream, self._origin, opening, SEGMENT),
            *(now_ms, ages.running_s),
        )
        self._writer = writer
        self._consumer = SpoolConsumer(
            files, recovered.kept, writer, self._drop_log.add, keeps_acked=keeps_acked
        )
        self._quarantine = Quarantine(
            *(self._settings, files, recovered.quarantined, self._drop_log, opening),
            *(now_ms, lambda: self._unused_stream(recovered), self._room, ages.running_s),
        )
        self._retention = Retention(
            *(self._settings, files, recovered.kept, writer, self._consumer, self._quarantine),
            *(ages, self._monotonic),
        )
        self._commits = Commits(
            *(files, recovered.kept, writer, self._consumer, self._quarantine),
            *(ages, self._thread, self._monotonic),
        )
        if self._time_authority is not None:
            corrections = Corrections(files, recovered.kept.pending.keys())
            self._held_records = HeldRecords(
                corrections, self._time_authority, self._of_this_boot, self._monotonic
            )

    def _unused_stream(self, recovered: RecoveryResult) -> int:
        used = {0, self.stream, *recovered.kept.pending, *recovered.quarantined.pending}
        return next(stream for stream in iter(self._new_stream, None) if stream not in used)

    def _room(self) -> int:
        return self._retention.room()

    def _forget_set_aside(self, recovered: RecoveryResult) -> None:
        """Forget what a killed process had set aside within its last seconds, and note that at once."""
        set_aside = unnoted(self._files, recovered.quarantined, recovered.opening, recovered.kept.pending)
        for stream, offsets in set_aside.items():
            self._consumer.forget(stream, offsets)
        if set_aside:
            try:
                self._files.replace(FORGOTTEN, encode_forgotten(self._kept.forgotten()))
            except OSError as error:
                _log.warning("spool: %s cannot be written now: %s", FORGOTTEN, error)

    def _sync_recovered(self) -> bool:
        """Sync what a killed process wrote and did not commit: a power cut may follow."""
        try:
            for segment in (*self._kept.segments(), *self._quarantine.kept.segments()):
                self._files.sync(segment.name)
            self._files.sync_names()
        except OSError as error:
            _log.error("spool: what was found may not survive a power cut: %s", error)
            return False
        return True

    def _read_forgotten(self) -> dict[int, IntervalSet]:
        return decode_forgotten(self._content(FORGOTTEN))

    def _content(self, name: str) -> bytes:
        try:
            return self._files.read(name, 0, self._files.stat(name).size)
        except OSError:
            return b""

    def append(self, body: bytes) -> Record | None:
        """Hand one record to the operating system; None when the policy is `block` or the disk refuses.

        DataError when it is longer than the whole spool may be.
        """
        size = HEAD_SIZE + len(body)
        writer = self._writer
        active = writer.active
        if (
            active is None
            or active.size + size > self._segment_size
            or self.size + size > self._max_bytes
        ):  # fmt: skip
            active = self._retention.make_room(size)
            if active is None:
                return None
        offset = active.last + 1
        try:
            writer.write(encode_record(writer.key, offset - active.first, body))
        except OSError as error:
            self._retention.on_write_error(error)
            return None
        record = Record(self.stream, offset, body)
        if self._held_records is not None and is_provisional(body):
            self._held_records.hold(record)
        return record

    async def commit(self) -> None:
        """Return once everything appended so far survives a power cut, and keep to the bounds.

        UnreachableError when the disk refuses: the records are kept as they are, commit again later.
        """
        async with self._committing:
            self._keep_directory()
            error = await self._commits.once() and await self._commits.once()
            self._consumer.check_active()
            self._quarantine.check_active()
            self._retention.enforce()
            if error:
                raise UnreachableError(f"spool: fsync: {error}") from error

    def _keep_directory(self) -> None:
        """Make the directory again when somebody removed or replaced it; while it cannot be, take nothing."""
        if self._files.present():
            self._retention.usable(True)
            return
        try:
            self._files.open_again()
        except (ConfigError, UnreachableError) as error:
            self._retention.usable(False)
            text = f"spool: its directory was removed or replaced, and no record is taken: {error}"
            self._complaints.warn("directory", text, self._monotonic())
            return
        _log.error(
            "spool: its directory %s was removed or replaced; it is made again, and what was in it is lost",
            self._settings.directory,
        )
        names = frozenset(self._files.names())
        self._consumer.check_present(names)
        self._quarantine.check_present(names)
        self._retention.usable(True)
        for recreated in self._on_recreated:
            recreated()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._kept.size + self._quarantine.kept.size

    def origin(self, stream: int) -> StreamOrigin:
        """Under which edge and boot a stream was written; an unknown one where its headers are damaged."""
        return self._origin if stream == self.stream else self._kept.origins.get(stream, StreamOrigin())

    def _of_this_boot(self, stream: int) -> bool:
        boot = self._origin.boot
        return stream == self.stream or (boot != UNKNOWN_BOOT and self.origin(stream).boot == boot)

    def pending(self) -> Mapping[int, IntervalSet]:
        """Stream -> the offsets to be sent (none, perhaps), the oldest stream first."""
        if not self.edges.has_foreign:
            return self._kept.pending
        return {s: offsets for s, offsets in self._kept.pending.items() if not self.edges.held(s)}

    def counts(self) -> SpoolCounts:
        """How many records are kept and not to be sent."""
        stuck = sum(map(len, self._kept.stuck.values()))
        return SpoolCounts(
            held=self.edges.held_of(self._kept).total(),
            quarantined=self._quarantine.records + stuck,
            quarantine_dropped=self._quarantine.dropped,
        )

    def read(self, stream: int, wanted: IntervalSet, max_bytes: int) -> Sequence[Record]:
        """The records of `wanted`, rising, until `max_bytes` is reached, but at least one if any is there.

        UnreachableError when the process has no file or memory left for it.
        """
        return self._consumer.read(stream, wanted, max_bytes)

    def corrected(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records as they are sent, without those that must wait until the clock is known."""
        return records if self._held_records is None else self._held_records.corrected(records)

    def sendable(self) -> Mapping[int, IntervalSet]:
        """What of `pending` may be sent: what was made while the clock was in doubt may have to wait."""
        return (
            self.pending() if self._held_records is None else self._held_records.without_held(self.pending())
        )

    def clock_stepped(self) -> None:
        """The wall clock was set: nothing is given up for its age within an hour."""
        self._ages.stepped()

    def forget(self, stream: int, durable: IntervalSet) -> None:
        """These need not be kept any longer: segments with nothing else in them are unlinked."""
        self._commits.checkpoint_dirty = True
        self._consumer.forget(stream, durable)

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> IntervalSet:
        """Set these aside with their reasons, and forget them once that survives a power cut."""
        origin, wanted, set_aside = self.origin(stream), IntervalSet.of(rejected), IntervalSet()
        while records := self.read(stream, wanted, _READ_BYTES):
            for record in self.corrected(records):
                copied = self._set_aside(record, origin, rejected[record.offset])
                self._kept.set_aside(stream, IntervalSet.of((record.offset,)), copied=copied)
                if copied:
                    set_aside.add(record.offset)
            wanted.remove(0, records[-1].offset)
        return set_aside

    def _set_aside(self, record: Record, origin: StreamOrigin, reason: str) -> bool:
        try:
            self._quarantine.add(record, origin, reason)
        except OSError as error:
            text = f"spool: rejected records cannot be set aside, so a later start sends them again: {error}"
            self._complaints.warn("quarantine", text, self._monotonic())
            return False
        return True

    def dropped(self) -> Sequence[DropReport]:
        """What was given up since the last call; it is absent from `pending` already."""
        return self._drop_log.drain()

    def mark_drops_reported(self) -> None:
        """All drops so far are reported: `unreported_drops` has none of them after the next opening."""
        self._drop_log.mark_reported()

    def unreported_drops(self) -> Sequence[DropReport]:
        """What runs before this one dropped and did not mark as reported."""
        return self._unreported

    def requeued(self) -> int:
        """How many records were in quarantine before and are pending again since it was opened."""
        return self._requeued

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
