"""What a spool keeps, as numbers, pure: streams, their segments, and which of their records are pending."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from gateway.interfaces import StreamOrigin
from gateway.spool.segment import HEADER_SIZE, QUARANTINE, SEGMENT, key_of
from qilu.contract.ranges import IntervalSet

_EVERY = 64 * 1024
"""Bytes between two places that are remembered."""


class SparseIndex:
    """Where in a segment some of its records begin: a few dozen numbers however many records there are."""

    __slots__ = ("_indexes", "_positions", "_sequel")

    def __init__(self) -> None:
        self._indexes = [0]
        self._positions = [HEADER_SIZE]
        self._sequel = (0, HEADER_SIZE)

    def note(self, index: int, position: int) -> None:
        """The record `index`, or the first one after it, is found at or after `position`."""
        self._sequel = (index, position)
        if position >= self._positions[-1] + _EVERY:
            self._indexes.append(index)
            self._positions.append(position)

    def before(self, index: int) -> int:
        """A position from which reading on meets record `index`; exactly its own where reading continues."""
        at = bisect_right(self._indexes, index) - 1
        return max(self._positions[at], self._sequel[1] if self._sequel[0] <= index else 0)


@dataclass(slots=True)
class Segment:
    """One file and the run of offsets [first, last] that it may hold; last < first while it is empty.

    `oldest_ms`, `newest_ms`: when it was begun and last written, UTC by the clock of that moment.
    """

    name: str
    stream: int
    first: int
    last: int
    size: int
    oldest_ms: int
    newest_ms: int
    started_s: float = 0.0
    written_s: float = 0.0
    """The same in time for which a gateway ran: see Ages."""
    places: SparseIndex = field(default_factory=SparseIndex, repr=False)
    origin: StreamOrigin | None = None
    """None where its header is damaged."""
    removed: bool = False
    """No longer kept: nothing of it needs to be safe."""

    @property
    def key(self) -> int:
        return key_of(self.stream, self.first)

    @property
    def quarantined(self) -> bool:
        """Whether its records are set aside and not sent."""
        return self.name.endswith(QUARANTINE)

    @property
    def annotated(self) -> bool:
        """Whether each record has a line before its body with the reason for which it was set aside."""
        return not self.name.endswith(SEGMENT)


class SegmentIndex:
    """All segments in the order in which they were written, and the offsets that are still pending.

    `pending` has a set for each stream that has segments, the oldest stream first.
    """

    def __init__(self) -> None:
        self.pending: dict[int, IntervalSet] = {}
        self.origins: dict[int, StreamOrigin] = {}
        """Stream -> its origin, where the header of one of its segments holds it."""
        self.size = 0
        """Bytes of all segments."""
        self.copied: dict[int, IntervalSet] = {}
        """No longer pending, but to be kept until their copy in quarantine survives a power cut."""
        self.stuck: dict[int, IntervalSet] = {}
        """No longer pending, but to be kept: they could not be copied. The next opening sends them again."""
        self._segments: dict[int, list[Segment]] = {}

    def add(self, segment: Segment) -> None:
        """One more segment; its offsets are put into pending separately."""
        insort(self._segments.setdefault(segment.stream, []), segment, key=_first)
        self.pending.setdefault(segment.stream, IntervalSet())
        if segment.origin is not None:
            self.origins[segment.stream] = segment.origin
        self.size += segment.size

    def grow(self, segment: Segment, size: int) -> None:
        """`segment` took one record of `size` bytes more."""
        segment.size += size
        segment.last += 1
        self.size += size
        self.pending[segment.stream].add(segment.last)

    def remove(self, segment: Segment) -> IntervalSet:
        """Take out a segment; what of it was still pending or stuck is no longer, and is returned."""
        dropped = self.pending_of(segment)
        if segment.stream in self.stuck:
            dropped.update(self._part(self.stuck, segment))
            self.stuck[segment.stream].subtract(dropped)
        segment.removed = True
        segments = self._segments[segment.stream]
        segments.remove(segment)
        self.size -= segment.size
        self.pending[segment.stream].subtract(dropped)
        if not segments:
            del self._segments[segment.stream], self.pending[segment.stream]
            self.origins.pop(segment.stream, None)
        return dropped

    def replace_tail(self, old: Segment, new: Segment) -> None:
        """`new` takes over what `old` may hold from new.first on; an `old` with nothing left is gone."""
        old.last = new.first - 1
        segments = self._segments[old.stream]
        if old.last < old.first:
            segments.remove(old)
            old.removed = True
            self.size -= old.size
        insort(segments, new, key=_first)
        self.size += new.size

    def segments(self) -> Iterator[Segment]:
        """All of them, the oldest first."""
        return chain.from_iterable(self._segments.values())

    def oldest(self) -> Segment | None:
        """The segment to give up first."""
        return next(self.segments(), None)

    def has_many(self) -> bool:
        return len(self._segments) > 1 or any(len(segments) > 1 for segments in self._segments.values())

    def overlapping(self, stream: int, first: int, last: int) -> list[Segment]:
        """The segments of `stream` that may hold an offset between `first` and `last`, rising."""
        segments = self._segments.get(stream, [])
        start = max(bisect_right(segments, first, key=_first) - 1, 0)
        end = bisect_right(segments, last, key=_first)
        return [segment for segment in segments[start:end] if segment.last >= first]

    def pending_of(self, segment: Segment) -> IntervalSet:
        """The offsets in this segment that are still pending."""
        return self._part(self.pending, segment)

    def needs(self, segment: Segment) -> bool:
        """Whether this segment has a record that must not be lost."""
        return any(self._part(offsets, segment) for offsets in (self.pending, self.copied, self.stuck))

    def _part(self, offsets: Mapping[int, IntervalSet], segment: Segment) -> IntervalSet:
        stream_offsets = offsets.get(segment.stream)
        if not stream_offsets or segment.last < segment.first:
            return IntervalSet()
        return stream_offsets.intersection(IntervalSet([(segment.first, segment.last)]))

    def set_aside(self, stream: int, offsets: IntervalSet, *, copied: bool) -> None:
        """These are no longer pending; their segment is kept according to `copied` and `stuck`."""
        self.pending[stream].subtract(offsets)
        (self.copied if copied else self.stuck).setdefault(stream, IntervalSet()).update(offsets)

    def keep_stuck(self, stream: int, offsets: IntervalSet) -> None:
        """These that were set aside as copied are kept: no copy was made."""
        self.copied[stream].subtract(offsets)
        self.stuck.setdefault(stream, IntervalSet()).update(offsets)

    def settle(self, copied: Mapping[int, IntervalSet]) -> list[Segment]:
        """These copies survive a power cut; returns the segments that are not needed any more."""
        touched: dict[str, Segment] = {}
        for stream, offsets in copied.items():
            self.copied[stream].subtract(offsets)
            touched |= {
                s.name: s for first, last in offsets.runs() for s in self.overlapping(stream, first, last)
            }
        self.copied = {stream: offsets for stream, offsets in self.copied.items() if offsets}
        return [segment for segment in touched.values() if not self.needs(segment)]

    def subtract(self, stream: int, offsets: IntervalSet) -> list[Segment]:
        """These are no longer pending; returns the segments that have nothing pending any more."""
        pending = self.pending.get(stream)
        if pending is None:
            return []
        touched = {
            segment.first: segment
            for first, last in pending.intersection(offsets).runs()
            for segment in self.overlapping(stream, first, last)
        }
        pending.subtract(offsets)
        return [segment for segment in touched.values() if not self.needs(segment)]

    def forgotten(self) -> dict[int, IntervalSet]:
        """Stream -> the offsets that its segments may still hold but that are no longer pending."""
        forgotten = {}
        for stream, segments in self._segments.items():
            offsets = IntervalSet(
                (segment.first, segment.last) for segment in segments if segment.last >= segment.first
            )
            for needed in (self.pending, self.copied, self.stuck):
                offsets.subtract(needed.get(stream, IntervalSet()))
            if offsets:
                forgotten[stream] = offsets
        return forgotten


def _first(segment: Segment) -> int:
    return segment.first
