"""A field that the server keeps with another type: InfluxDB 1 and 2 name it and count what it cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qilu.contract.errors import DataError
from qilu.stores.influx.lines import INFLUXDB, escape

_SAID = re.compile(
    r'input field "(.*)" on measurement "(.*)" is type \w+, already exists as type \w+ dropped=(\d+)'
)

Batch = Sequence[tuple[int, bytes]]
"""Polls of one request: each its index, and its lines."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that took no value of ours, and how many lines that cost; of several fields one is named."""

    line: re.Pattern[bytes]
    """Finds the field in a line of its measurement."""
    dropped: int

    def refuses(self, batch: Batch) -> bool:
        """Whether this explains every poll of `batch`.

        The type belongs to a span of time (a shard), so having the field is no proof: as many lines must
        have been dropped as have it.
        """
        counts = [self._count(lines) for _, lines in batch]
        return all(counts) and sum(counts) <= self.dropped

    def divide(self, batch: Batch) -> tuple[Batch, Batch]:
        """The polls that have the field, and the others; either may be empty."""
        having = [item for item in batch if self._count(item[1])]
        others = [item for item in batch if not self._count(item[1])]
        return having, others

    def _count(self, lines: bytes) -> int:
        return sum(self.line.match(line) is not None for line in lines.split(b"\n"))


def conflict(said: str) -> Conflict | None:
    """The conflict that a refusal tells of; None where it tells of something else."""
    found = _SAID.search(said)
    if found is None:
        return None
    try:
        field, measurement = escape(found[1], ",= ", INFLUXDB), escape(found[2], ", ", INFLUXDB)
    except DataError:  # nothing of ours has such a name
        return None
    line = rb"%s[, ].*[, ]%s=" % (re.escape(measurement), re.escape(field))
    return Conflict(re.compile(line, re.DOTALL), int(found[3]))


def halves(batch: Batch, found: Conflict | None) -> tuple[Batch, Batch]:
    """`batch` in two smaller parts of which one may be taken, or refused as a whole."""
    if found is not None:
        having, others = found.divide(batch)
        if having and others:
            return having, others
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
