"""What a spool directory holds, read without changing it and while a gateway may be writing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.interfaces import DropReport, StreamOrigin
from gateway.spool.drop_log import JOURNAL, dropped_of
from gateway.spool.edges import ADOPTED, decode_adopted
from gateway.spool.errors import content, explain_os_errors, recover_pending
from gateway.spool.filesystem import OWNER, ReadOnlyFiles
from gateway.spool.former_files import refuse_former_files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.jsonl import Journal
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One opening of the spool: its records that wait, and its files (times in ms, UTC).

    `edge`: the name of the edge under which it was made, empty where that is not known.
    `oldest_ms`: when the oldest file was begun that holds a record which waits; None when none does.
    `acked`: of `size`, the bytes of files whose records are all durable (see `acked_retention`).
    """

    stream: int
    edge: str
    pending: IntervalSet
    segments: int
    size: int
    acked: int
    oldest_ms: int | None
    newest_ms: int


class TimeToLimit(NamedTuple):
    """Seconds until the first bound is reached, and the setting with that bound."""

    seconds: float
    limit: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole directory; `streams` oldest first. What became durable in the last seconds may still count.

    `rate`: bytes per second that the newest stream grew by, 0.0 when it is too young.
    `owner`: the process that opened it last, running or not. `quarantined`: records that a store rejected.
    `adopted`: edges whose records are sent, whatever the present name of the edge. `free`, `free_files`:
    bytes and files that its file system would still take.
    """

    streams: Sequence[StreamSummary]
    dropped: Sequence[DropReport]
    quarantined: int
    quarantined_bytes: int
    adopted: frozenset[str]
    owner: int | None
    rate: float
    free: int
    free_files: int

    @property
    def depth(self) -> int:
        """Records that wait."""
        return sum(len(stream.pending) for stream in self.streams)

    def held(self, edge: str | None) -> int:
        """Records that are not sent, because they are of another edge; None: `edge` is that of the newest."""
        named = [stream.edge for stream in self.streams if stream.edge]
        own = edge or (named[-1] if named else "")
        sent = {"", own, *self.adopted}
        return sum(len(stream.pending) for stream in self.streams if stream.edge not in sent)

    @property
    def size(self) -> int:
        """Bytes of all segment files."""
        return sum(stream.size for stream in self.streams) + self.quarantined_bytes

    @property
    def acked(self) -> int:
        """Of these, the bytes that can be freed without loss, because all of it is durable."""
        return sum(stream.acked for stream in self.streams)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest file was begun that holds a record which waits; None when none does."""
        return min(
            (stream.oldest_ms for stream in self.streams if stream.oldest_ms is not None), default=None
        )

    def left(self, settings: SpoolSettings, now_ms: int) -> TimeToLimit | None:
        """How long an outage may last from now at the present rate; None where no rate is known yet."""
        can_go = self.acked + self.quarantined_bytes
        free = min(self.free, self.free_files * settings.segment_size)
        room = {"max_bytes": settings.max_bytes - self.size, "min_free_disk": free - settings.min_free_disk}
        room = {limit: size + can_go for limit, size in room.items()}
        seconds = {limit: 0.0 for limit, size in room.items() if size <= 0}
        if self.rate and not seconds:
            seconds = {limit: size / self.rate for limit, size in room.items()}
            age = 0.0 if self.oldest_ms is None else (now_ms - self.oldest_ms) / 1000
            seconds["max_age"] = max(settings.max_age - age, 0.0)
        if not seconds:
            return None
        limit = min(seconds, key=seconds.__getitem__)
        return TimeToLimit(seconds[limit], limit)


def inspect(directory: Path) -> Summary:
    """Take stock of a spool; ConfigError when there is none that may be read."""
    files = ReadOnlyFiles(directory)
    with explain_os_errors(directory):
        files.open()
        refuse_former_files(directory)
        recovered = recover_pending(files)
        kept = recovered.kept
        dropped = [report for line in Journal(files, JOURNAL, 0).lines() for report in dropped_of(line)]
        owner = content(files, OWNER).strip()
        return Summary(
            streams=[_stream(kept, stream) for stream in kept.pending],
            dropped=dropped,
            quarantined=sum(map(len, recovered.quarantined.pending.values())),
            quarantined_bytes=recovered.quarantined.size,
            adopted=decode_adopted(content(files, ADOPTED)),
            owner=int(owner) if owner.isdigit() else None,
            rate=_rate(list(kept.segments())),
            free=files.free(),
            free_files=files.free_files(),
        )


def _stream(kept: SegmentIndex, stream: int) -> StreamSummary:
    segments = kept.overlapping(stream, 0, 2**63)
    waiting = [segment for segment in segments if kept.pending_of(segment)]
    return StreamSummary(
        stream=stream,
        edge=kept.origins.get(stream, StreamOrigin()).edge,
        pending=kept.pending[stream],
        segments=len(segments),
        size=sum(segment.size for segment in segments),
        acked=sum(segment.size for segment in segments) - sum(segment.size for segment in waiting),
        oldest_ms=waiting[0].oldest_ms if waiting else None,
        newest_ms=max(segment.newest_ms for segment in segments),
    )


def _rate(segments: Sequence[Segment]) -> float:
    if not segments:
        return 0.0
    newest = segments[-1]
    seconds = (newest.newest_ms - newest.oldest_ms) / 1000
    return newest.size / seconds if seconds > 0 else 0.0
