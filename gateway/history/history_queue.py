"""What waits to be written into the history: bounded, and with an account of what was left out. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Poll, Reading

MAX_VALUES = 600_000
"""Values that wait, at most: about 25 MB."""
_MAX_MARKS = 30_000
"""Characters of the marks that are kept with the readings, at most."""

Readings = dict[BlockSchema, list[Reading]]


@dataclass(slots=True)
class LeftOut:
    """What found no room since the start; the time (UTC, ms) is that of the readings."""

    records: int = 0
    values: int = 0
    from_ms: int = 0
    to_ms: int = 0

    def add(self, poll: Poll) -> None:
        self.from_ms = min(self.from_ms or poll.due_ms, poll.due_ms)
        self.to_ms = max(self.to_ms, poll.due_ms)
        self.records += 1
        self.values += poll.size


@dataclass(slots=True)
class HistoryQueue:
    """Readings by columns, and which records of the spool they are of."""

    max_values: int = MAX_VALUES
    left_out: LeftOut = field(default_factory=LeftOut)
    values: int = 0
    """Values that wait, those of the batch among them."""
    readings: Readings = field(default_factory=dict)
    batch: Readings = field(default_factory=dict)
    """What is being written; it stays here until it is."""
    accepted: dict[int, IntervalSet] = field(default_factory=dict)
    """Stream -> offsets of records that were taken, in this run or before it."""
    _written: dict[int, IntervalSet] = field(default_factory=dict)
    """Those of them that are on the disk, with those of the batch."""
    _waiting: list[tuple[int, int, int]] = field(default_factory=list)
    """The latest time, stream and offset of each record that is in no batch yet."""

    def has(self, stream: int, offset: int) -> bool:
        """Whether this record was taken before."""
        accepted = self.accepted.get(stream)
        return accepted is not None and offset in accepted

    def add(self, stream: int, offset: int, poll: Poll) -> bool:
        """Take a record; False where there is no room for it."""
        size = poll.size
        if self.values + size > self.max_values:
            self.left_out.add(poll)
            return False
        for reading in poll.readings:
            self.readings.setdefault(reading.columns, []).append(reading)
        self.values += size
        self._waiting.append((max(reading.time_ms for reading in poll.readings), stream, offset))
        _add(self.accepted, stream, offset)
        return True

    def start_batch(self, before_ms: int | None) -> bool:
        """Make what is older than `before_ms` (None: everything) the batch, with what is in it; is it any?"""
        later: Readings = {}
        for columns, readings in self.readings.items():
            now = readings
            if before_ms is not None:
                now = [reading for reading in readings if reading.time_ms < before_ms]
                if len(now) < len(readings):
                    later[columns] = [reading for reading in readings if reading.time_ms >= before_ms]
            if now:
                self.batch.setdefault(columns, []).extend(now)
        self.readings = later
        still: list[tuple[int, int, int]] = []
        for record in self._waiting:
            if before_ms is not None and record[0] >= before_ms:
                still.append(record)
            else:
                _add(self._written, *record[1:])
        self._waiting = still
        return bool(self.batch)

    def written(self) -> None:
        self.values -= sum(len(c.points) * len(readings) for c, readings in self.batch.items())
        self.batch = {}

    def waiting(self, of: Callable[[BlockSchema], bool]) -> list[Reading]:
        """The readings of these columns that are on no disk yet."""
        return [
            reading
            for readings in (self.batch, self.readings)
            for columns in list(readings)
            if of(columns)
            for reading in list(readings[columns])
        ]

    def marks(self, streams: Mapping[int, IntervalSet]) -> str:
        """The offsets that are written once the batch is, of these streams; where the text would be long, the
        oldest streams are left out, and taken once more."""
        self.accepted = {stream: offsets for stream, offsets in self.accepted.items() if stream in streams}
        self._written = {stream: offsets for stream, offsets in self._written.items() if stream in streams}
        marks = {f"{stream:016x}": str(offsets) for stream, offsets in self._written.items()}
        while marks and len(text := json.dumps(marks)) > _MAX_MARKS:
            del marks[next(iter(marks))]
        return text if marks else "{}"

    def restore(self, marks: str) -> None:
        """The marks of a run before this one; what cannot be read is taken once more."""
        try:
            for stream, offsets in json.loads(marks).items():
                for known in (self.accepted, self._written):
                    known.setdefault(int(stream, 16), IntervalSet()).update(IntervalSet.parse(offsets))
        except (ValueError, AttributeError, TypeError, DataError):
            return


def _add(known: dict[int, IntervalSet], stream: int, offset: int) -> None:
    offsets = known.get(stream)
    if offsets is None:
        offsets = known[stream] = IntervalSet()
    offsets.add(offset)
