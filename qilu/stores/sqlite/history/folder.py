"""The folder of a history, for its writer: open files, room, and files that cannot be read."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qilu.contract.units import format_bytes
from qilu.stores.sqlite.files import LOGS
from qilu.stores.sqlite.history.day_file import DayFile
from qilu.stores.sqlite.history.files import HistoryFile, Kind, listing, name_of
from qilu.stores.sqlite.history.retention import Bounds, expired
from qilu.stores.sqlite.schema import claim

DISK_ERRORS = (sqlite3.Error, OSError)
"""What a writer raises where the disk refuses."""
_MAX_OPEN = 6
"""Files that are open at the same time."""
_log = logging.getLogger(__name__)


class HistoryFolder:
    """All in one thread. sqlite3.Error and OSError where the disk refuses: try again later.

    `now_ms`: UTC, as far as it is known. `min_free`: bytes of the file system that are left to others.
    """

    def __init__(self, path: Path, bounds: Bounds, now_ms: Callable[[], int], min_free: int = 0) -> None:
        self.path = path
        self.bounds = bounds
        self.now_ms = now_ms
        self._min_free = min_free
        self._open_files: dict[str, DayFile] = {}
        self.settled: set[str] = set()
        """Names of files in which nothing has to be rolled up: nothing new came since that was seen."""
        self._lock: sqlite3.Connection | None = None

    def open(self) -> None:
        """Take the folder for this process alone. ConfigError, UnreachableError."""
        self._lock = claim(self.path / "history")

    def close(self) -> None:
        for name in list(self._open_files):
            self._close(name)
        if self._lock is not None:
            self._lock.close()

    def files(self, kind: Kind, first_day: int | None = None) -> list[HistoryFile]:
        """The readable files of a kind, of all days or of one, by day and part."""
        return [
            file
            for file in listing(self.path)
            if file.kind is kind
            and not (file.torn or file.ahead)
            and (first_day is None or file.first_day == first_day)
        ]

    def target(self, kind: Kind, first_day: int) -> DayFile:
        """The file of a day that takes what is new: its last part, or a further one where that is full."""
        parts = self.files(kind, first_day)
        part = parts[-1].part + (parts[-1].size >= self.bounds.part_bytes) if parts else 1
        name = name_of(kind, first_day, part)
        self.settled.discard(name)
        return self.get(name)

    def get(self, name: str) -> DayFile:
        """The file of this name, opened or made where it is not."""
        file = self._open_files.pop(name, None)
        if file is not None and not file.in_place:
            _log.warning(
                "local history: %s was removed or replaced; queries no longer have its values", file.path
            )
            file.close()
            file = None
            self.settled.discard(name)
        if file is None:
            file = DayFile(self.path / name)
        self._open_files[name] = file  # the last one used is the last one to close
        while len(self._open_files) > _MAX_OPEN:
            self._close(next(iter(self._open_files)))
        return file

    def _close(self, name: str) -> None:
        file = self._open_files.pop(name, None)
        if file is not None:
            file.close()

    def make_room(self) -> None:
        """Delete what is beyond the bounds. OSError where the disk has less room than is left to others."""
        files = listing(self.path)
        short = max(self._min_free - self._free(), 0)
        needed = self.bounds.max_bytes - sum(file.size for file in files) + short if short else 0
        for file in expired(files, self.bounds, self.now_ms(), max(needed, 0)):
            self._delete(file)
        if short and self._free() < self._min_free:
            raise OSError(
                errno.ENOSPC, f"less than {format_bytes(self._min_free)} are free (spool.min_free_disk)"
            )

    def _free(self) -> int:
        try:
            status = os.statvfs(self.path)
        except FileNotFoundError:
            return self._min_free
        return status.f_bavail * status.f_frsize

    def _delete(self, file: HistoryFile) -> None:
        self._close(file.name)
        self.settled.discard(file.name)
        for suffix in ("", *LOGS):
            with suppress(FileNotFoundError):
                (self.path / f"{file.name}{suffix}").unlink()
        _log.info("local history: %s deleted (%s)", file.name, format_bytes(file.size))

    def set_aside(self, name: str) -> None:
        """Give a file that cannot be read another name, so that its day begins anew. OSError."""
        self._close(name)
        self.settled.discard(name)
        stem = name.removesuffix(".db")
        used = {file.name for file in listing(self.path)}
        number = next(n for n in range(1, len(used) + 2) if f"{stem}.torn-{n}" not in used)
        path = self.path / name
        with suppress(FileNotFoundError):
            path.rename(self.path / f"{stem}.torn-{number}")
        for suffix in LOGS:
            with suppress(FileNotFoundError):
                (self.path / f"{name}{suffix}").unlink()
        _log.error(
            "local history: %s cannot be read; it is set aside as %s.torn-%d, and a new file takes its place:"
            " delete it, or repair a copy with `sqlite3 FILE .recover`",
            *(path, stem, number),
        )
