"""The files of an open store: what is open must be what a reader, or the next start, finds by their names."""

from __future__ import annotations

from pathlib import Path

LOGS = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps beside a store while it is open."""


class StoreFiles:
    """Which files were there when the store was opened: by device and inode, which a name does not show."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened = _file_id(file)
        file_ids = {Path(f"{file}{suffix}"): _file_id(Path(f"{file}{suffix}")) for suffix in LOGS}
        self._logs = {log: place for log, place in file_ids.items() if place is not None}

    @property
    def in_place(self) -> bool:
        """Whether the store's own file is still the one that was opened."""
        return self._opened is not None and _file_id(self._file) == self._opened

    def lost_logs(self) -> list[Path]:
        """The files beside it that were removed or replaced; what is only in them a crash would lose."""
        return [log for log, place in self._logs.items() if _file_id(log) != place]


def _file_id(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
