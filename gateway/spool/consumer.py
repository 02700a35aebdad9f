"""The shrinking end of a spool: reading what is kept, forgetting it, giving it up, and finding it damaged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from gateway.interfaces import Record
from gateway.record_content import NOTHING, Content, content_of
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.segment_reader import fetch
from gateway.spool.segment_writer import SegmentWriter
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.runtime.log_throttle import LogThrottle

LossListener = Callable[[Segment, IntervalSet, str, Content], None]
_log = logging.getLogger(__name__)

_NOT_NOW = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@dataclass(eq=False)
class SpoolConsumer:
    """The records of all streams, for as long as they are pending."""

    files: Files
    kept: SegmentIndex
    writer: SegmentWriter
    lost: LossListener
    """Is called with each segment of which offsets are lost, and why."""
    monotonic: Callable[[], float]
    keeps_acked: bool = False
    """Whether what has nothing pending stays until `release_acked` or `drop_segment`."""
    _complaints: LogThrottle = field(default_factory=lambda: LogThrottle(_log), init=False)

    def read(self, stream: int, wanted: IntervalSet, max_bytes: int) -> list[Record]:
        """As Spool.read promises; UnreachableError when the process has no file or memory left for it."""
        records: list[Record] = []
        pending = self.kept.pending.get(stream)
        if not pending:
            return records
        room = max_bytes
        for first, last in pending.intersection(wanted).runs():
            for segment in self.kept.overlapping(stream, first, last):
                start, end = max(first, segment.first), min(last, segment.last)
                try:
                    fetched = fetch(self.files, segment, start, end, room, always_first=not records)
                except OSError as error:
                    self._cannot_read(segment, error)
                    continue
                if fetched.damaged:
                    self._mark_damaged(segment, fetched.damaged)
                records += fetched.records
                room -= sum(len(record.body) for record in fetched.records)
                if fetched.truncated or room <= 0:
                    return records
        return records

    def forget(self, stream: int, offsets: IntervalSet) -> None:
        """These are no longer pending; segments with nothing else in them are done with."""
        self.release(self.kept.subtract(stream, offsets))

    def release_all(self) -> None:
        """Every segment with nothing pending is done with, but the one that is being written."""
        self.release([segment for segment in self.kept.segments() if not self.kept.needs(segment)])

    def release_acked(self, before_s: float) -> None:
        """Unlink what has nothing pending and was last written before this time (s, of running)."""
        done = []
        for segment in self.kept.segments():
            if segment.written_s >= before_s:
                break
            if segment is not self.writer.active and not self.kept.needs(segment):
                done.append(segment)
        for segment in done:
            self.drop_segment(segment, "acked")

    def oldest_acked(self) -> Segment | None:
        """The oldest segment that is only kept for `acked_retention`."""
        if not self.keeps_acked:
            return None
        active = self.writer.active
        for segment in self.kept.segments():
            if segment is not active and not self.kept.needs(segment):
                return segment
        return None

    def drop_segment(self, segment: Segment, reason: str) -> None:
        """Unlink a segment whatever is pending in it, but look first whose values that is."""
        if segment is self.writer.active:
            self.writer.roll()
        content = self._content(segment)
        lost = self.kept.remove(segment)
        self.unlink(segment.name)
        self.lost(segment, lost, reason, content)

    def _content(self, segment: Segment) -> Content:
        """What is in the pending records of a segment, as far as the disk gives them."""
        pending = self.kept.pending_of(segment)
        if not pending:
            return NOTHING
        span = pending.first(), pending.last()
        try:
            fetched = fetch(self.files, segment, *span, segment.size, always_first=True)
        except OSError as error:
            _log.warning("spool: %s cannot be read, its records are dropped unread: %s", segment.name, error)
            return NOTHING
        return content_of(record.body for record in fetched.records if record.offset in pending)

    def unlink(self, name: str) -> None:
        """Remove a file of the spool, or log that it cannot be removed."""
        try:
            self.files.unlink(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            text = "spool: %s cannot be removed, max_bytes does not count it, a restart sends it again: %s"
            _log.error(text, name, error)

    def check_present(self, names: Collection[str]) -> None:
        """Count as missing what is in segments whose file is not among these names."""
        for segment in list(self.kept.segments()):
            if segment.name not in names:
                if segment is self.writer.active:
                    self.writer.roll()
                self.lost(segment, self.kept.remove(segment), "missing", NOTHING)

    def check_active(self) -> None:
        """Begin another segment when somebody removed the file that is being written."""
        active = self.writer.active
        if active is not None:
            try:
                self.files.stat(active.name)
            except FileNotFoundError as error:
                self._cannot_read(active, error)
            except OSError as error:
                text = f"spool: no access to {active.name}, the segment in use: {error}; check the disk"
                self._complaints.warn("active", text, self.monotonic())

    def release(self, segments: list[Segment]) -> None:
        """These segments are not needed; `acked_retention` may keep them for a while."""
        for segment in segments:
            empty = segment.last < segment.first
            if segment is not self.writer.active and (empty or not self.keeps_acked):
                self.kept.remove(segment)
                self.unlink(segment.name)

    def _mark_damaged(self, segment: Segment, damaged: IntervalSet) -> None:
        """Records that should be in `segment` are not there, or not whole."""
        lost = damaged.intersection(self.kept.pending[segment.stream])
        freed = self.kept.subtract(segment.stream, lost)
        self.lost(segment, lost, "damaged", NOTHING)
        self.release(freed)

    def _cannot_read(self, segment: Segment, error: OSError) -> None:
        """A whole file is gone, or the disk refuses it: then the next opening tries it again."""
        if error.errno in _NOT_NOW:
            raise UnreachableError(f"spool: cannot read now: {error}") from error
        _log.error(
            "spool: %s cannot be read, its records count as dropped; the next start tries it again: %s",
            segment.name,
            error,
        )
        if segment is self.writer.active:
            self.writer.roll()
        lost = self.kept.remove(segment)
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        self.lost(segment, lost, reason, NOTHING)
