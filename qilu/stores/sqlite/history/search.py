"""Finds readings and roll-ups of some columns in the files of a history. In one thread, beside the writer."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from qilu.contract.reading import DeviceKey
from qilu.stores.sqlite.history.files import HistoryFile, Kind, listing
from qilu.stores.sqlite.history.keys import block_id, part_id, slot_id, split_id
from qilu.stores.sqlite.history.schema import TornFileError, open_for_reading, torn
from qilu.stores.sqlite.rows import decode_points

_MAX_OPEN = 48
"""Files that are open at the same time."""
_IDS = 500
"""Rows of one statement."""
_COLUMNS = """
SELECT columns.id, edge, device, profile, line, poll_group, points
FROM columns JOIN origins ON origins.id = columns.origin_id
"""
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Columns:
    id: int
    device: DeviceKey
    profile: str
    line: str
    group: str
    points: tuple[str, ...]


class OpenFile:
    """A file that is open for reading, and what its columns are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = _identity(path)
        self.connection = open_for_reading(path)

    def columns(self, device: DeviceKey | None = None, profile: str | None = None) -> list[Columns]:
        """The columns of a device, of one of its profiles or of all; of all devices."""
        rows = self.connection.execute(
            _COLUMNS if device is None else f"{_COLUMNS} WHERE edge = ? AND device = ?", device or ()
        )
        return [
            Columns(columns_id, DeviceKey(edge, name), of_profile, line, group, tuple(decode_points(points)))
            for columns_id, edge, name, of_profile, line, group, points in rows.fetchall()
            if profile in (None, of_profile)
        ]

    def newest_slots(self) -> dict[int, int]:
        """Columns -> the last slot in which they have anything."""
        newest: dict[int, int] = {}
        for (row_id,) in self.connection.execute("SELECT id FROM slots ORDER BY id").fetchall():
            slot, columns_id = split_id(row_id)
            newest[columns_id] = slot
        return newest

    def present(self, columns_id: int, first: int, last: int) -> list[tuple[int, bool]]:
        """The slots, both included, in which some columns have anything, and whether these are stale."""
        ids = [slot_id(slot, columns_id) for slot in range(first, last + 1)]
        rows = self._rows("slots", "stale", ids)
        return [(split_id(row_id)[0], bool(stale)) for row_id, stale in rows]

    def blocks(self, columns_id: int, buckets: range) -> Iterator[tuple[int, bytes]]:
        """Bucket and row, rising."""
        ids = [block_id(bucket, columns_id) for bucket in buckets]
        yield from ((split_id(row_id)[0], data) for row_id, data in self._rows("blocks", "data", ids))

    def latest_blocks(self, columns_id: int, buckets: range) -> Iterator[bytes]:
        """Rows, the latest first: for who takes one or two."""
        statement = "SELECT data FROM blocks WHERE id = ?"
        for bucket in reversed(buckets):
            row = self.connection.execute(statement, (block_id(bucket, columns_id),)).fetchone()
            if row is not None:
                yield row[0]

    def roll_ups(self, columns_id: int, part: int, slots: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Slot and row, rising."""
        ids = {part_id(slot, columns_id, part): slot for slot in slots}
        yield from ((ids[row_id], data) for row_id, data in self._rows("rollups", "data", list(ids)))

    def _rows(self, table: str, column: str, ids: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """The rows of a table with these ids, which rise; many in one statement."""
        for first in range(0, len(ids), _IDS):
            part = ids[first : first + _IDS]
            marks = ", ".join("?" * len(part))
            rows = self.connection.execute(f"SELECT id, {column} FROM {table} WHERE id IN ({marks})", part)
            yield from sorted(rows.fetchall())


class Search:
    """The files of one folder; what cannot be read is left out, once with a line in the log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open_files: dict[str, OpenFile] = {}
        self.torn: set[str] = set()
        """Names of files that could not be read; whoever sets them aside takes them out."""
        self._reported: set[tuple[str, int]] = set()

    def close(self) -> None:
        while self._open_files:
            self._open_files.popitem()[1].connection.close()

    def interrupt(self) -> None:
        """End what another thread is asking."""
        for file in list(self._open_files.values()):
            with suppress(sqlite3.Error):
                file.connection.interrupt()

    def files(self, kind: Kind) -> list[HistoryFile]:
        """The files of a kind, those ahead of the clock at the end."""
        return self.all_files()[kind]

    def all_files(self) -> dict[Kind, list[HistoryFile]]:
        files: dict[Kind, list[HistoryFile]] = {kind: [] for kind in Kind}
        for file in sorted(listing(self._folder), key=lambda file: (file.ahead, file.first_day, file.part)):
            if not file.torn:
                files[file.kind].append(file)
        return files

    def each(self, files: Sequence[HistoryFile], ask: Callable[[OpenFile], _Result]) -> list[_Result]:
        """What each of these files answers. sqlite3.Error where the disk refuses."""
        results = []
        for file in files:
            try:
                opened = self._get(file.name)
                try:
                    results.append(ask(opened))
                except sqlite3.Error as error:
                    raise torn(opened.path, error) from error
            except FileNotFoundError:
                continue
            except TornFileError as error:
                self._close(file.name)
                self.torn.add(file.name)
                if (file.name, file.size) not in self._reported:
                    self._reported.add((file.name, file.size))
                    _log.warning("local history: queries leave out an unreadable file: %s", error)
        return results

    def _get(self, name: str) -> OpenFile:
        file = self._open_files.pop(name, None)
        path = self._folder / name
        if file is not None and file.identity != _identity(path):
            file.connection.close()
            file = None
        if file is None:
            file = OpenFile(path)
        self._open_files[name] = file
        while len(self._open_files) > _MAX_OPEN:
            self._close(next(iter(self._open_files)))
        return file

    def _close(self, name: str) -> None:
        file = self._open_files.pop(name, None)
        if file is not None:
            file.connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
