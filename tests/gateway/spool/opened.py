"""Spools for tests: with small segments, filled with bodies that tell themselves apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.interfaces import Spool
from gateway.spool.disk import DiskSpool
from gateway.spool.filesystem import Files
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet


def disk_spool(directory: Path, *, files: Files | None = None, **changes: Any) -> DiskSpool:
    """A spool with segments of 4 kB that leaves no space to others, changed as told."""
    named = {name: changes.pop(name) for name in ("clock", "monotonic", "boot") if name in changes}
    edge = changes.pop("edge", "edge-1")
    settings = {"directory": directory, "min_free_disk": 0, "max_segment_bytes": 4096, **changes}
    return DiskSpool(SpoolSettings.model_validate(settings), edge, files=files, **named)


def body(number: int, size: int = 400) -> bytes:
    """The body of record `number`, `size` bytes long."""
    return (b"%d " % number).ljust(size, b"x")


def fill(spool: Spool, numbers: range, size: int = 400) -> None:
    """Append these records; every one must be taken."""
    for number in numbers:
        assert spool.append(body(number, size)) is not None


def everything(spool: Spool) -> dict[int, list[tuple[int, bytes]]]:
    """Stream -> (offset, body) of all that can be read, as delivery reads it."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for stream, offsets in list(spool.pending().items()):
        wanted = offsets.copy()
        while wanted:
            records = spool.read(stream, wanted, 2000)
            if not records:
                break
            found.setdefault(stream, []).extend((record.offset, record.body) for record in records)
            wanted.remove(0, records[-1].offset)
    return found


def numbers(spool: Spool) -> list[int]:
    """The numbers of all records that can be read, in the order of reading."""
    return [int(text.split()[0]) for records in everything(spool).values() for _, text in records]


def segments(directory: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(directory.glob("*.segment"))


def lost(spool: Spool) -> dict[str, IntervalSet]:
    """Reason -> offsets that were given up since the last call, of whatever stream."""
    found: dict[str, IntervalSet] = {}
    for dropped in spool.dropped():
        found.setdefault(dropped.reason, IntervalSet()).update(dropped.offsets)
    return found
