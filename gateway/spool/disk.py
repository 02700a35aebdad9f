"""The spool on disk: append-only segment files in one directory, given up or unlinked whole.

- Appending is one write(2) at once: a killed process loses nothing. Committing is fsync in a thread, for all
  appended since the last time: a power cut loses no more than that.
- Each opening begins a stream of its own and only ever writes to that; what older streams left is drained.
- Truth about what is kept is in the segment files alone. `forgotten` spares re-sending after a restart.
- Nothing here needs disk space to open, to read, to forget or to give up.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from gateway.components import Dropped, Record
from gateway.spool.files import Files, OsFiles
from gateway.spool.forgotten import decode_forgotten, encode_forgotten
from gateway.spool.journal import Journal
from gateway.spool.kept import Kept, Segment
from gateway.spool.reading import fetch
from gateway.spool.recovery import recover
from gateway.spool.segment import HEAD_SIZE, HEADER_SIZE, encode_record
from gateway.spool.settings import SpoolSettings
from gateway.spool.writing import Sync, Writer
from qilu.contract.errors import DataError, UnreachableError
from qilu.contract.ranges import Ranges

logger = logging.getLogger(__name__)

FORGOTTEN = "forgotten"
_REMEMBER_EVERY = 5.0
"""Seconds between two writings of `forgotten`; a killed gateway sends again what became durable since."""
_TRY_AGAIN = 1.0
"""Seconds after which a disk that refused is tried again."""
_NOT_NOW = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOCK_IS_SET = 1_600_000_000_000
"""Ages are not believed where the clock still stood before September 2020 (ms)."""
_JOURNAL_OF_DROPS = 1_000_000


def random_stream() -> int:
    """A number that no other opening of any spool has."""
    return secrets.randbits(64)


class DiskSpool:
    """A Spool in one directory, which this process holds alone from entering to leaving.

    Entering raises ConfigError when the directory cannot be used. `files`, `clock` (s, UTC), `monotonic` (s)
    and `new_stream` are handed in by tests.
    """

    stream = 0

    def __init__(
        self,
        settings: SpoolSettings,
        *,
        files: Files | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_stream: Callable[[], int] = random_stream,
    ) -> None:
        self._settings = settings
        self._files: Files = OsFiles(settings.directory) if files is None else files
        self._clock = clock
        self._monotonic = monotonic
        self._new_stream = new_stream
        self._segment_size = settings.segment_size
        self._max_bytes = settings.max_bytes
        self._kept = Kept()
        self._dropped: list[Dropped] = []
        self._quarantine = Journal(self._files, "quarantine", settings.quarantine_bytes)
        self._drops = Journal(self._files, "dropped", _JOURNAL_OF_DROPS)
        self._committing = asyncio.Lock()
        self._refused = 0
        self._try_at = 0.0
        self._low = False
        self._forgot = False
        self._remember_at = 0.0

    # ------------------------------------------------------------------------------------------ lifecycle

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
            self._writer.retire()
            self._release(
                [segment for segment in self._kept.segments() if not self._kept.pending_of(segment)]
            )
            self._remember_at = 0.0
            await self.commit()
        except UnreachableError as lost:
            logger.error("%s: at closing, what was appended last may not survive a power cut", lost)
        finally:
            self._thread.shutdown()
            self._writer.close()
            self._files.close()

    def _open(self) -> None:
        self._files.open()
        begun = self._monotonic()
        found = recover(self._files)
        self._kept = found.kept
        while self.stream == 0 or self.stream in self._kept.pending:
            self.stream = self._new_stream()
        self._writer = Writer(self._files, self._kept, self.stream, found.opening + 1, self._now_ms)
        self._release(self._forget_again())
        for name in found.empty:
            self._unlink(name)
        for dropped in found.dropped:
            self._report(dropped)
        logger.info(
            "spool opened in %.3f s: stream %016x; %d records (%d bytes) of %d streams wait",
            *(self._monotonic() - begun, self.stream, sum(map(len, self._kept.pending.values()))),
            *(self._kept.size, len(self._kept.pending)),
        )

    def _forget_again(self) -> list[Segment]:
        try:
            size = self._files.stat(FORGOTTEN).size
            forgotten = decode_forgotten(self._files.read(FORGOTTEN, 0, size))
        except OSError:
            return []
        return [
            segment
            for stream, offsets in forgotten.items()
            for segment in self._kept.subtract(stream, offsets)
        ]  # fmt: skip

    # ------------------------------------------------------------------------------------- append, commit

    def append(self, body: bytes) -> Record | None:
        """Hand one record to the operating system; None when the policy is `block` or the disk refuses."""
        size = HEAD_SIZE + len(body)
        active = self._writer.active
        if (
            active is None
            or active.size + size > self._segment_size
            or self._kept.size + size > self._max_bytes
        ):  # fmt: skip
            active = self._make_room(size)
            if active is None:
                return None
        offset = active.last + 1
        data = encode_record(self._writer.key, offset - active.first, body)
        try:
            self._writer.write(data)
        except OSError as error:
            self._refuse(error)
            return None
        return Record(self.stream, offset, body)

    async def commit(self) -> None:
        """Return once everything appended so far survives a power cut, and keep to the bounds.

        UnreachableError when the disk refuses: the records are kept as they are, commit again later.
        """
        async with self._committing:
            sync = self._writer.unsynced()
            text = self._text_to_remember()
            if sync.needed or text is not None:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._sync, sync, text)
            self._writer.synced(sync)
            self._keep_bounds()
            if sync.error is not None:
                raise UnreachableError(f"spool: fsync: {sync.error}") from sync.error

    def _sync(self, sync: Sync, text: bytes | None) -> None:  # in the thread: changes nothing of ours
        sync.run()
        if text is not None:
            try:
                self._files.replace(FORGOTTEN, text)
            except OSError as error:
                logger.debug("spool: %s cannot be written: %s", FORGOTTEN, error)

    def _text_to_remember(self) -> bytes | None:
        now = self._monotonic()
        if not self._forgot or now < self._remember_at:
            return None
        self._forgot = False
        self._remember_at = now + _REMEMBER_EVERY
        return encode_forgotten(self._kept.forgotten())

    # ------------------------------------------------------------------------- pending, read, forget, drop

    def pending(self) -> Mapping[int, Ranges]:
        """Stream -> the offsets kept and not yet forgotten (none, perhaps), the oldest stream first."""
        return self._kept.pending

    def read(self, stream: int, wanted: Ranges, max_bytes: int) -> Sequence[Record]:
        """The records of `wanted`, rising, until `max_bytes` is reached, but at least one if any is there."""
        records: list[Record] = []
        pending = self._kept.pending.get(stream)
        if not pending:
            return records
        room = max_bytes
        for first, last in pending.common(wanted).runs():
            for segment in self._kept.holding(stream, first, last):
                begin, end = max(first, segment.first), min(last, segment.last)
                try:
                    fetched = fetch(self._files, segment, begin, end, room, at_least_one=not records)
                except OSError as error:
                    if error.errno in _NOT_NOW:
                        logger.warning("spool: cannot read now: %s", error)
                        return records
                    self._lose_segment(segment, error)
                    continue
                if fetched.damaged:
                    self._lose(segment, fetched.damaged)
                records += fetched.records
                room -= sum(len(record.body) for record in fetched.records)
                if fetched.full or room <= 0:
                    return records
        return records

    def forget(self, stream: int, durable: Ranges) -> None:
        """These need not be kept any longer: segments with nothing else in them are unlinked."""
        self._forgot = True
        self._release(self._kept.subtract(stream, durable))

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> None:
        """Set these aside in quarantine.jsonl with their reasons, and forget them."""
        longest = self._settings.quarantine_bytes // 8
        lines = []
        for offset in sorted(rejected):
            for record in self.read(stream, Ranges([(offset, offset)]), 0):
                body = record.body[:longest].decode("utf-8", "backslashreplace")
                line = {"time_ms": self._now_ms(), "stream": f"{stream:016x}", "offset": offset}
                lines.append(line | {"reason": rejected[offset], "body": body})
        self._quarantine.write(lines)
        self.forget(stream, Ranges.of(rejected))

    def dropped(self) -> Sequence[Dropped]:
        """What was given up since the last call; it is absent from `pending` already."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def _release(self, segments: Sequence[Segment]) -> None:
        """Unlink those that are not written any more; nothing in them is pending."""
        for segment in segments:
            if segment is not self._writer.active:
                self._kept.remove(segment)
                self._unlink(segment.name)

    def _unlink(self, name: str) -> None:
        try:
            self._files.unlink(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("spool: %s cannot be removed, what is in it is sent again one day: %s", name, error)

    def _lose(self, segment: Segment, damaged: Ranges) -> None:
        """Records that should be in `segment` are not there, or not whole."""
        lost = damaged.common(self._kept.pending[segment.stream])
        freed = self._kept.subtract(segment.stream, lost)
        self._report(Dropped(segment.stream, lost, "damaged", segment.oldest_ms, segment.newest_ms))
        self._release(freed)

    def _lose_segment(self, segment: Segment, error: OSError) -> None:
        """A whole file is gone, or cannot be read; in the second case the next opening tries it again."""
        logger.error("spool: %s: %s", segment.name, error)
        if segment is self._writer.active:
            self._writer.retire()
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        lost = self._kept.remove(segment)
        self._report(Dropped(segment.stream, lost, reason, segment.oldest_ms, segment.newest_ms))

    def _report(self, dropped: Dropped) -> None:
        logger.error(
            "spool: %d records given up (%s): %s of stream %016x",
            *(len(dropped.offsets), dropped.reason, dropped.offsets, dropped.stream),
        )
        times = {"from_ms": dropped.from_ms, "to_ms": dropped.to_ms, "reason": dropped.reason}
        self._drops.write([{"stream": f"{dropped.stream:016x}", "offsets": str(dropped.offsets)} | times])
        last = self._dropped[-1] if self._dropped else None
        if last is not None and (last.stream, last.reason) == (dropped.stream, dropped.reason):
            last.offsets.update(dropped.offsets)
            dropped = replace(
                last, to_ms=max(last.to_ms, dropped.to_ms), from_ms=min(last.from_ms, dropped.from_ms)
            )
            self._dropped.pop()
        self._dropped.append(dropped)

    # --------------------------------------------------------------------------------------------- bounds

    def _make_room(self, size: int) -> Segment | None:
        """A segment that takes a record of `size` bytes; None when the bounds or the disk do not allow it."""
        if HEADER_SIZE + size > self._max_bytes:
            raise DataError(
                f"a record of {size} bytes is longer than the whole spool may be ({self._max_bytes})"
            )
        if self._refused and self._monotonic() < self._try_at:
            return None
        if self._low and self._settings.policy == "block":
            return None
        while self._kept.size + HEADER_SIZE + size > self._max_bytes:
            if not self._free_oldest("max_bytes"):
                return None
        active = self._writer.active
        if active is not None and active.size + size <= self._segment_size:
            return active
        try:
            active = self._writer.begin()
        except OSError as error:
            self._refuse(error)
            return None
        if self._refused:
            logger.info("spool: the disk takes records again, after %d refusals", self._refused)
            self._refused = 0
        return active

    def _free_oldest(self, reason: str) -> bool:
        """Make the spool shorter by its oldest segment; False when the policy forbids it."""
        oldest = self._kept.oldest()
        if oldest is None:
            return False
        pending = self._kept.pending_of(oldest)
        if pending and self._settings.policy == "block" and reason != "max_age":
            return False
        if oldest is self._writer.active:
            self._writer.retire()
        self._kept.remove(oldest)
        self._unlink(oldest.name)
        if pending:
            self._report(Dropped(oldest.stream, pending, reason, oldest.oldest_ms, oldest.newest_ms))
        return True

    def _refuse(self, error: OSError) -> None:
        """The disk did not take a record: give up the oldest if that may help, and try again in a while."""
        if not self._refused:
            logger.error("spool: the disk refuses records, trying again each %g s: %s", _TRY_AGAIN, error)
        self._refused += 1
        self._try_at = self._monotonic() + _TRY_AGAIN
        if error.errno in _FULL and self._kept.several():
            self._free_oldest("disk_full")

    def _keep_bounds(self) -> None:
        """Give up what is too old, and the oldest while the file system has too little space left."""
        now = self._now_ms()
        max_age_ms = self._settings.max_age * 1000
        active = self._writer.active
        if active is not None and active.last >= active.first and now - active.oldest_ms > max_age_ms / 8:
            self._writer.retire()  # a slow stream must not keep its records in one segment for ever
        while (oldest := self._kept.oldest()) is not None and oldest is not self._writer.active:
            if not _CLOCK_IS_SET < oldest.newest_ms < now - max_age_ms:
                break
            self._free_oldest("max_age")
        try:
            free = self._files.free()
        except OSError as error:
            logger.warning("spool: free space is not known: %s", error)
            return
        self._low = free < self._settings.min_free
        if self._low and self._settings.policy == "block":
            self._writer.retire()  # so that the next append comes past `_low`
        while free < self._settings.min_free and (oldest := self._kept.oldest()) is not self._writer.active:
            if oldest is None or not self._free_oldest("min_free"):
                break
            free += oldest.size

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
