"""Roll-ups of a store file: one row summarises all readings of one minute, point by point.

A transaction that stores readings marks their minutes as stale; one that rolls a minute up takes the mark
away. So after any crash, and for data that comes late, a minute is either rolled up from all its readings
or marked, and a reader knows where to look.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from qilu.contract.limits import MAX_FLOAT
from qilu.stores.interval_summaries import Summary, sample
from qilu.stores.sqlite.rows import decode_reasons, decode_values, encode, value_at

MINUTE_MS = 60_000

_log = logging.getLogger(__name__)

_NUMBERS = frozenset((float, int, bool))
_ROWS = """
SELECT "values", reasons FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms
"""


def roll_up_minutes(
    connection: sqlite3.Connection, before_ms: int, kept_ms: int, limit: int
) -> list[tuple[int, int]]:
    """Roll up at most `limit` of the stale minutes before `before_ms`, inside the caller's transaction.

    Return them as (columns_id, minute). A minute before `kept_ms` may have lost readings to the retention: if
    it was rolled up once, that stays.
    """
    stale = connection.execute(
        "SELECT columns_id, minute_ms FROM stale WHERE minute_ms < ? ORDER BY minute_ms LIMIT ?",
        (before_ms, limit),
    ).fetchall()
    for columns_id, minute_ms in stale:
        verb = "REPLACE" if minute_ms >= kept_ms else "IGNORE"
        try:
            _roll_up(connection, columns_id, minute_ms, verb)
        except sqlite3.Error:
            raise
        except Exception:  # noqa: BLE001 - what one minute holds must stop neither the others nor the writer
            _log.exception(
                "the minute %d of columns %d cannot be summarized: its readings stay, queries by the minute"
                " do not have them",
                minute_ms,
                columns_id,
            )
    connection.executemany("DELETE FROM stale WHERE columns_id = ? AND minute_ms = ?", stale)
    return stale


def _roll_up(connection: sqlite3.Connection, columns_id: int, minute_ms: int, verb: str) -> None:
    rows = connection.execute(_ROWS, (columns_id, minute_ms, minute_ms + MINUTE_MS)).fetchall()
    if rows:
        connection.execute(
            f"INSERT OR {verb} INTO minutes VALUES (?, ?, ?)",
            (columns_id, minute_ms, encode(summarize(rows))),
        )


def summarize(rows: Sequence[tuple[str, str | None]]) -> list[Summary]:
    """One summary per point of rows (values, reasons) as they are stored, rising in time."""
    readings = [decode_values(values) for values, _ in rows]
    reasons = [decode_reasons(text) for _, text in rows]
    width = max(map(len, readings))
    if any(len(reading) < width for reading in readings):  # a row that cannot be read has no values
        readings = [[value_at(reading, index) for index in range(width)] for reading in readings]
    summaries = []
    any_reason = any(reasons)
    for index, column in enumerate(zip(*readings, strict=True)):
        if not any_reason and _NUMBERS.issuperset(map(type, column)):
            low, high = min(column), max(column)
            if low >= -MAX_FLOAT and high <= MAX_FLOAT:  # the common case, and six times as fast
                total, last = float(sum(column)), column[-1]
                summaries.append(Summary(len(column), total, float(low), float(high), last, True, None))
                continue
        summary = Summary()
        for value, why in zip(column, reasons, strict=True):
            point_sample = sample(0, value, why.get(index))
            summary.add(point_sample.value, point_sample.reason)
        summaries.append(summary)
    return summaries
