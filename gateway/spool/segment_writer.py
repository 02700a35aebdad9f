"""The growing end of a spool: the segment that is written, and which of its bytes may not be safe yet."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from gateway.interfaces import StreamOrigin
from gateway.spool.filesystem import AppendFile, Files
from gateway.spool.index import Kept, Segment
from gateway.spool.recovery import segment_name
from gateway.spool.segment import Header, encode_header, encode_record
from gateway.spool.segment_reader import records_from


@dataclass(slots=True)
class _Open:
    segment: Segment
    file: AppendFile
    synced: int = 0
    """Bytes that are known to survive a power cut."""
    doubtful: bool = False
    """An fsync failed: the system may have dropped the other bytes, and the next fsync will not say so."""


class Sync:
    """One grouped fsync: made on the loop, run in the thread, taken note of on the loop again."""

    def __init__(self, files: Files, goals: list[tuple[_Open, int]], names: int | None) -> None:
        self._files = files
        self._goals = goals
        self.names = names
        """How many names were made when this began; None when all of them are safe already."""
        self.done: list[tuple[_Open, int]] = []
        self.failed: _Open | None = None
        self.error: OSError | None = None

    @property
    def needed(self) -> bool:
        return bool(self._goals) or self.names is not None

    def run(self) -> None:
        """Return when everything is safe, or with the first `error`."""
        try:
            for one, size in self._goals:
                self.failed = one
                one.file.sync()
                self.done.append((one, size))
            self.failed = None
            if self.names is not None:
                self._files.sync_names()
        except OSError as error:
            self.error = error


class Writer:
    """Writes records of one stream to one segment after another."""

    def __init__(
        self,
        files: Files,
        kept: Kept,
        stream: int,
        origin: StreamOrigin,
        opening: int,
        suffix: str,
        now_ms: Callable[[], int],
        running_s: Callable[[], float],
    ) -> None:
        self.active: Segment | None = None
        """The segment that takes the next record; None when one must be begun first."""
        self.key = 0
        self._files = files
        self._kept = kept
        self._stream = stream
        self._origin = origin
        self._opening = opening
        self._suffix = suffix
        self._now_ms = now_ms
        self._running_s = running_s
        self._next = 0
        self._file: AppendFile
        self._open: list[_Open] = []
        self._names_made = 0
        self._names_safe = 0

    def begin(self) -> Segment:
        """Retire the active segment and begin the next one; OSError when the disk refuses."""
        self.retire()
        one = self._create(self._stream, self._origin, self._next, [])
        self._kept.add(one.segment)
        self._open.append(one)
        self.active, self.key, self._file = one.segment, one.segment.key, one.file
        return one.segment

    def turn_to(self, stream: int, origin: StreamOrigin) -> None:
        """Retire the active segment; the next one begins another stream."""
        self.retire()
        self._stream, self._origin, self._next = stream, origin, 0

    def _create(self, stream: int, origin: StreamOrigin, first: int, bodies: list[bytes]) -> _Open:
        """A new file with these records; OSError when the disk refuses, then nothing of it is left."""
        now = self._now_ms()
        name = segment_name(self._opening, stream, first, self._suffix)
        segment = Segment(name, stream, first, first + len(bodies) - 1, 0, now, now, origin=origin)
        segment.begun_s = segment.written_s = self._running_s()
        header = encode_header(Header(stream, first, now, origin))
        data = [encode_record(segment.key, number, body) for number, body in enumerate(bodies)]
        file = self._files.create(name)
        try:
            for piece in (header, *data):
                if file.append(piece) < len(piece):
                    raise OSError(errno.ENOSPC, "no space left for a new segment")
                segment.size += len(piece)
        except OSError:
            file.close()
            self._remove(name)
            raise
        self._names_made += 1
        return _Open(segment, file)

    def write(self, data: bytes) -> None:
        """Append one encoded record to the active segment.

        OSError when the disk refuses: then nothing of it is kept, and the next record needs a new segment.
        """
        segment = self.active
        if segment is None:
            raise RuntimeError("no segment was begun")
        try:
            written = self._file.append(data)
            if written < len(data):
                raise OSError(errno.ENOSPC, "no space left for a whole record")
        except OSError:
            self.retire()
            self._undo(segment)
            raise
        self._kept.grow(segment, written)

    def _undo(self, segment: Segment) -> None:
        """Take the begin of a record off the end again; where that fails its offset is never used."""
        if segment.last < segment.first:
            self._kept.remove(segment)
            self._remove(segment.name)
            return
        try:
            self._file.truncate(segment.size)
        except OSError:
            self._next += 1

    def _remove(self, name: str) -> None:
        """Unlink a segment without a record, so that another can take its name."""
        try:
            self._files.unlink(name)
        except OSError:
            self._next += 1

    def retire(self) -> None:
        """The next record begins a new segment; this one stays open until it is safe."""
        if self.active is not None:
            self.active.newest_ms = self._now_ms()
            self.active.written_s = self._running_s()
            self._next = self.active.last + 1
            self.active = None

    def rescue(self) -> None:
        """Write what is in doubt once more, into a segment of its own; OSError when the disk refuses."""
        for one in self._open:
            if one.doubtful and not one.segment.gone:
                self._rescue(one)

    def _rescue(self, one: _Open) -> None:
        old = one.segment
        first, bodies = records_from(self._files, old, one.synced)
        if bodies:
            if first == old.first:  # its name must differ; the later name counts
                self._opening += 1
            copy = self._create(old.stream, old.origin or self._origin, first, bodies)
            self._kept.hand_over(old, copy.segment)
            self._open.append(copy)
            if old.gone:
                self._remove(old.name)
        one.doubtful = False
        one.synced = old.size

    def unsynced(self) -> Sync:
        """What must be synced for everything written so far to be safe."""
        goals = [
            (one, one.segment.size)
            for one in self._open
            if one.synced < one.segment.size and not one.segment.gone
        ]  # fmt: skip
        names = self._names_made if self._names_made > self._names_safe else None
        return Sync(self._files, goals, names)

    def synced(self, sync: Sync) -> None:
        """Take note of a sync that was run, and close the segments that need no more of it."""
        for one, size in sync.done:
            one.synced = size
        if sync.failed is not None:
            sync.failed.doubtful = True
            if sync.failed.segment is self.active:
                self.retire()
        if sync.error is None and sync.names is not None:
            self._names_safe = sync.names
        still_open = []
        for one in self._open:
            segment = one.segment
            if segment is self.active or (one.synced < segment.size and not segment.gone):
                still_open.append(one)
            else:
                one.file.close()
        self._open = still_open

    def close(self) -> None:
        """Close every file, safe or not."""
        for one in self._open:
            one.file.close()
        self._open = []
        self.active = None
