"""One open file of a history, for its writer: a transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from qilu.contract.reading import BlockSchema, Origin
from qilu.stores.sqlite.column_ids import ColumnIds
from qilu.stores.sqlite.files import StoreFiles
from qilu.stores.sqlite.history.blocks import (
    Block,
    Row,
    block_of,
    decode_block,
    encode_block,
    encode_rows,
    merged,
)
from qilu.stores.sqlite.history.keys import MAX_COLUMNS, MAX_POINTS, block_id, part_id, slot_id, split_id
from qilu.stores.sqlite.history.schema import open_for_writing, torn
from qilu.stores.sqlite.rows import decode_points

_IDS = 500
"""Rows of one statement."""
_COLUMNS = """
SELECT edge, device, profile, enterprise, site, line, poll_group, points
FROM columns JOIN origins ON origins.id = columns.origin_id WHERE columns.id = ?
"""


class DayFile:
    """A file that is open for writing. sqlite3.Error, OSError where the disk refuses, TornFileError."""

    def __init__(self, file: Path) -> None:
        self.path = file
        self._connection = open_for_writing(file)
        self._files = StoreFiles(file)
        self._ids = ColumnIds()
        self._columns: dict[int, BlockSchema] = {}
        self._stale: set[int] = set()
        """Slots that are known to be stale."""
        self._rolling: set[int] = set()
        """Slots that are being rolled up, and got nothing new since."""

    @property
    def in_place(self) -> bool:
        """Whether the file still has its name."""
        return self._files.in_place

    def close(self) -> None:
        """Close it, whatever its state."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._ids.forget()
            self._columns.clear()
            self._stale.clear()
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
            if isinstance(error, sqlite3.Error):
                raise torn(self.path, error) from error
            raise

    def columns_id(self, columns: BlockSchema) -> int | None:
        """The id of these columns; None: too many columns or points, or a name that is no text."""
        if len(columns.points) > MAX_POINTS:
            return None
        try:
            columns_id = self._ids.of(self._connection, columns)
        except UnicodeEncodeError:
            return None
        return columns_id if columns_id < MAX_COLUMNS else None

    def known_id(self, columns: BlockSchema) -> int | None:
        """The id of columns that are in the file; nothing is made."""
        return self._ids.known(self._connection, columns)

    def columns_of(self, columns_id: int) -> BlockSchema | None:
        known = self._columns.get(columns_id)
        if known is None:
            row = self._connection.execute(_COLUMNS, (columns_id,)).fetchone()
            if row is None:
                return None
            edge, device, profile, enterprise, site, line, group, points = row
            origin = Origin(edge, device, profile, enterprise, site, line)
            known = self._columns[columns_id] = BlockSchema(origin, group, tuple(decode_points(points)))
        return known

    def add_rows(self, bucket: int, columns_id: int, rows: Sequence[Row]) -> int:
        """Add the readings that are new; how many these are."""
        row_id = block_id(bucket, columns_id)
        inserted = self._connection.execute(
            "INSERT OR IGNORE INTO blocks VALUES (?, ?)", (row_id, encode_rows(rows))
        )
        if inserted.rowcount:
            return len({row[0] for row in rows})
        kept = self.block(bucket, columns_id) or block_of(())
        whole = merged(kept, block_of(rows))
        if whole is None:
            return 0
        self._connection.execute("UPDATE blocks SET data = ? WHERE id = ?", (encode_block(whole), row_id))
        return len(whole.times) - len(kept.times)

    def block(self, bucket: int, columns_id: int) -> Block | None:
        """The readings of a bucket; None where there are none, or they cannot be read."""
        row = self._connection.execute(
            "SELECT data FROM blocks WHERE id = ?", (block_id(bucket, columns_id),)
        ).fetchone()
        try:
            return None if row is None else decode_block(row[0])
        except ValueError:
            return None

    def blocks(self, buckets: range, columns_id: int) -> Iterator[tuple[int, Block]]:
        """The readable blocks of these buckets, rising."""
        for first in range(0, len(buckets), _IDS):
            ids = {block_id(bucket, columns_id): bucket for bucket in buckets[first : first + _IDS]}
            rows = self._connection.execute(
                f"SELECT id, data FROM blocks WHERE id IN ({', '.join('?' * len(ids))})", list(ids)
            )
            for row_id, data in sorted(rows.fetchall()):
                with suppress(ValueError):
                    yield ids[row_id], decode_block(data)

    def mark_stale(self, slots: Iterable[tuple[int, int]]) -> None:
        """These (slot, columns) have to be rolled up, again or for the first time."""
        ids = {slot_id(*slot) for slot in slots}
        new = ids - self._stale
        self._connection.executemany(
            "INSERT INTO slots VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET stale = 1",
            [(n,) for n in sorted(new)],
        )
        self._stale |= new
        self._rolling -= ids

    @property
    def first_bucket(self) -> int | None:
        """The first bucket that the file has."""
        row = self._connection.execute("SELECT min(id) FROM blocks").fetchone()
        return None if row[0] is None else split_id(row[0])[0]

    def mark_present(self, slots: Iterable[tuple[int, int]]) -> None:
        """These (slot, columns) have something, and nothing to roll up."""
        ids = sorted({slot_id(*slot) for slot in slots})
        self._connection.executemany("INSERT OR IGNORE INTO slots VALUES (?, 0)", [(n,) for n in ids])

    def stale(self, before_slot: int, limit: int) -> list[int]:
        """The ids of stale slots before this one, the oldest first."""
        rows = self._connection.execute(
            "SELECT id FROM slots WHERE stale AND id < ? ORDER BY id LIMIT ?",
            (slot_id(before_slot, 0), limit),
        )
        return [int(row[0]) for row in rows]

    def start_roll_up(self, slots: Sequence[int]) -> None:
        """These are about to be rolled up."""
        self._rolling |= set(slots)

    def mark_rolled_up(self, slots: Sequence[int]) -> None:
        """These are rolled up; those that got something new meanwhile stay stale."""
        done = self._rolling.intersection(slots)
        self._rolling -= done
        self._stale -= done
        self._connection.executemany("UPDATE slots SET stale = 0 WHERE id = ?", [(slot,) for slot in done])

    def put_roll_ups(self, slot: int, columns_id: int, parts: Sequence[bytes]) -> None:
        """The roll-ups of a slot, in place of those that there were."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO rollups VALUES (?, ?)",
            [(part_id(slot, columns_id, number), data) for number, data in enumerate(parts)],
        )

    def roll_ups(self, slots: range, columns_id: int, part: int) -> dict[int, bytes]:
        """Slot -> row of roll-ups; in one statement, which costs a fraction of one for each."""
        ids = {part_id(slot, columns_id, part): slot for slot in slots}
        rows = self._connection.execute(
            f"SELECT id, data FROM rollups WHERE id IN ({', '.join('?' * len(ids))})", list(ids)
        )
        return {ids[row_id]: bytes(data) for row_id, data in rows.fetchall()}

    def note(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def keep_note(self, key: str, text: str) -> None:
        """Keep a text in the file, inside the caller's transaction."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text))
