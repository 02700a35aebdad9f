"""Makes durable records that are still on disk pending again, so that a lost store is filled anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.spool.checkpoint import CHECKPOINT, decode_checkpoint, encode_checkpoint
from gateway.spool.errors import content
from gateway.spool.exclusive import changing
from gateway.spool.recovery import recover
from gateway.spool.spool_epoch import raise_epoch
from qilu.contract.ranges import IntervalSet


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How many records wait now that did not before, and from when on (ms, UTC; None: there are none)."""

    records: int
    from_ms: int | None


def replay(directory: Path, since_ms: int) -> ReplayResult:
    """Let the next opening send again what was written at `since_ms` or later, segment by segment.

    UnreachableError while a gateway runs on the directory, ConfigError when there is none.
    """
    with changing(directory) as files:
        raise_epoch(files)
        forgotten = decode_checkpoint(content(files, CHECKPOINT))
        again: dict[int, IntervalSet] = {}
        from_ms: int | None = None
        for segment in recover(files).kept.segments():
            held = forgotten.get(segment.stream, IntervalSet()).intersection(
                IntervalSet([(segment.first, segment.last)])
            )
            if held and segment.newest_ms >= since_ms:
                again.setdefault(segment.stream, IntervalSet()).update(held)
                from_ms = segment.oldest_ms if from_ms is None else min(from_ms, segment.oldest_ms)
        for stream, offsets in again.items():
            forgotten[stream].subtract(offsets)
        files.replace(CHECKPOINT, encode_checkpoint(forgotten))
        return ReplayResult(sum(map(len, again.values())), from_ms)
