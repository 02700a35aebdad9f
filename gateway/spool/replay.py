"""Makes durable records that are still on disk pending again, so that a lost store is filled anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.spool.files import OsFiles, ReadOnlyFiles
from gateway.spool.forgotten import FORGOTTEN, decode_forgotten, encode_forgotten
from gateway.spool.looking import explained
from gateway.spool.recovery import recover
from qilu.contract.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records wait now that did not before, and from when on (ms, UTC; None: there are none)."""

    records: int
    from_ms: int | None


def replay(directory: Path, since_ms: int) -> Replayed:
    """Let the next opening send again what was written at `since_ms` or later, segment by segment.

    Holds the directory meanwhile: ConfigError while a gateway runs on it, or when there is none.
    """
    files = OsFiles(directory)
    with explained(directory):
        ReadOnlyFiles(directory).open()  # must be there: nothing is made
        files.open()
        return _replay(files, since_ms)


def _replay(files: OsFiles, since_ms: int) -> Replayed:
    try:
        forgotten = _forgotten(files)
        again: dict[int, Ranges] = {}
        from_ms: int | None = None
        for segment in recover(files).kept.segments():
            held = forgotten.get(segment.stream, Ranges()).common(Ranges([(segment.first, segment.last)]))
            if held and segment.newest_ms >= since_ms:
                again.setdefault(segment.stream, Ranges()).update(held)
                from_ms = segment.oldest_ms if from_ms is None else min(from_ms, segment.oldest_ms)
        for stream, offsets in again.items():
            forgotten[stream].subtract(offsets)
        files.replace(FORGOTTEN, encode_forgotten(forgotten))
        return Replayed(sum(map(len, again.values())), from_ms)
    finally:
        files.close()


def _forgotten(files: OsFiles) -> dict[int, Ranges]:
    try:
        return decode_forgotten(files.read(FORGOTTEN, 0, files.stat(FORGOTTEN).size))
    except FileNotFoundError:
        return {}
