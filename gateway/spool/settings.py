"""The settings of the spool, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from qilu.contract.units import ByteSize, Duration, Period
from qilu.contract.validation import FrozenModel

_SMALLEST_SEGMENT = 4096


class SpoolSettings(FrozenModel):
    """Where records are kept, how many, and how soon they are safe from a power cut.

    A relative `directory` is meant from the working directory: whoever reads the file resolves it first.
    """

    directory: Path
    """The folder of its files; of this edge alone."""
    max_bytes: ByteSize = 2 * 10**9
    """Bytes of all records that it keeps, at most, those in quarantine among them."""
    max_age: Period = 30 * 86_400
    """Seconds after which records are given up, whatever became of them."""
    acked_retention: Duration = 0.0
    """Seconds for which durable records stay on disk, so that `qilu spool replay` can fill a lost store.
    They are the first to go where the bounds need room."""
    min_free_disk: ByteSize = 200 * 10**6
    """Bytes of the file system that the spool leaves to others."""
    when_full: Literal["drop_oldest", "block"] = "drop_oldest"
    """At a bound: give up the oldest records, or take no new ones. Age always gives up the oldest."""
    sync_interval: Duration | Literal["always"] = 0.2
    """Seconds between two commits, which is what a power cut may cost; or one commit per record."""
    max_segment_bytes: ByteSize = 8 * 2**20
    """Bytes of one file, at most: what is given up at a bound is the oldest file."""

    @property
    def segment_size(self) -> int:
        """Bytes of one segment file: small enough that whole segments can be given up one by one."""
        return max(min(self.max_segment_bytes, self.max_bytes // 8), _SMALLEST_SEGMENT)
