"""Fetching records out of a segment file by their offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.interfaces import Record
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment
from gateway.spool.segment import HEADER_SIZE, Scanner
from qilu.contract.ranges import IntervalSet

CHUNK = 64 * 1024


class FetchResult(NamedTuple):
    """The records of a run, rising; `damaged`: those of it that are not there; `full`: room ran out."""

    records: list[Record]
    damaged: IntervalSet
    truncated: bool


def fetch(
    files: Files, segment: Segment, first: int, last: int, room: int, *, always_first: bool
) -> FetchResult:
    """The records `first` to `last`, which must lie within `segment`, as far as they fit into `room` bytes.

    With `always_first` the first is returned whatever its size. OSError when the file cannot be read.
    """
    records: list[Record] = []
    damaged = IntervalSet()
    stream, base, annotated = segment.stream, segment.first, segment.annotated
    position = segment.places.before(first - base)
    scanner = Scanner(segment.key, position)
    expected = first
    while expected <= last:
        record = scanner.next()
        if record is None:
            unread = segment.size - position  # below 0 where not even the header is there
            data = files.read(segment.name, position, min(CHUNK, unread)) if unread > 0 else b""
            if not data:
                break
            scanner.feed(data)
            position += len(data)
            continue
        offset = base + record.number
        if offset < expected:
            continue
        if offset > last:
            segment.places.note(record.number, record.start)
            break
        if offset > expected:
            damaged.add(expected, offset - 1)
        if record.body is None:
            damaged.add(offset)
        else:
            room -= len(record.body)
            if room < 0 and (records or not always_first):
                segment.places.note(record.number, record.start)
                return FetchResult(records, damaged, True)
            body = record.body.partition(b"\n")[2] if annotated else record.body
            records.append(Record(stream, offset, body))
        expected = offset + 1
        if expected > last:
            segment.places.note(record.number + 1, record.end)
    if expected <= last:
        damaged.add(expected, last)
    return FetchResult(records, damaged, False)


def records_from(files: Files, segment: Segment, position: int) -> tuple[int, list[bytes]]:
    """The offset of the record that begins at `position`, and the bodies from there on.

    They end at the first one that is damaged. OSError when the file cannot be read.
    """
    position = max(position, HEADER_SIZE)
    scanner = Scanner(segment.key, position)
    scanner.feed(files.read(segment.name, position, segment.size - position))
    record = scanner.next()
    first = segment.last + 1 if record is None else segment.first + record.number
    bodies: list[bytes] = []
    while (
        record is not None
        and record.body is not None
        and record.number == first - segment.first + len(bodies)
    ):
        bodies.append(record.body)
        record = scanner.next()
    return first, bodies


def bodies_of(files: Files, segment: Segment) -> Iterator[bytes]:
    """The bodies of all whole records, as they are in the file. OSError when it cannot be read."""
    scanner, position = Scanner(segment.key), HEADER_SIZE
    while data := files.read(segment.name, position, CHUNK):
        position += len(data)
        scanner.feed(data)
        while (record := scanner.next()) is not None:
            if record.body is not None:
                yield record.body
