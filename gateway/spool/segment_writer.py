"""The growing end of a spool: the segment that is written, and which of its bytes may not be safe yet."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from gateway.interfaces import StreamOrigin
from gateway.spool.filesystem import AppendFile, Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.recovery import segment_name
from gateway.spool.segment import Header, encode_header, encode_record
from gateway.spool.segment_reader import records_from


@dataclass(slots=True)
class _OpenSegment:
    segment: Segment
    file: AppendFile
    synced: int = 0
    """Bytes that are known to survive a power cut."""
    sync_failed: bool = False
    """An fsync failed: the system may have dropped the other bytes, and the next fsync will not report it."""


class Sync:
    """One grouped fsync: made on the loop, run in the thread, taken note of on the loop again."""

    def __init__(self, files: Files, goals: list[tuple[_OpenSegment, int]], names: int | None) -> None:
        self._files = files
        self._goals = goals
        self.names = names
        """How many names were made when this began; None when all of them are safe already."""
        self.done: list[tuple[_OpenSegment, int]] = []
        self.failed: _OpenSegment | None = None
        self.error: OSError | None = None

    @property
    def needed(self) -> bool:
        return bool(self._goals) or self.names is not None

    def run(self) -> None:
        """Return when everything is safe, or with the first `error`."""
        try:
            for open_segment, size in self._goals:
                self.failed = open_segment
                open_segment.file.sync()
                self.done.append((open_segment, size))
            self.failed = None
            if self.names is not None:
                self._files.sync_names()
        except OSError as error:
            self.error = error


class SegmentWriter:
    """Writes records of one stream to one segment after another."""

    def __init__(
        self,
        files: Files,
        kept: SegmentIndex,
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
        self._open_segments: list[_OpenSegment] = []
        self._names_created = 0
        self._names_safe = 0

    def start_segment(self) -> Segment:
        """Retire the active segment and begin the next one; OSError when the disk refuses."""
        self.roll()
        open_segment = self._create(self._stream, self._origin, self._next, [])
        self._kept.add(open_segment.segment)
        self._open_segments.append(open_segment)
        self.active, self.key, self._file = open_segment.segment, open_segment.segment.key, open_segment.file
        return open_segment.segment

    def switch_stream(self, stream: int, origin: StreamOrigin) -> None:
        """Retire the active segment; the next one begins another stream."""
        self.roll()
        self._stream, self._origin, self._next = stream, origin, 0

    def _create(self, stream: int, origin: StreamOrigin, first: int, bodies: list[bytes]) -> _OpenSegment:
        """A new file with these records; OSError when the disk refuses, then nothing of it is left."""
        now = self._now_ms()
        name = segment_name(self._opening, stream, first, self._suffix)
        segment = Segment(name, stream, first, first + len(bodies) - 1, 0, now, now, origin=origin)
        segment.started_s = segment.written_s = self._running_s()
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
        self._names_created += 1
        return _OpenSegment(segment, file)

    def write(self, data: bytes) -> None:
        """Append one encoded record to the active segment.

        OSError when the disk refuses: then nothing of it is kept, and the next record needs a new segment.
        """
        segment = self.active
        if segment is None:
            raise RuntimeError("no segment is open")
        try:
            written = self._file.append(data)
            if written < len(data):
                raise OSError(errno.ENOSPC, "no space left for a whole record")
        except OSError:
            self.roll()
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

    def roll(self) -> None:
        """The next record begins a new segment; this one stays open until it is safe."""
        if self.active is not None:
            self.active.newest_ms = self._now_ms()
            self.active.written_s = self._running_s()
            self._next = self.active.last + 1
            self.active = None

    def rewrite_unsynced(self) -> None:
        """Write what is in doubt once more, into a segment of its own; OSError when the disk refuses."""
        for open_segment in self._open_segments:
            if open_segment.sync_failed and not open_segment.segment.removed:
                self._rewrite_unsynced(open_segment)

    def _rewrite_unsynced(self, open_segment: _OpenSegment) -> None:
        old = open_segment.segment
        first, bodies = records_from(self._files, old, open_segment.synced)
        if bodies:
            if first == old.first:  # its name must differ; the later name counts
                self._opening += 1
            copy = self._create(old.stream, old.origin or self._origin, first, bodies)
            self._kept.replace_tail(old, copy.segment)
            self._open_segments.append(copy)
            if old.removed:
                self._remove(old.name)
        open_segment.sync_failed = False
        open_segment.synced = old.size

    def unsynced(self) -> Sync:
        """What must be synced for everything written so far to be safe."""
        goals = [
            (open_segment, open_segment.segment.size)
            for open_segment in self._open_segments
            if open_segment.synced < open_segment.segment.size and not open_segment.segment.removed
        ]  # fmt: skip
        names = self._names_created if self._names_created > self._names_safe else None
        return Sync(self._files, goals, names)

    def apply(self, sync: Sync) -> None:
        """Take note of a sync that was run, and close the segments that need no more of it."""
        for open_segment, size in sync.done:
            open_segment.synced = size
        if sync.failed is not None:
            sync.failed.sync_failed = True
            if sync.failed.segment is self.active:
                self.roll()
        if sync.error is None and sync.names is not None:
            self._names_safe = sync.names
        still_open = []
        for open_segment in self._open_segments:
            segment = open_segment.segment
            if segment is self.active or (open_segment.synced < segment.size and not segment.removed):
                still_open.append(open_segment)
            else:
                open_segment.file.close()
        self._open_segments = still_open

    def close(self) -> None:
        """Close every file, safe or not."""
        for open_segment in self._open_segments:
            open_segment.file.close()
        self._open_segments = []
        self.active = None
