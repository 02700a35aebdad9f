"""The files of an open store: what is open must be what a reader, or the next start, finds by their names."""

from __future__ import annotations

from pathlib import Path

LOGS = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps beside a store while it is open."""


class StoreFiles:
    """Which files were there when the store was opened: by device and inode, which a name does not tell."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened = _place(file)
        found = {Path(f"{file}{suffix}"): _place(Path(f"{file}{suffix}")) for suffix in LOGS}
        self._logs = {log: place for log, place in found.items() if place is not None}

    @property
    def in_place(self) -> bool:
        """Whether the store's own file is still the one that was opened."""
        return self._opened is not None and _place(self._file) == self._opened

    def lost_logs(self) -> list[Path]:
        """The files beside it that were removed or replaced; what is only in them a crash would lose."""
        return [log for log, place in self._logs.items() if _place(log) != place]


def _place(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
