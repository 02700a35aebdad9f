"""One point of a device in the files of a history: its samples, or roll-ups where samples would be many."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from qilu.contract.accounting import EVENTS
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Sample
from qilu.stores.interval_summaries import first_per_time
from qilu.stores.sqlite.history.blocks import samples_of
from qilu.stores.sqlite.history.files import HistoryFile, Kind
from qilu.stores.sqlite.history.keys import (
    BUCKET_MS,
    COARSE_MS,
    DAY_MS,
    MINUTE_MS,
    PART_POINTS,
    QUARTER_MS,
    month_slot,
)
from qilu.stores.sqlite.history.search import Columns, OpenFile, Search
from qilu.stores.sqlite.history.summaries import Strip, decode_point, roll_up, strip_of

_MINUTES = QUARTER_MS // MINUTE_MS
_QUARTERS = DAY_MS // QUARTER_MS
_LATEST_DAYS = 3
"""Days that may not be rolled up yet; of earlier ones only what comes very late is missing for a moment."""


class PointName(NamedTuple):
    """A point of a device, of one of its profiles or of all."""

    device: DeviceKey
    point: str
    profile: str | None = None


class PointQuery:
    """Asks the files of one folder for one point. Times are UTC in ms, an end is not included.

    `recent`: samples that are not in the files yet.
    """

    def __init__(self, search: Search, name: PointName, recent: Sequence[Sample] = ()) -> None:
        self._recent = recent
        self._search = search
        self._name = name
        self._files = search.all_files()

    def samples(self, start_ms: int, end_ms: int) -> list[Sample]:
        """Its samples, rising; those of events also where only quarters are left."""
        samples = [sample for sample in self._recent if start_ms <= sample.time_ms < end_ms]
        raw = [f for f in self._files[Kind.RAW] if f.ahead or _overlaps(f, start_ms, end_ms)]
        days = {file.first_day for file in raw if not file.ahead}
        months = [f for f in self._files[Kind.QUARTERS] if _overlaps(f, start_ms, end_ms)]
        for of_file in self._search.each(
            raw, lambda file: self._samples(file, start_ms, end_ms, events=False)
        ):
            samples += of_file
        if len(days) <= (end_ms - 1) // DAY_MS - start_ms // DAY_MS:
            for of_file in self._search.each(
                months, lambda file: self._samples(file, start_ms, end_ms, events=True)
            ):
                samples += of_file
        samples.sort(key=lambda entry: entry.time_ms)
        return list(first_per_time(samples))

    def has_raw(self, day: int) -> bool:
        """Whether there is a file with the readings of this day."""
        return any(file.first_day == day and not file.ahead for file in self._files[Kind.RAW])

    def minutes(self, start_ms: int, end_ms: int) -> list[Strip]:
        """Its minutes in whole quarters, rising. What is not rolled up yet is made of its samples."""
        strips: list[Strip] = []
        for day in range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1):
            first = max(start_ms, day * DAY_MS) // QUARTER_MS
            last = (min(end_ms, (day + 1) * DAY_MS) - 1) // QUARTER_MS
            strips += self._minutes_of_day(day, first, last)
        return strips

    def quarters(self, start_ms: int, end_ms: int) -> list[Strip]:
        """Its quarters, rising, in strips of whole days. Of days that are not rolled up yet: its minutes."""
        days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
        return self._quarters(days, self._open_days(days))

    def coarse(self, start_ms: int, end_ms: int) -> list[Strip]:
        """Its roll-ups of three hours, rising, in strips of whole months. Of months without: its quarters."""
        days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
        open_days = self._open_days(days)
        months = {
            file.name: range(file.first_day, file.last_day + 1)
            for file in self._files[Kind.QUARTERS]
            if file.first_day <= days[-1] and file.last_day >= days[0]
        }
        slots = {
            name: [month_slot(of_month[0])]
            for name, of_month in months.items()
            if open_days.isdisjoint(of_month)
        }
        lengths = {month_slot(of_month[0]): of_month for of_month in months.values()}
        rest, strips = set(days), []
        for slot, rows in self._rows(slots).items():
            of_month = lengths[slot]
            start_ms, pieces = of_month[0] * DAY_MS, len(of_month) * (DAY_MS // COARSE_MS)
            if (strip := _strip(rows, start_ms, COARSE_MS, pieces)) is not None:
                strips.append(strip)
                rest.difference_update(of_month)
        strips += self._quarters(rest, open_days)
        return sorted(strips, key=lambda strip: strip.start_ms)

    def _quarters(self, days: Collection[int], open_days: Collection[int]) -> list[Strip]:
        wanted = sorted(set(days).difference(open_days))
        slots = {
            file.name: of_file
            for file in self._files[Kind.QUARTERS]
            if (of_file := [day for day in wanted if file.first_day <= day <= file.last_day])
        }
        strips: dict[int, list[Strip]] = {}
        for day, rows in self._rows(slots).items():
            if (strip := _strip(rows, day * DAY_MS, QUARTER_MS, _QUARTERS)) is not None:
                strips[day] = [strip]
        finer = {file.first_day for kind in (Kind.RAW, Kind.MINUTES) for file in self._files[kind]}
        for day in finer.intersection(days).difference(strips):
            strips[day] = self._minutes_of_whole(day)
        return [strip for day in sorted(strips) for strip in strips[day]]

    def _rows(self, slots: Mapping[str, Sequence[int]]) -> dict[int, list[bytes]]:
        """Slot -> its rows in these files: one for each columns that the point was in."""
        rows: dict[int, dict[tuple[str, str, tuple[str, ...]], bytes]] = {}
        files = [file for file in self._files[Kind.QUARTERS] if file.name in slots]
        for of_file in self._search.each(files, lambda file: self._rows_of(file, slots[file.path.name])):
            for slot, columns, data in of_file:  # a later part of a file has the newer row
                rows.setdefault(slot, {})[columns.profile, columns.group, columns.points] = data
        return {slot: list(of_slot.values()) for slot, of_slot in rows.items()}

    def _rows_of(self, file: OpenFile, slots: Sequence[int]) -> list[tuple[int, Columns, bytes]]:
        return [
            (slot, columns, data)
            for columns, index in self._of(file)
            for slot, data in file.roll_ups(columns.id, index, slots)
        ]

    def _of(self, file: OpenFile) -> Iterator[tuple[Columns, int]]:
        """Columns with the point, and its index in them."""
        for columns in file.columns(self._name.device, self._name.profile):
            if self._name.point in columns.points:
                yield columns, columns.points.index(self._name.point)

    def _samples(self, file: OpenFile, start_ms: int, end_ms: int, *, events: bool) -> list[Sample]:
        samples: list[Sample] = []
        for columns, index in self._of(file):
            if events and columns.group != EVENTS:
                continue
            for quarter, _ in file.present(columns.id, start_ms // QUARTER_MS, (end_ms - 1) // QUARTER_MS):
                first = max(quarter * QUARTER_MS, start_ms) // BUCKET_MS
                last = (min((quarter + 1) * QUARTER_MS, end_ms) - 1) // BUCKET_MS
                for _, data in file.blocks(columns.id, range(first, last + 1)):
                    samples += _readable(data, index)
        return [sample for sample in samples if start_ms <= sample.time_ms < end_ms]

    def _minutes_of_whole(self, day: int) -> list[Strip]:
        first = day * DAY_MS // QUARTER_MS
        return self._minutes_of_day(day, first, first + _QUARTERS - 1)

    def _minutes_of_day(self, day: int, first: int, last: int) -> list[Strip]:
        raw = [file for file in self._files[Kind.RAW] if file.first_day == day and not file.ahead]
        minutes = [file for file in self._files[Kind.MINUTES] if file.first_day == day]
        strips: dict[int, Strip] = {}
        for of_file in self._search.each(minutes, lambda file: self._rolled(file, first, last)):
            strips.update(of_file)
        stale: set[int] = set()
        for slots in self._search.each(raw, lambda file: self._stale(file, first, last)):
            stale |= slots
        for quarter in stale:
            strips[quarter] = self._from_samples(quarter)
        return [strips[quarter] for quarter in sorted(strips)]

    def _rolled(self, file: OpenFile, first: int, last: int) -> dict[int, Strip]:
        strips: dict[int, Strip] = {}
        for columns, index in self._of(file):
            part, within = divmod(index, PART_POINTS)
            for quarter, data in file.roll_ups(columns.id, part, range(first, last + 1)):
                try:
                    strip = decode_point(data, within, quarter * QUARTER_MS, MINUTE_MS, _MINUTES)
                except ValueError:
                    continue
                known = strips.get(quarter)
                strips[quarter] = strip if known is None else _both(known, strip)
        return strips

    def _stale(self, file: OpenFile, first: int, last: int) -> set[int]:
        return {
            quarter
            for columns, _ in self._of(file)
            for quarter, stale in file.present(columns.id, first, last)
            if stale
        }

    def _from_samples(self, quarter: int) -> Strip:
        start_ms = quarter * QUARTER_MS
        by_minute: list[list[Sample]] = [[] for _ in range(_MINUTES)]
        for sample in self.samples(start_ms, start_ms + QUARTER_MS):
            by_minute[(sample.time_ms - start_ms) // MINUTE_MS].append(sample)
        rolled = [
            roll_up(
                ((s.time_ms, s.value, 0 if s.reason is None else s.reason.code) for s in of_minute),
                start_ms + (minute + 1) * MINUTE_MS,
            )
            for minute, of_minute in enumerate(by_minute)
        ]
        return strip_of(start_ms, MINUTE_MS, rolled)

    def _open_days(self, days: range) -> set[int]:
        """Of the latest days, those whose quarters are not all in the file of their month."""
        open_days: set[int] = set()
        newest = max((f.first_day for f in self._files[Kind.RAW] + self._files[Kind.MINUTES]), default=0)
        first, last = max(days[0], newest - _LATEST_DAYS), days[-1]
        for kind in (Kind.RAW, Kind.MINUTES):
            per_day = _QUARTERS if kind is Kind.RAW else 1
            files = [f for f in self._files[kind] if first <= f.first_day <= last and not f.ahead]
            for entry in files:
                slots = entry.first_day * per_day, (entry.first_day + 1) * per_day - 1
                if any(self._search.each([entry], lambda file, slots=slots: self._stale(file, *slots))):  # type: ignore[misc]
                    open_days.add(entry.first_day)
        return open_days


def _strip(rows: Sequence[bytes], start_ms: int, step_ms: int, steps: int) -> Strip | None:
    """The roll-ups of these rows of one slot as one; None where none can be read."""
    whole: Strip | None = None
    for data in rows:
        with suppress(ValueError):
            strip = decode_point(data, 0, start_ms, step_ms, steps)
            whole = strip if whole is None else _both(whole, strip)
    return whole


def _readable(data: bytes, index: int) -> list[Sample]:
    try:
        return samples_of(data, index)
    except ValueError:
        return []


def _overlaps(file: HistoryFile, start_ms: int, end_ms: int) -> bool:
    return file.first_day * DAY_MS < end_ms and file.end_ms > start_ms


def _both(first: Strip, second: Strip) -> Strip:
    """The same minutes of a point that moved into other columns meanwhile."""
    rolled = [first.joined(n, n + 1).joined(second.joined(n, n + 1)) for n in range(len(first.number))]
    return strip_of(first.start_ms, first.step_ms, rolled)
