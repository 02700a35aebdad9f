"""The files of a history by their names: kind, days and part. Pure, but for the listing of a folder.

raw-2026-11-30.db      the readings of a day (UTC)
raw-2026-11-30.2.db    its second part: a file has a limit, so that a full history is deleted in small steps
minutes-2026-11-30.db  roll-ups of 1 min
quarters-2026-11.db    roll-ups of 15 min, of a month
raw-ahead.db           readings more than 24 h ahead of the clock
raw-2026-11-30.torn-1  set aside, because it could not be read
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from qilu.stores.sqlite.history.keys import DAY_MS

_EPOCH = date(1970, 1, 1).toordinal()
_LATEST = date.max.toordinal() - _EPOCH
_LOG = "-wal"
_NAME = re.compile(r"(raw|minutes|quarters)-(ahead|\d{4}-\d{2}(?:-\d{2})?)(?:\.(\d{1,6}))?\.(db|torn-\d+)")


class Kind(StrEnum):
    RAW = "raw"
    MINUTES = "minutes"
    QUARTERS = "quarters"


@dataclass(frozen=True, slots=True, order=True)
class HistoryFile:
    """One file: `first_day` to `last_day` (days since 1970), both included. `ahead`: of no known days.

    `torn`: set aside, with nothing that can be read.
    """

    kind: Kind
    first_day: int
    part: int
    name: str
    last_day: int = 0
    size: int = 0
    written_ms: int = 0
    ahead: bool = False
    torn: bool = False

    @property
    def end_ms(self) -> int:
        """The end of its last day (UTC)."""
        return (self.last_day + 1) * DAY_MS


def name_of(kind: Kind, day: int, part: int) -> str:
    """The name of the file of a day (days since 1970)."""
    shown = date.fromordinal(min(day, _LATEST) + _EPOCH)
    period = f"{shown:%Y-%m}" if kind is Kind.QUARTERS else shown.isoformat()
    return f"{kind}-{period}.db" if part == 1 else f"{kind}-{period}.{part}.db"


AHEAD = "raw-ahead.db"


@lru_cache(maxsize=2_000)
def parse_name(name: str) -> HistoryFile | None:
    """The file of a name, without its size; None where it is not one of a history."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    kind, period, part, torn = Kind(match[1]), match[2], int(match[3] or 1), match[4] != "db"
    if period == "ahead":
        return HistoryFile(kind, 0, part, name, 0, ahead=True, torn=torn)
    year, month, *days = map(int, period.split("-"))
    if bool(days) == (kind is Kind.QUARTERS):
        return None
    try:
        first_day = date(year, month, *(days or (1,))).toordinal() - _EPOCH
    except ValueError:
        return None
    last_day = month_of(first_day)[1] if kind is Kind.QUARTERS else first_day
    return HistoryFile(kind, first_day, part, name, last_day, torn=torn)


def month_of(day: int) -> tuple[int, int]:
    """The first and the last day of the month of a day."""
    first = date.fromordinal(min(day, _LATEST - 31) + _EPOCH).replace(day=1)
    following = date.fromordinal(first.toordinal() + 31).replace(day=1)
    return first.toordinal() - _EPOCH, following.toordinal() - _EPOCH - 1


def listing(folder: Path) -> list[HistoryFile]:
    """The files of a folder by kind, day and part, each with the bytes of its log; empty without a folder."""
    files: dict[str, HistoryFile] = {}
    logs: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_log = entry.name.endswith(_LOG)
                file = None if is_log else parse_name(entry.name)
                if not (is_log or file) or not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if file is None:
                    logs[entry.name.removesuffix(_LOG)] = status.st_size
                else:
                    written_ms = status.st_mtime_ns // 1_000_000
                    files[file.name] = replace(file, size=status.st_size, written_ms=written_ms)
    except FileNotFoundError:
        return []
    for name in files.keys() & logs.keys():
        files[name] = replace(files[name], size=files[name].size + logs[name])
    return sorted(files.values())
