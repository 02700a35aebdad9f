"""Fetching records out of a segment file by their offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.interfaces import Record
from gateway.spool.filesystem import Files
from gateway.spool.index import Segment
from gateway.spool.segment import HEADER_SIZE, Scanner
from qilu.contract.ranges import Ranges

CHUNK = 64 * 1024


class Fetched(NamedTuple):
    """The records of a run, rising; `damaged`: those of it that are not there; `full`: room ran out."""

    records: list[Record]
    damaged: Ranges
    full: bool


def fetch(files: Files, segment: Segment, first: int, last: int, room: int, *, at_least_one: bool) -> Fetched:
    """The records `first` to `last`, which must lie within `segment`, as far as they fit into `room` bytes.

    With `at_least_one` the first is returned whatever its size. OSError when the file cannot be read.
    """
    records: list[Record] = []
    damaged = Ranges()
    stream, base, annotated = segment.stream, segment.first, segment.annotated
    position = segment.places.before(first - base)
    scanner = Scanner(segment.key, position)
    expected = first
    while expected <= last:
        found = scanner.next()
        if found is None:
            unread = segment.size - position  # below 0 where not even the header is there
            data = files.read(segment.name, position, min(CHUNK, unread)) if unread > 0 else b""
            if not data:
                break
            scanner.feed(data)
            position += len(data)
            continue
        offset = base + found.number
        if offset < expected:
            continue
        if offset > last:
            segment.places.note(found.number, found.begin)
            break
        if offset > expected:
            damaged.add(expected, offset - 1)
        if found.body is None:
            damaged.add(offset)
        else:
            room -= len(found.body)
            if room < 0 and (records or not at_least_one):
                segment.places.note(found.number, found.begin)
                return Fetched(records, damaged, True)
            body = found.body.partition(b"\n")[2] if annotated else found.body
            records.append(Record(stream, offset, body))
        expected = offset + 1
        if expected > last:
            segment.places.note(found.number + 1, found.end)
    if expected <= last:
        damaged.add(expected, last)
    return Fetched(records, damaged, False)


def records_from(files: Files, segment: Segment, position: int) -> tuple[int, list[bytes]]:
    """The offset of the record that begins at `position`, and the bodies from there on.

    They end at the first one that is damaged. OSError when the file cannot be read.
    """
    position = max(position, HEADER_SIZE)
    scanner = Scanner(segment.key, position)
    scanner.feed(files.read(segment.name, position, segment.size - position))
    found = scanner.next()
    first = segment.last + 1 if found is None else segment.first + found.number
    bodies: list[bytes] = []
    while (
        found is not None and found.body is not None and found.number == first - segment.first + len(bodies)
    ):
        bodies.append(found.body)
        found = scanner.next()
    return first, bodies


def bodies_of(files: Files, segment: Segment) -> Iterator[bytes]:
    """The bodies of all whole records, as they are in the file. OSError when it cannot be read."""
    scanner, position = Scanner(segment.key), HEADER_SIZE
    while data := files.read(segment.name, position, CHUNK):
        position += len(data)
        scanner.feed(data)
        while (found := scanner.next()) is not None:
            if found.body is not None:
                yield found.body
