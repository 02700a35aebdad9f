"""What a store file needs from time to time: roll-ups, and room. Done in short slices between writes."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from qilu.stores.sqlite.rollups import MINUTE_MS, roll_up_minutes

_MINUTES_PER_SLICE = 32  # about 20 ms for readings of 100 points a second
_ROWS_PER_SLICE = 1000
_REST = 5.0  # seconds between two looks for work
_SHARE = 9.0  # rest this many times as long as the slice took: a tenth of the time at most
_RETENTION_EVERY = 60.0
_LATENESS_MS = 30_000  # how long after its end a minute waits for readings that are on their way
_NEVER = -(2**63)
_log = logging.getLogger(__name__)


class Maintenance:
    """Decides what is due; everything runs in the writer's thread, on its connection, between its writes."""

    def __init__(
        self,
        file: Path,
        retention: float | None,
        rollups: float | None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._retention = retention
        self._rollups = rollups
        self._wall = wall
        self._monotonic = monotonic
        self._due = float("-inf")
        self._retention_due = float("-inf")

    @property
    def due(self) -> bool:
        return self._monotonic() >= self._due

    def run_slice(self, connection: sqlite3.Connection) -> list[tuple[int, int]]:
        """Do some of what is due; return the (columns_id, minute) that are no longer stale.

        What the disk refuses is logged and tried again later: the writer finds it out by itself.
        """
        started = self._monotonic()
        done: list[tuple[int, int]] = []
        more = False
        try:
            done = self._roll_up(connection)
            more = len(done) == _MINUTES_PER_SLICE
            if not more and started >= self._retention_due:
                more = self._forget(connection)
                if not more:
                    self._retention_due = started + _RETENTION_EVERY
        except Exception as error:  # noqa: BLE001 - whatever the rows are, the writer must go on
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            done, more = [], False
            unexpected = None if isinstance(error, sqlite3.Error) else error
            text = "store %s: writes go on, roll-ups and retention are tried again in 5 s: %s"
            _log.warning(text, self._file, error, exc_info=unexpected)
        now = self._monotonic()
        self._due = now + ((now - started) * _SHARE if more else _REST)
        return done

    def _roll_up(self, connection: sqlite3.Connection) -> list[tuple[int, int]]:
        now_ms = round(self._wall() * 1000)
        connection.execute("BEGIN IMMEDIATE")
        done = roll_up_minutes(
            connection,
            now_ms - MINUTE_MS - _LATENESS_MS,
            self._before(self._retention, now_ms),
            _MINUTES_PER_SLICE,
        )
        connection.execute("COMMIT")
        return done

    def _forget(self, connection: sqlite3.Connection) -> bool:
        """Delete some of what is too old and rolled up; whether there may be more of it."""
        now_ms = round(self._wall() * 1000)
        for table, kept in (("readings", self._retention), ("minutes", self._rollups)):
            before = self._before(kept, now_ms)
            waiting = connection.execute("SELECT 1 FROM stale WHERE minute_ms < ? LIMIT 1", (before,))
            if waiting.fetchone():
                return False
            for (columns_id,) in connection.execute("SELECT id FROM columns").fetchall():
                if self._delete(connection, table, columns_id, before) == _ROWS_PER_SLICE:
                    return True
        return False

    @staticmethod
    def _before(kept: float | None, now_ms: int) -> int:
        """The minute before which all is too old."""
        if kept is None:
            return _NEVER
        return (now_ms - round(kept * 1000)) // MINUTE_MS * MINUTE_MS

    @staticmethod
    def _delete(connection: sqlite3.Connection, table: str, columns_id: int, before: int) -> int:
        oldest = connection.execute(
            f"SELECT min(time_ms) FROM {table} WHERE columns_id = ?", (columns_id,)
        ).fetchone()[0]
        if oldest is None or oldest >= before:
            return 0
        deleted = connection.execute(
            f"DELETE FROM {table} WHERE columns_id = :columns AND time_ms IN (SELECT time_ms FROM {table}"
            " WHERE columns_id = :columns AND time_ms < :before ORDER BY time_ms LIMIT :most)",
            {"columns": columns_id, "before": before, "most": _ROWS_PER_SLICE},
        )
        return deleted.rowcount
