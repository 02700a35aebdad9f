"""Writes readings into a history: each into the file of its day. In one thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from qilu.contract.reading import BlockSchema, Reading
from qilu.stores.sqlite.history.blocks import Row
from qilu.stores.sqlite.history.day_file import DayFile
from qilu.stores.sqlite.history.files import AHEAD, Kind
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import BUCKET_MS, DAY_MS, QUARTER_MS
from qilu.stores.sqlite.history.schema import TornFileError

_MAX_EARLIER = 4
"""Parts of a day that are searched for a reading that comes late."""

Blocks = Mapping[tuple[int, BlockSchema], Sequence[Row]]
"""Bucket and columns -> readings."""


class HistoryWriter:
    """Writes into one folder. sqlite3.Error and OSError where the disk refuses: try again later."""

    def __init__(self, folder: HistoryFolder) -> None:
        self._folder = folder

    def commit(self, blocks: Blocks, note: tuple[str, str] | None = None) -> int:
        """Write these, each into the file of its day; how many readings are new.

        `note`: a key and a text that are kept with the latest. What was written before an error is written
        again without harm.
        """
        self._folder.make_room()
        by_day: dict[int | None, list[tuple[int, BlockSchema, Sequence[Row]]]] = {}
        latest_ms = self._folder.now_ms() + DAY_MS
        for (bucket, columns), rows in blocks.items():
            start_ms = bucket * BUCKET_MS
            day = None if start_ms > latest_ms else start_ms // DAY_MS
            by_day.setdefault(day, []).append((bucket, columns, rows))
        latest = max((day for day in by_day if day is not None), default=None)
        new = 0
        for day, of_day in by_day.items():
            of_day.sort(key=lambda entry: entry[0])
            new += self._commit_day(day, of_day, note if day == latest else None)
        return new

    def notes(self, key: str) -> Iterator[str]:
        """The texts that were kept with readings, the latest first."""
        for file in reversed(self._folder.files(Kind.RAW)):
            with suppress(TornFileError, sqlite3.Error, OSError):
                text = self._folder.get(file.name).note(key)
                if text is not None:
                    yield text

    def _commit_day(
        self,
        day: int | None,
        entries: Sequence[tuple[int, BlockSchema, Sequence[Row]]],
        note: tuple[str, str] | None,
    ) -> int:
        while True:
            try:
                return self._write(day, entries, note)
            except TornFileError as error:
                self._folder.set_aside(error.file.name)

    def _write(
        self,
        day: int | None,
        entries: Sequence[tuple[int, BlockSchema, Sequence[Row]]],
        note: tuple[str, str] | None,
    ) -> int:
        file = self._folder.get(AHEAD) if day is None else self._folder.target(Kind.RAW, day)
        earlier = [] if day is None else self._earlier_parts(day, file, entries)
        new = 0
        slots: set[tuple[int, int]] = set()
        with file.transaction():
            for bucket, columns, rows in entries:
                columns_id = file.columns_id(columns)
                fresh = _without(rows, bucket, columns, earlier) if earlier else rows
                if columns_id is None or not fresh:
                    continue
                added = file.add_rows(bucket, columns_id, fresh)
                if added:
                    new += added
                    slots.add((bucket * BUCKET_MS // QUARTER_MS, columns_id))
            if day is None:
                file.mark_present(slots)
            else:
                file.mark_stale(slots)
            if note is not None:
                file.keep_note(*note)
        return new

    def _earlier_parts(
        self, day: int, file: DayFile, entries: Sequence[tuple[int, BlockSchema, Sequence[Row]]]
    ) -> list[DayFile]:
        """The parts of a day, before the one that is written, that may have some of these readings."""
        parts = [part.name for part in self._folder.files(Kind.RAW, day) if part.name != file.path.name]
        if not parts:
            return []
        first = file.first_bucket
        if first is not None and entries[0][0] > first:
            return []
        return [self._folder.get(name) for name in parts[-_MAX_EARLIER:]]


def _without(
    rows: Sequence[Row], bucket: int, columns: BlockSchema, earlier: Iterable[DayFile]
) -> Sequence[Row]:
    """What of the readings no earlier part has."""
    for file in earlier:
        columns_id = file.known_id(columns)
        kept = None if columns_id is None else file.block(bucket, columns_id)
        if kept is not None:
            times = set(kept.times)
            rows = [row for row in rows if row[0] not in times]
    return rows


def blocks_of(readings: Mapping[BlockSchema, Sequence[Reading]]) -> Blocks:
    """The rows of readings, by bucket and columns."""
    blocks: dict[tuple[int, BlockSchema], list[Row]] = {}
    for columns, of_columns in readings.items():
        bucket, rows = -1, []
        for _, time_ms, values, reasons in of_columns:
            if time_ms // BUCKET_MS != bucket:
                bucket = time_ms // BUCKET_MS
                rows = blocks.setdefault((bucket, columns), [])
            rows.append((time_ms, values, reasons))
    return blocks
