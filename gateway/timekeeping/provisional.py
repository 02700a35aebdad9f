"""Records whose times are provisional, pure: how they are marked on disk, and how they are corrected.

    {"provisional":[EPOCH,OFFSET],"edge":...     an ordinary record behind its mark

EPOCH is the monotonic time in ms at which the epoch began, OFFSET the provisional UTC minus the monotonic
time: so each time in the record minus OFFSET is monotonic time of the boot in which its stream was written.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from qilu.contract.accounting import PROFILES
from qilu.contract.reading import EpochTag, Reason

_PREFIX = b'{"provisional":['
_MARK = re.compile(rb'\{"provisional":\[(-?\d{1,18}),(-?\d{1,18})\],')
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Mark(NamedTuple):
    """The epoch of a record, and its provisional UTC minus the monotonic time (both in ms)."""

    epoch: int
    offset_ms: int


class Correction(NamedTuple):
    """What is added to every time of the records of one epoch of a stream; the same for ever."""

    shift_ms: int
    uncertain: bool


def is_provisional(body: bytes) -> bool:
    """Whether this record must be corrected before it is sent."""
    return body.startswith(_PREFIX)


def marked(body: bytes, tag: EpochTag) -> bytes:
    """The record of a poll that was made in the held epoch `tag`, with its mark."""
    return b"%b%d,%d],%b" % (_PREFIX, tag.number, tag.offset_ms, body[1:])


def mark_of(body: bytes) -> Mark | None:
    """The mark of a record; None where there is none."""
    match = _MARK.match(body)
    return None if match is None else Mark(int(match[1]), int(match[2]))


def corrected(body: bytes, correction: Correction) -> bytes:
    """The record as it is sent: with true times, or with its own times as uncertain ones."""
    record = _decode(body)
    del record["provisional"]
    record["due_ms"] += correction.shift_ms
    own = record["profile"] in PROFILES
    for reading in record["readings"]:
        reading["t"] += correction.shift_ms
        if correction.uncertain and not own:
            unknown = {point: str(Reason.CLOCK_UNCERTAIN) for point in reading["v"]}
            reading["q"] = unknown | reading.get("q", {})
    return _encode(record)
