"""The ids of columns and origins in a file: looked up once, made where there are none."""

from __future__ import annotations

import sqlite3
from weakref import WeakKeyDictionary

import msgspec

from qilu.contract.reading import BlockSchema, Origin

_KNOWN = """
SELECT columns.id FROM columns JOIN origins ON origins.id = columns.origin_id
WHERE edge = ? AND device = ? AND profile = ? AND enterprise = ? AND site = ? AND line = ?
  AND poll_group = ? AND points = ?
"""
_encode = msgspec.json.Encoder().encode


class ColumnIds:
    """Remembers the ids of one file while it is open; they are made inside the caller's transaction."""

    def __init__(self) -> None:
        self._ids: WeakKeyDictionary[BlockSchema, int] = WeakKeyDictionary()

    def of(self, connection: sqlite3.Connection, columns: BlockSchema) -> int:
        """The id of these columns. UnicodeEncodeError where a name is no text."""
        columns_id = self._ids.get(columns)
        if columns_id is None:
            key = _origin_id(connection, columns.origin), columns.group, _encode(columns.points).decode()
            columns_id = self._ids[columns] = _id_of(
                connection,
                "INSERT OR IGNORE INTO columns (origin_id, poll_group, points) VALUES (?, ?, ?)",
                "SELECT id FROM columns WHERE origin_id = ? AND poll_group = ? AND points = ?",
                key,
            )
        return columns_id

    @staticmethod
    def known(connection: sqlite3.Connection, columns: BlockSchema) -> int | None:
        """The id of these columns where the file has them; nothing is made."""
        key = (*_key(columns.origin), columns.group, _encode(columns.points).decode())
        row = connection.execute(_KNOWN, key).fetchone()
        return None if row is None else int(row[0])

    def forget(self) -> None:
        """A transaction was undone: what was made in it is not there."""
        self._ids.clear()


def _origin_id(connection: sqlite3.Connection, origin: Origin) -> int:
    return _id_of(
        connection,
        "INSERT OR IGNORE INTO origins (edge, device, profile, enterprise, site, line)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        "SELECT id FROM origins WHERE edge = ? AND device = ? AND profile = ? AND enterprise = ?"
        " AND site = ? AND line = ?",
        _key(origin),
    )


def _key(origin: Origin) -> tuple[str, ...]:
    return origin.edge, origin.device, origin.profile, origin.enterprise, origin.site, origin.line


def _id_of(connection: sqlite3.Connection, insert: str, select: str, key: tuple[int | str, ...]) -> int:
    connection.execute(insert, key)
    return int(connection.execute(select, key).fetchone()[0])
