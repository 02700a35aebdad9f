"""How many records one write has: fewer after one that took too long, and slowly more again."""

from __future__ import annotations

_GROWTH = 32  # a write that fits lets the next one be longer by this part of it


class WriteSize:
    """Pure. `records` is the limit now; None where there is none beside that of a batch."""

    def __init__(self, max_records: int) -> None:
        self._max_records = max_records
        self.records: int | None = None

    def too_long(self, records: int) -> None:
        """A write of so many did not end in time."""
        self.records = max(records // 2, 1)

    def fitted(self, records: int) -> None:
        """A write of so many ended in time."""
        if self.records is None or records < self.records:
            return
        self.records += max(self.records // _GROWTH, 1)
        if self.records >= self._max_records:
            self.records = None
