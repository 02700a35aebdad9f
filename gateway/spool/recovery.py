"""Opening a directory that a gateway left, in whatever state: what is in it, and what of that was lost.

Nothing is written, so that a full disk cannot prevent it, and only the newest segment of each stream is read
through, so that neither time nor memory grows with the backlog. Files that are not ours are left alone.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from gateway.spool.filesystem import Files
from gateway.spool.index import Segment, SegmentIndex
from gateway.spool.segment import HEADER_SIZE, VERSION, Scanner, decode_header
from qilu.contract.errors import ConfigError
from qilu.contract.ranges import IntervalSet

_log = logging.getLogger(__name__)

_NAME = re.compile(r"(\d{8,})-([0-9a-f]{16})-(\d{12,})\.(?:segment|quarantine|requeued)")
_CHUNK = 256 * 1024


def segment_name(opening: int, stream: int, first: int, suffix: str) -> str:
    """Names sort as the segments were written, whatever the clock was; they repeat the header."""
    return f"{opening_prefix(opening)}{stream:016x}-{first:012d}{suffix}"


def opening_prefix(opening: int) -> str:
    """How the names of the segments begin that were made in one opening."""
    return f"{opening:08d}-"


@dataclass(slots=True)
class RecoveryResult:
    """What is there: `kept` with everything pending, `empty` are files of ours that hold no record at all.

    `quarantined` are the records that were set aside.
    """

    kept: SegmentIndex = field(default_factory=SegmentIndex)
    quarantined: SegmentIndex = field(default_factory=SegmentIndex)
    opening: int = 0
    """The greatest number of an opening so far; the next one takes a greater."""
    damaged: list[tuple[Segment, IntervalSet]] = field(default_factory=list)
    """Offsets that were once in a segment and cannot be read."""
    empty: list[str] = field(default_factory=list)

    def add(self, segment: Segment, present: IntervalSet) -> None:
        kept = self.quarantined if segment.quarantined else self.kept
        kept.add(segment)
        kept.pending[segment.stream].update(present)

    def lost(self, segment: Segment, present: IntervalSet) -> None:
        """Take note of what `segment` once had and is not `present` any more."""
        if segment.last >= segment.first:
            lost = IntervalSet([(segment.first, segment.last)]).difference(present)
            if lost:
                self.damaged.append((segment, lost))


def recover(files: Files) -> RecoveryResult:
    """Take stock of the directory; ConfigError when a segment may not be read."""
    recovered = RecoveryResult()
    known: dict[tuple[int, int], Segment] = {}
    first_openings: dict[int, int] = {}
    for name in sorted(files.names()):
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        opening = int(match[1])
        recovered.opening = max(recovered.opening, opening)
        segment = _open_segment(files, name, int(match[2], 16), int(match[3]))
        if segment is None:
            continue
        place = segment.stream, segment.first
        if place in known:
            _log.warning(
                "spool: %s and %s have the same offsets: the second is used", known[place].name, name
            )
        known[place] = segment
        first_openings.setdefault(segment.stream, opening)
    by_stream = sorted(
        known.values(), key=lambda entry: (first_openings[entry.stream], entry.stream, entry.first)
    )
    for _, group in groupby(by_stream, key=lambda segment: segment.stream):
        _recover_stream(files, list(group), recovered)
    return recovered


def _open_segment(files: Files, name: str, stream: int, first: int) -> Segment | None:
    """The segment of that name, its end still unknown; None when it must be left alone."""
    try:
        stat = files.stat(name)
        header = decode_header(files.read(name, 0, HEADER_SIZE))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        remedy = "let the user of the gateway read the whole directory (chown -R)"
        raise ConfigError("may not be read", file=name, remedy=remedy) from error
    except OSError as error:
        _log.error(
            "spool: %s cannot be read, its records stay there unsent until a restart can read it: %s",
            name,
            error,
        )
        return None
    if header is None:  # its name has the same
        return Segment(name, stream, first, first - 1, stat.size, stat.written_ms, stat.written_ms)
    if header.version != VERSION:
        _log.warning(
            "spool: %s has format %d, this version reads format %d: its records are not sent; "
            "the version that wrote it can send them",
            *(name, header.version, VERSION),
        )
        return None
    first = header.first
    times = header.created_ms, stat.written_ms
    return Segment(name, header.stream, first, first - 1, stat.size, *times, origin=header.origin)


def _recover_stream(files: Files, segments: list[Segment], recovered: RecoveryResult) -> None:
    """Put the segments of one stream, rising, into what is kept."""
    for segment, following in pairwise(segments):
        segment.last = following.first - 1
    present = _newest_with_records(files, segments, recovered)
    if not segments:
        return
    newest = segments.pop()
    for segment in segments:
        recovered.add(segment, IntervalSet([(segment.first, segment.last)]))
    newest.last = max(newest.last, present.last())
    recovered.add(newest, present)
    recovered.lost(newest, present)


def _newest_with_records(files: Files, segments: list[Segment], recovered: RecoveryResult) -> IntervalSet:
    """Take off the end what holds no record any more; the offsets of whole records in what is then the last.

    Where the last file ends only its records show; of the others the name of the next one does.
    """
    while segments:
        present, readable = _present(files, segments[-1])
        if present:
            return present
        segment = segments.pop()
        if readable:
            recovered.empty.append(segment.name)
            recovered.lost(segment, present)
    return IntervalSet()


def _present(files: Files, segment: Segment) -> tuple[IntervalSet, bool]:
    """The offsets of a segment's whole records, and whether the disk let it be read to its end."""
    present = IntervalSet()
    scanner = Scanner(segment.key)
    position = HEADER_SIZE
    while position < segment.size:
        try:
            data = files.read(segment.name, position, _CHUNK)
        except OSError as error:
            _log.error(
                "spool: %s cannot be read from byte %d on, the next start tries again: %s",
                segment.name,
                position,
                error,
            )
            return present, False
        if not data:
            break
        position += len(data)
        scanner.feed(data)
        while (record := scanner.next()) is not None:
            if record.body is not None:
                present.add(segment.first + record.number)
            segment.places.note(record.number + 1, record.end)
    if scanner.skipped or scanner.unparsed:
        _log.warning(
            "spool: %s: %d bytes at its end were never completed, %d bytes were damaged",
            *(segment.name, scanner.unparsed, scanner.skipped),
        )
    return present, True
