"""One point of a device in the files of a history: its samples, or roll-ups where samples would be many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qilu.contract.accounting import EVENTS
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Sample
from qilu.stores.interval_summaries import first_per_time
from qilu.stores.sqlite.history.blocks import samples_of
from qilu.stores.sqlite.history.files import HistoryFile, Kind
from qilu.stores.sqlite.history.keys import BUCKET_MS, DAY_MS, MINUTE_MS, PART_POINTS, QUARTER_MS
from qilu.stores.sqlite.history.search import OpenFile, Search
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
        first, last = start_ms // DAY_MS, (end_ms - 1) // DAY_MS
        months = [f for f in self._files[Kind.QUARTERS] if f.first_day <= last and f.last_day >= first]
        open_days = self._open_days(first, last)
        strips: dict[int, list[Strip]] = {}
        wanted = [day for day in range(first, last + 1) if day not in open_days]
        days = {
            month.name: [day for day in wanted if month.first_day <= day <= month.last_day]
            for month in months
        }
        for of_file in self._search.each(months, lambda file: self._quarters(file, days[file.path.name])):
            strips.update((day, [strip]) for day, strip in of_file)
        finer = {file.first_day for kind in (Kind.RAW, Kind.MINUTES) for file in self._files[kind]}
        for day in finer.intersection(range(first, last + 1)).difference(strips):
            strips[day] = self._minutes_of_whole(day)
        return [strip for day in sorted(strips) for strip in strips[day]]

    def _of(self, file: OpenFile) -> Iterator[tuple[int, int, str]]:
        """Columns, the index of the point in them, and their poll group."""
        for columns in file.columns(self._name.device, self._name.profile):
            if self._name.point in columns.points:
                yield columns.id, columns.points.index(self._name.point), columns.group

    def _samples(self, file: OpenFile, start_ms: int, end_ms: int, *, events: bool) -> list[Sample]:
        samples: list[Sample] = []
        for columns_id, index, group in self._of(file):
            if events and group != EVENTS:
                continue
            for quarter, _ in file.present(columns_id, start_ms // QUARTER_MS, (end_ms - 1) // QUARTER_MS):
                first = max(quarter * QUARTER_MS, start_ms) // BUCKET_MS
                last = (min((quarter + 1) * QUARTER_MS, end_ms) - 1) // BUCKET_MS
                for _, data in file.blocks(columns_id, range(first, last + 1)):
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
        for columns_id, index, _ in self._of(file):
            part, within = divmod(index, PART_POINTS)
            for quarter, data in file.roll_ups(columns_id, part, range(first, last + 1)):
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
            for columns_id, _, _ in self._of(file)
            for quarter, stale in file.present(columns_id, first, last)
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

    def _open_days(self, first: int, last: int) -> set[int]:
        """Of the latest days, those whose quarters are not all in the file of their month."""
        open_days: set[int] = set()
        newest = max((f.first_day for f in self._files[Kind.RAW] + self._files[Kind.MINUTES]), default=0)
        first = max(first, newest - _LATEST_DAYS)
        for kind in (Kind.RAW, Kind.MINUTES):
            per_day = _QUARTERS if kind is Kind.RAW else 1
            files = [f for f in self._files[kind] if first <= f.first_day <= last and not f.ahead]
            for entry in files:
                slots = entry.first_day * per_day, (entry.first_day + 1) * per_day - 1
                if any(self._search.each([entry], lambda file, slots=slots: self._stale(file, *slots))):  # type: ignore[misc]
                    open_days.add(entry.first_day)
        return open_days

    def _quarters(self, file: OpenFile, days: Sequence[int]) -> list[tuple[int, Strip]]:
        strips: list[tuple[int, Strip]] = []
        for columns_id, index, _ in self._of(file):
            for day, data in file.roll_ups(columns_id, index, days):
                try:
                    strips.append((day, decode_point(data, 0, day * DAY_MS, QUARTER_MS, _QUARTERS)))
                except ValueError:
                    continue
        return strips


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
