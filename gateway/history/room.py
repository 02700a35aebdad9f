"""How long each kind of a history fits into `max_bytes`, for the points and periods of a gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.history.settings import DAY_S, HistorySettings

RAW_BYTES = 4.5
"""Bytes of a value on disk, where many share a block."""
_ALONE_BYTES = 7.0
"""Bytes of a value that is alone in its block."""
_BLOCK_BYTES = 40
_ROLL_UP_BYTES = 11.0
"""Bytes of the roll-up of several values."""
_SINGLE_BYTES = 4.0
"""Of one value alone."""
_OWN_BYTES_PER_DAY = 2_500_000
"""What a gateway reports about itself in a day, and the pages that each commit rewrites."""
_BUCKET_S = 7.5


@dataclass(frozen=True, slots=True)
class PolledGroup:
    """A poll group of a device: so many values every `period` seconds."""

    points: int
    period: float
    device: str = ""
    group: str = ""
    profile: str | None = None


class FileSize(Protocol):
    """A file of a history, as far as it matters here."""

    @property
    def kind(self) -> str: ...
    @property
    def first_day(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def torn(self) -> bool: ...
    @property
    def ahead(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class KindRoom:
    """One kind: bytes a day, seconds that the settings ask for, and seconds that fit."""

    kind: str
    bytes_per_day: float
    asked_s: float
    fits_s: float


@dataclass(frozen=True, slots=True)
class HistoryRoom:
    """What fits. `bytes`: of all kinds once they are full. `measured`: by the files, else an estimate."""

    kinds: tuple[KindRoom, ...]
    bytes: float
    max_bytes: int
    measured: bool = False

    @property
    def fits(self) -> bool:
        """Whether all that the settings ask for fits."""
        return all(kind.fits_s >= kind.asked_s for kind in self.kinds)


def estimate(groups: Iterable[PolledGroup]) -> tuple[float, float, float]:
    """Bytes a day of raw, minutes and quarters."""
    raw, minutes, quarters = float(_OWN_BYTES_PER_DAY), _OWN_BYTES_PER_DAY / 5, _OWN_BYTES_PER_DAY / 50
    for group in groups:
        polls = DAY_S / group.period
        alone = group.period >= _BUCKET_S
        raw += polls * group.points * (_ALONE_BYTES if alone else RAW_BYTES)
        raw += min(polls, DAY_S / _BUCKET_S) * _BLOCK_BYTES
        minutes += group.points * _rolled(1440, polls)
        quarters += group.points * _rolled(96, polls)
    return raw, minutes, quarters


def _rolled(slots: int, polls: float) -> float:
    return min(polls, slots) * (_ROLL_UP_BYTES if polls > slots else _SINGLE_BYTES)


def measured_or(
    estimated: tuple[float, float, float], files: Sequence[FileSize]
) -> tuple[tuple[float, float, float], bool]:
    """Bytes a day by the whole days that there are of each kind; `estimated` where there are none.

    And whether the first kind is measured.
    """
    rates: list[float] = []
    measured = False
    for kind, rate in zip(("raw", "minutes", "quarters"), estimated, strict=True):
        sizes: dict[int, int] = {}
        for file in files:
            if file.kind == kind and not file.torn and not file.ahead:
                sizes[file.first_day] = sizes.get(file.first_day, 0) + file.size
        whole = sorted(sizes)[1:-1]  # the first day may be one of a start, the last one is not over
        days = 30.4 if kind == "quarters" else 1.0
        if whole:
            rate = sum(sizes[day] for day in whole) / len(whole) / days
            measured = measured or kind == "raw"
        rates.append(rate)
    return (rates[0], rates[1], rates[2]), measured


def room_of(
    settings: HistorySettings, per_day: tuple[float, float, float], measured: bool = False
) -> HistoryRoom:
    """What fits where each kind takes so many bytes a day: what goes first gives way first."""
    asked = (settings.raw, settings.minutes, settings.quarters)
    needed = [rate * seconds / DAY_S for rate, seconds in zip(per_day, asked, strict=True)]
    all_of_it = tuple(needed)
    over = sum(needed) - settings.max_bytes
    for number, size in enumerate(needed):
        if over <= 0:
            break
        kept = max(size - over, min(size, settings.max_bytes / 10))
        over -= size - kept
        needed[number] = kept
    kinds = tuple(
        KindRoom(kind, rate, seconds, seconds if size == full else size / rate * DAY_S)
        for kind, rate, seconds, size, full in zip(
            ("raw", "minutes", "quarters"), per_day, asked, needed, all_of_it, strict=True
        )
    )
    return HistoryRoom(kinds, sum(needed), settings.max_bytes, measured)
