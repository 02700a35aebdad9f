"""The rowids of a history file: time first, so that every write goes to the end of its table. Pure."""

from __future__ import annotations

BUCKET_MS = 7_500
"""Readings of so many ms and of the same columns are one block: a commit and its delay take 10 s."""
MINUTE_MS = 60_000
QUARTER_MS = 900_000
DAY_MS = 86_400_000
COARSE_MS = 3 * 3_600_000
"""The coarsest roll-ups, of which a month is one row for each point: a chart of a year reads twelve."""

COLUMN_BITS = 20
MAX_COLUMNS = 1 << COLUMN_BITS
"""Columns of one file, at most."""
PART_BITS = 12
PART_POINTS = 4
"""Points that share one row of minutes. Quarters have a row for each point: a chart of a year reads many."""
MAX_POINTS = 1 << PART_BITS
"""Points of some columns, at most."""
_MONTHS = 1 << 20
"""Slots of months come after all days."""
MAX_SLOT = 1 << 32
"""More than any slot."""


def block_id(bucket: int, columns_id: int) -> int:
    """The row of the readings of some columns in one bucket (time // BUCKET_MS)."""
    return bucket << COLUMN_BITS | columns_id


def slot_id(slot: int, columns_id: int) -> int:
    """The row of some columns in one slot: a quarter of an hour in raw files, a day in those of minutes."""
    return slot << COLUMN_BITS | columns_id


def last_quarter(day: int) -> int:
    """The last quarter of an hour of a day."""
    return (day + 1) * (DAY_MS // QUARTER_MS) - 1


def month_slot(first_day: int) -> int:
    """The slot of the coarse roll-ups of the month that begins on this day."""
    return _MONTHS + first_day


def split_id(row_id: int) -> tuple[int, int]:
    """Bucket or slot, and columns."""
    return row_id >> COLUMN_BITS, row_id & (MAX_COLUMNS - 1)


def part_id(slot: int, columns_id: int, part: int) -> int:
    """The row of the roll-ups of PART_POINTS points of some columns in one slot."""
    return slot_id(slot, columns_id) << PART_BITS | part
