"""A field that the server keeps with another type: InfluxDB 1 and 2 name it and count what it cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qilu.contract.reading import Poll, Quality, Reading
from qilu.contract.store_names import measurement_name
from qilu.stores.influx.line_protocol import QUALITY, TEXT

_CONFLICT_TEXT = re.compile(
    r'input field "(.*)" on measurement "(.*)" is type \w+, already exists as type \w+ dropped=(\d{1,18})'
)


class Piece(NamedTuple):
    """A poll of one request: its number, its lines, and the names of the fields that these leave out."""

    number: int
    lines: bytes
    poll: Poll
    without: frozenset[str] = frozenset()


Batch = Sequence[Piece]
"""The polls of one request."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that took no value of ours, and how many lines that cost; of several fields one is named."""

    measurement: str
    field: str
    dropped: int

    def refuses(self, batch: Batch) -> bool:
        """Whether this explains every poll of `batch`.

        The type belongs to a span of time (a shard), so having the field is no proof: as many lines must
        have been dropped as have it.
        """
        counts = [self.count(piece) for piece in batch]
        return all(counts) and sum(counts) <= self.dropped

    def divide(self, batch: Batch) -> tuple[Batch, Batch]:
        """The polls that have the field, and the others; either may be empty."""
        having = [piece for piece in batch if self.count(piece)]
        rest = [piece for piece in batch if not self.count(piece)]
        return having, rest

    def count(self, piece: Piece) -> int:
        """How many lines of a poll have the field."""
        if self.field in piece.without or measurement_name(piece.poll.origin.profile) != self.measurement:
            return 0
        return sum(_has_field(reading, self.field) for reading in piece.poll.readings)


def _has_field(reading: Reading, field: str) -> bool:
    """Whether the line of a reading has this field; see `LineEncoder`."""
    suffix = next((candidate for candidate in (QUALITY, TEXT) if field.endswith(candidate)), "")
    try:
        index = reading.columns.points.index(field.removesuffix(suffix))
    except ValueError:
        return False
    value, reason = reading.values[index], reading.reasons.get(index)
    if suffix == QUALITY:
        return value is None or reason is not None
    written = value is not None and (reason is None or reason.quality is not Quality.BAD)
    return written and isinstance(value, str) == (suffix == TEXT)


def conflict(text: str) -> Conflict | None:
    """The conflict in a refusal; None where it has another cause."""
    match = _CONFLICT_TEXT.search(text)
    return None if match is None else Conflict(match[2], match[1], int(match[3]))


def halves(batch: Batch, field_conflict: Conflict | None) -> tuple[Batch, Batch]:
    """`batch` in two smaller parts of which one may be taken, or refused as a whole."""
    if field_conflict is not None:
        having, rest = field_conflict.divide(batch)
        if having and rest:
            return having, rest
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
