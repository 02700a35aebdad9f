"""Records that a store rejected: in segment files of their own, under the bounds of the spool.

Each is kept as it was sent, behind a line with the reason, the time and the name that it had:

    {"stream": "9f3c...", "offset": 7, "time_ms": 1764000000000, "reason": "bad_value: ..."} LF body

They are the first to give way where the spool needs room. `qilu spool requeue` renames the files: then their
records are sent again, as those of a stream of the edge that made them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from gateway.interfaces import Record, StreamOrigin
from gateway.record_content import NOTHING, Content
from gateway.spool.consumer import SpoolConsumer
from gateway.spool.drop_log import DropLog
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.recovery import opening_prefix
from gateway.spool.segment import HEAD_SIZE, HEADER_SIZE, QUARANTINE, encode_record
from gateway.spool.segment_writer import SegmentWriter
from gateway.spool.set_aside import names_in
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet

_MAX_REASON = 1000
"""Characters of a reason that are kept."""


class Quarantine:
    """What was set aside. `room` gives the bytes that the bounds of the spool still have."""

    def __init__(
        self,
        settings: SpoolSettings,
        files: Files,
        kept: SegmentIndex,
        losses: DropLog,
        opening: int,
        epoch: int,
        now_ms: Callable[[], int],
        new_stream: Callable[[], int],
        room: Callable[[], int],
        running_s: Callable[[], float],
    ) -> None:
        self.kept = kept
        self.dropped = 0
        """Records given up since the start."""
        self._segment_size = settings.segment_size
        self._losses = losses
        self._files = files
        self._opening = opening
        self._epoch = epoch
        self._refused = IntervalSet()
        self._now_ms = now_ms
        self._new_stream = new_stream
        self._room = room
        self._origin: StreamOrigin | None = None
        self.writer = SegmentWriter(files, kept, 0, StreamOrigin(), opening, QUARANTINE, now_ms, running_s)
        self._backlog = SpoolConsumer(files, kept, self.writer, self.lost, running_s)

    @property
    def records(self) -> int:
        return sum(map(len, self.kept.pending.values()))

    def add(self, record: Record, origin: StreamOrigin, reason: str) -> None:
        """Set one record aside; where the bounds leave no room, the oldest are given up, then this one by
        `give_up_refused`.

        OSError when the disk refuses: then it is not set aside.
        """
        line = {"stream": f"{record.stream:016x}", "offset": record.offset, "time_ms": self._now_ms()}
        text = json.dumps(line | {"reason": reason[:_MAX_REASON]}, ensure_ascii=False)
        body = text.encode("utf-8", "backslashreplace") + b"\n" + record.body
        size = HEAD_SIZE + len(body)
        while self._room() < size + HEADER_SIZE:
            if not self.give_up_oldest("max_bytes"):
                self._refused.add(record.offset)
                return
        active = self._active(origin, size)
        self.writer.write(encode_record(self.writer.key, active.last + 1 - active.first, body))

    def _active(self, origin: StreamOrigin, size: int) -> Segment:
        """A segment of this origin that takes `size` bytes."""
        if origin != self._origin:
            self.writer.switch_stream(self._new_stream(), origin)
            self._origin = origin
        active = self.writer.active
        if active is not None and active.size + size <= self._segment_size:
            return active
        return self.writer.start_segment()

    def finish(self) -> list[Segment]:
        """All segments so far, of which none grows any more: what follows begins another stream."""
        self.writer.roll()
        self._origin = None
        return list(self.kept.segments())

    def give_up_refused(self, stream: int) -> IntervalSet:
        """Give up those of this stream for which there was no room, noted, so that a killed gateway does not
        send them again; returns those of which the disk took no note: they are not given up."""
        refused, self._refused = self._refused, IntervalSet()
        unnoted = self._losses.note_set_aside(stream, refused, self._epoch)
        if dropped := refused.difference(unnoted):
            self.dropped += len(dropped)
            now_ms = self._now_ms()
            place = Segment("", stream, dropped.first(), dropped.last(), 0, now_ms, now_ms)
            self._losses.quarantined(place, dropped, "max_bytes")
        return unnoted

    def give_up_oldest(self, reason: str) -> int:
        """Unlink the oldest segment; returns its bytes, 0 when there is none."""
        oldest = self.kept.oldest()
        if oldest is None:
            return 0
        size = oldest.size
        self._drop(oldest, reason)
        return size

    def _drop(self, segment: Segment, reason: str) -> None:
        """Unlink a segment. What this run set aside the checkpoint may not name yet: that is noted before,
        or, where a full disk does not take the note, with the room that this makes."""
        of_this_opening = segment.name.startswith(opening_prefix(self._opening))
        names = names_in(self._files, segment) if of_this_opening else {}
        unnoted = {of: self._losses.note_set_aside(of, names[of], self._epoch) for of in names}
        self._backlog.drop_segment(segment, reason)
        for stream, offsets in unnoted.items():
            self._losses.note_set_aside(stream, offsets, self._epoch)

    def keep_age(self, too_old_s: float, retire_before_s: float) -> None:
        """Give up what was last written, and retire a segment that was begun, before a time of running."""
        active = self.writer.active
        if active is not None and active.started_s < retire_before_s:
            self.writer.roll()
        for segment in list(self.kept.segments()):
            if segment is not self.writer.active and segment.written_s < too_old_s:
                self._drop(segment, "max_age")

    def check_present(self, names: Collection[str]) -> None:
        """Count as missing what is in segments whose file is not among these names."""
        self._backlog.check_present(names)

    def check_active(self) -> None:
        """Begin another segment when somebody removed the file that is being written."""
        self._backlog.check_active()

    def lost(self, segment: Segment, offsets: IntervalSet, reason: str, _: Content = NOTHING) -> None:
        """These of a segment are given up, or the disk lost them."""
        self.dropped += len(offsets)
        self._losses.quarantined(segment, offsets, reason)
