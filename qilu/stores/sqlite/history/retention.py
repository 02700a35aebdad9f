"""Which files of a history go: by age, and by the bytes of all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qilu.stores.sqlite.history.files import HistoryFile, Kind
from qilu.stores.sqlite.history.keys import DAY_MS

SHARE = 10
"""Each kind keeps at least a tenth of `max_bytes`."""
PARTS = 20
"""A file has at most a twentieth of it, so that what goes at once is little."""
_HEADROOM = 50
"""Of which a fiftieth is kept free for what is written until the next look."""
_SMALLEST_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long each kind is kept (ms), and how many bytes all of them have."""

    ages_ms: Mapping[Kind, int]
    max_bytes: int

    @property
    def part_bytes(self) -> int:
        """The size from which a file gets a further part."""
        return max(self.max_bytes // PARTS, _SMALLEST_PART)


def expired(files: Sequence[HistoryFile], bounds: Bounds, now_ms: int, needed: int = 0) -> list[HistoryFile]:
    """The files to delete, in this order, so that `needed` more bytes have room.

    First those that are too old. Then, while there is no room: what was set aside, what is ahead of the
    clock, the oldest raw file, the oldest one of minutes, the oldest one of quarters; a kind is left alone
    once it would have less than its tenth, and so is the newest file of a kind.
    """
    leaving = [file for file in files if _too_old(file, bounds, now_ms)]
    kept = [file for file in files if file not in leaving]
    total = sum(file.size for file in kept) + needed
    room = bounds.max_bytes - bounds.max_bytes // _HEADROOM
    for file in _in_order(kept, bounds, now_ms):
        if total <= room:
            break
        leaving.append(file)
        total -= file.size
    return leaving


def _too_old(file: HistoryFile, bounds: Bounds, now_ms: int) -> bool:
    end_ms = file.written_ms if file.ahead or file.torn else file.end_ms
    return end_ms <= now_ms - bounds.ages_ms[file.kind]


def _in_order(files: Sequence[HistoryFile], bounds: Bounds, now_ms: int) -> Iterator[HistoryFile]:
    yield from sorted((file for file in files if file.torn), key=lambda file: file.written_ms)
    ahead = [file for file in files if not file.torn and _ahead(file, now_ms)]
    yield from sorted(ahead, key=lambda file: -file.first_day)
    for kind in Kind:
        of_kind = [file for file in files if file.kind is kind and not file.torn and not _ahead(file, now_ms)]
        left = sum(file.size for file in of_kind)
        for file in sorted(of_kind)[:-1]:
            if left - file.size < bounds.max_bytes // SHARE:
                break
            left -= file.size
            yield file


def _ahead(file: HistoryFile, now_ms: int) -> bool:
    return file.ahead or file.first_day * DAY_MS > now_ms + DAY_MS
