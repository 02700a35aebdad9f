"""The text that remembers which records need not be sent again after a restart, pure.

    a note (see notes.py) of {"stream as hex": "0-41,50", ...}

Losing it, or part of it, only costs that records are sent twice. It may never name one that is not durable.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.spool.notes import decode_note, encode_note
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet

CHECKPOINT = "checkpoint"
"""The name of the file."""
MAX_RUNS = 20_000
"""Runs that are remembered of one stream, so that the text stays small however scattered they are."""


def encode_checkpoint(durable: Mapping[int, IntervalSet]) -> bytes:
    """The text for these offsets, or for the lowest of them where there are too many runs."""
    return encode_note({f"{stream:016x}": str(_bounded(offsets)) for stream, offsets in durable.items()})


def decode_checkpoint(data: bytes) -> dict[int, IntervalSet]:
    """The content of a text; empty when it is damaged in any way."""
    try:
        return {int(stream, 16): IntervalSet.parse(offsets) for stream, offsets in decode_note(data).items()}
    except (ValueError, AttributeError, DataError):  # damaged, or written by another version
        return {}


def _bounded(offsets: IntervalSet) -> IntervalSet:
    runs = list(offsets.runs())
    return offsets if len(runs) <= MAX_RUNS else IntervalSet(runs[:MAX_RUNS])
