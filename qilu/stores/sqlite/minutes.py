"""Roll-ups of a store file: one row tells what all readings of one minute said, point by point.

A transaction that stores readings marks their minutes as stale; one that rolls a minute up takes the mark
away. So after any crash, and for data that comes late, a minute is either rolled up from all its readings
or marked, and a reader knows where to look.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from qilu.contract.reading import Reason, Value
from qilu.stores.intervals import Summary, sample

MINUTE_MS = 60_000

_decode_values = msgspec.json.Decoder(list[Value]).decode
_decode_reasons = msgspec.json.Decoder(dict[int, Reason]).decode
_encode = msgspec.json.Encoder().encode
decode_summaries = msgspec.json.Decoder(list[Summary]).decode

_NUMBERS = frozenset((float, int, bool))
_ROWS = """
SELECT "values", reasons FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms
"""


def roll_up_some(
    connection: sqlite3.Connection, before_ms: int, kept_ms: int, most: int
) -> list[tuple[int, int]]:
    """Roll up at most `most` of the stale minutes before `before_ms`, inside the caller's transaction.

    Return them as (columns_id, minute). A minute before `kept_ms` may have lost readings to the retention: if
    it was rolled up once, that stays.
    """
    stale = connection.execute(
        "SELECT columns_id, minute_ms FROM stale WHERE minute_ms < ? ORDER BY minute_ms LIMIT ?",
        (before_ms, most),
    ).fetchall()
    for columns_id, minute_ms in stale:
        rows = connection.execute(_ROWS, (columns_id, minute_ms, minute_ms + MINUTE_MS)).fetchall()
        verb = "REPLACE" if minute_ms >= kept_ms else "IGNORE"
        if rows:
            summaries = _encode(summarize(rows)).decode()
            connection.execute(
                f"INSERT OR {verb} INTO minutes VALUES (?, ?, ?)", (columns_id, minute_ms, summaries)
            )
    connection.executemany("DELETE FROM stale WHERE columns_id = ? AND minute_ms = ?", stale)
    return stale


def summarize(rows: Sequence[tuple[str, str | None]]) -> list[Summary]:
    """One summary per point of rows (values, reasons) as they are stored, rising in time."""
    readings = [_decode_values(values) for values, _ in rows]
    reasons = [_decode_reasons(text) if text else {} for _, text in rows]
    found = []
    any_reason = any(reasons)
    for index, column in enumerate(zip(*readings, strict=True)):
        if any_reason or not _NUMBERS.issuperset(map(type, column)):
            summary = Summary()
            for value, why in zip(column, reasons, strict=True):
                one = sample(0, value, why.get(index))
                summary.add(one.value, one.reason)
            found.append(summary)
        else:  # the common case, and six times as fast
            low, high = float(min(column)), float(max(column))
            found.append(Summary(len(column), float(sum(column)), low, high, column[-1], True, None))
    return found
