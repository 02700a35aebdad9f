"""Answers questions about a history, beside its writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from qilu.contract.accounting import EVENTS
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey, Reason, Value
from qilu.stores.interfaces import Device, Sample
from qilu.stores.interval_summaries import Summary, merge_summaries, per_interval, sample
from qilu.stores.sqlite.history.blocks import decode_block, good_count
from qilu.stores.sqlite.history.charts import Chart, chart
from qilu.stores.sqlite.history.files import Kind, listing
from qilu.stores.sqlite.history.keys import BUCKET_MS, DAY_MS, MINUTE_MS, QUARTER_MS
from qilu.stores.sqlite.history.point_query import PointName, PointQuery
from qilu.stores.sqlite.history.search import Columns, OpenFile, Search
from qilu.stores.sqlite.schema import unreachable

_Result = TypeVar("_Result")
_PER_QUARTER = QUARTER_MS // BUCKET_MS


class HistoryReader:
    """A `Reader` of one folder, in a thread of its own."""

    has_texts = True
    best_effort = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._search = Search(folder)
        self._thread: ThreadPoolExecutor

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history-reader")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._search.interrupt()  # a question that nobody waits for any more ends now
        closing = self._thread.submit(self._search.close)
        self._thread.shutdown(wait=False)
        await asyncio.wrap_future(closing)

    def torn_file(self) -> str | None:
        """The name of a file that could not be read, once."""
        return self._search.torn.pop() if self._search.torn else None

    async def devices(self) -> Sequence[Device]:
        return await self._in_thread(self._devices)

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        return await self._in_thread(self._points, device, profile)

    async def samples(
        self,
        device: DeviceKey,
        point: str,
        start_ms: int,
        end_ms: int,
        every_ms: int | None = None,
        *,
        profile: str | None = None,
        last: bool = False,
    ) -> Sequence[Sample]:
        """As `Reader` promises; single samples as far back as readings are kept."""
        name = PointName(device, point, profile)
        return await self._in_thread(self._samples, name, start_ms, end_ms, every_ms, last)

    async def chart(
        self, name: PointName, start_ms: int, end_ms: int, pixels: int, recent: Sequence[Sample] = ()
    ) -> Chart:
        """A point in a time, in at most `pixels` intervals; `recent`: samples that are in no file yet."""
        return await self._in_thread(self._chart, name, start_ms, end_ms, pixels, recent)

    async def rows(
        self, device: DeviceKey, profile: str, group: str, start_ms: int, end_ms: int
    ) -> Sequence[tuple[int, Mapping[str, Value]]]:
        """The readings of one poll group, rising; those of events also where only quarters are left."""
        return await self._in_thread(self._rows, device, profile, group, start_ms, end_ms)

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """As `Reader` promises; of readings that are still there, not of roll-ups."""
        return await self._in_thread(self._latest, device, profile)

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        """As `Reader` promises; of readings that are still there, not of roll-ups."""
        return await self._in_thread(self._count, device, profile, start_ms, end_ms)

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except sqlite3.Error as error:
            raise unreachable(self._folder, error) from error

    def _chart(
        self, name: PointName, start_ms: int, end_ms: int, pixels: int, recent: Sequence[Sample]
    ) -> Chart:
        query = PointQuery(self._search, name, recent)
        return chart(query, _within(start_ms), _within(end_ms), pixels)

    def _rows(
        self, device: DeviceKey, profile: str, group: str, start_ms: int, end_ms: int
    ) -> list[tuple[int, Mapping[str, Value]]]:
        start_ms, end_ms = _within(start_ms), _within(end_ms)
        if start_ms >= end_ms:
            return []
        kinds = (Kind.RAW, Kind.QUARTERS) if group == EVENTS else (Kind.RAW,)
        files = [
            file
            for kind in kinds
            for file in self._search.files(kind)
            if not file.ahead and file.first_day * DAY_MS < end_ms and file.end_ms > start_ms
        ]
        rows: dict[int, Mapping[str, Value]] = {}
        for of_file in self._search.each(
            files, lambda file: _rows(file, device, profile, group, start_ms, end_ms)
        ):
            rows.update(of_file)
        return sorted(rows.items(), key=lambda row: row[0])

    def _devices(self) -> list[Device]:
        newest: dict[tuple[str, str, str], Device] = {}
        for kind in Kind:  # the finest first
            files = [file for file in self._search.files(kind) if not file.ahead]
            for last in self._search.each(files[::-1], lambda file, kind=kind: _newest(file, kind)):  # type: ignore[misc]
                for device in last:
                    key = device.device, device.edge, device.profile
                    if key not in newest or (newest[key].last_ms < device.last_ms and kind is Kind.RAW):
                        newest[key] = device
        return [newest[key] for key in sorted(newest)]

    def _points(self, device: DeviceKey, profile: str | None) -> list[str]:
        points: set[str] = set()
        for kind in Kind:
            for columns in self._search.each(
                self._search.files(kind), lambda file: file.columns(device, profile)
            ):
                points.update(point for entry in columns for point in entry.points)
        return sorted(points)

    def _samples(
        self, name: PointName, start_ms: int, end_ms: int, every_ms: int | None, last: bool
    ) -> list[Sample]:
        query, start_ms, end_ms = PointQuery(self._search, name), _within(start_ms), _within(end_ms)
        if start_ms >= end_ms:
            return []
        first, end = -(-start_ms // MINUTE_MS) * MINUTE_MS, end_ms // MINUTE_MS * MINUTE_MS
        if every_ms is None or every_ms % MINUTE_MS or first >= end:
            samples = query.samples(start_ms, end_ms)
            return samples if every_ms is None else list(per_interval(samples, every_ms, last=last))
        parts: list[tuple[int, Summary]] = []
        for start, stop in ((start_ms, first), (end, end_ms)):
            if start < stop:
                summary = Summary()
                for entry in query.samples(start, stop):
                    summary.add(entry.value, entry.reason)
                if summary.count or summary.last is not None or summary.reason is not None:
                    parts.append((start, summary))
        strips = query.minutes(first, end)
        minutes = {strip.start_ms // DAY_MS for strip in strips}
        strips += [s for s in query.quarters(first, end) if s.start_ms // DAY_MS not in minutes]
        for strip in strips:
            for number in range(len(strip.number)):
                time_ms = strip.start_ms + number * strip.step_ms
                rolled = strip.joined(number, number + 1)
                if first <= time_ms < end and not rolled.empty:
                    parts.append((time_ms, rolled.summary()))
        parts.sort(key=lambda part: part[0])
        return list(merge_summaries(parts, every_ms, last=last))

    def _latest(self, device: DeviceKey, profile: str | None) -> dict[str, Sample]:
        samples: dict[str, Sample] = {}
        files = [file for file in self._search.files(Kind.RAW) if not file.ahead]
        for of_file in self._search.each(files, lambda file: _latest(file, device, profile)):
            for point, entry in of_file.items():
                if point not in samples or samples[point].time_ms <= entry.time_ms:
                    samples[point] = entry
        return samples

    def _count(self, device: DeviceKey, profile: str, start_ms: int, end_ms: int) -> dict[Reason | None, int]:
        start_ms, end_ms = _within(start_ms), _within(end_ms)
        counts: Counter[Reason | None] = Counter()
        if start_ms < end_ms:
            files = [
                file
                for file in self._search.files(Kind.RAW)
                if file.ahead or (file.first_day * DAY_MS < end_ms and file.end_ms > start_ms)
            ]
            for of_file in self._search.each(
                files, lambda file: _count(file, device, profile, start_ms, end_ms)
            ):
                counts.update(of_file)
        return {reason: number for reason, number in counts.items() if number}


def is_history(folder: Path) -> bool:
    return bool(listing(folder))


def no_history(folder: Path) -> ConfigError:
    """The error for a folder without one."""
    return ConfigError(
        "is a folder without files of a local history",
        file=folder,
        remedy="name the folder `history` of a gateway with `history:` in its settings, or a store file",
    )


def _newest(file: OpenFile, kind: Kind) -> list[Device]:
    newest = file.newest_slots()
    last: dict[tuple[DeviceKey, str], tuple[int, Columns]] = {}
    for columns in file.columns():
        slot = newest.get(columns.id)
        key = columns.device, columns.profile
        if slot is not None and (key not in last or last[key][0] <= slot):
            last[key] = slot, columns
    return [
        Device(key.device, profile, key.edge, columns.line, _last_ms(file, kind, slot, columns))
        for (key, profile), (slot, columns) in last.items()
    ]


def _last_ms(file: OpenFile, kind: Kind, slot: int, columns: Columns) -> int:
    if kind is Kind.RAW:
        last = 0
        for entry in file.columns(columns.device, columns.profile):
            for time_ms, _, _ in _last_row(file, entry.id, slot):
                last = max(last, time_ms)
        return last or slot * QUARTER_MS
    return (slot + 1) * (DAY_MS if kind is Kind.MINUTES else QUARTER_MS) - 1


def _last_row(
    file: OpenFile, columns_id: int, quarter: int
) -> list[tuple[int, Sequence[object], Mapping[int, Reason]]]:
    for data in file.latest_blocks(columns_id, range(quarter * _PER_QUARTER, (quarter + 1) * _PER_QUARTER)):
        try:
            return [list(decode_block(data).rows())[-1]]
        except ValueError:
            continue
    return []


def _latest(file: OpenFile, device: DeviceKey, profile: str | None) -> dict[str, Sample]:
    newest = file.newest_slots()
    samples: dict[str, Sample] = {}
    for columns in file.columns(device, profile):
        if columns.id not in newest:
            continue
        for time_ms, values, reasons in _last_row(file, columns.id, newest[columns.id]):
            for index, (point, value) in enumerate(zip(columns.points, values, strict=False)):
                if point not in samples or samples[point].time_ms < time_ms:
                    samples[point] = sample(time_ms, value, reasons.get(index))  # type: ignore[arg-type]
    return samples


def _count(
    file: OpenFile, device: DeviceKey, profile: str, start_ms: int, end_ms: int
) -> Counter[Reason | None]:
    counts: Counter[Reason | None] = Counter()
    for columns in file.columns(device, profile):
        for quarter, _ in file.present(columns.id, start_ms // QUARTER_MS, (end_ms - 1) // QUARTER_MS):
            first = max(start_ms, quarter * QUARTER_MS) // BUCKET_MS
            last = (min(end_ms, (quarter + 1) * QUARTER_MS) - 1) // BUCKET_MS
            for _, data in file.blocks(columns.id, range(first, last + 1)):
                _count_row(data, len(columns.points), start_ms, end_ms, counts)
    return counts


def _rows(
    file: OpenFile, device: DeviceKey, profile: str, group: str, start_ms: int, end_ms: int
) -> dict[int, Mapping[str, Value]]:
    rows: dict[int, Mapping[str, Value]] = {}
    for columns in file.columns(device, profile):
        if columns.group != group:
            continue
        for quarter, _ in file.present(columns.id, start_ms // QUARTER_MS, (end_ms - 1) // QUARTER_MS):
            first = max(start_ms, quarter * QUARTER_MS) // BUCKET_MS
            last = (min(end_ms, (quarter + 1) * QUARTER_MS) - 1) // BUCKET_MS
            for _, data in file.blocks(columns.id, range(first, last + 1)):
                try:
                    readings = list(decode_block(data).rows())
                except ValueError:
                    continue
                for time_ms, values, _ in readings:
                    if start_ms <= time_ms < end_ms:
                        rows[time_ms] = dict(zip(columns.points, values, strict=False))
    return rows


def _count_row(data: bytes, points: int, start_ms: int, end_ms: int, counts: Counter[Reason | None]) -> None:
    try:
        good = good_count(data, start_ms, end_ms, points)
        if good is not None:
            counts[None] += good
            return
        for time_ms, values, reasons in decode_block(data).rows():
            if start_ms <= time_ms < end_ms:
                for index, value in enumerate(values):
                    counts[sample(0, value, reasons.get(index)).reason] += 1
    except ValueError:
        return


def _within(time_ms: int) -> int:
    """A time that can be asked for: there is nothing before 1970 or after the year 2262."""
    return max(0, min(time_ms, 2**43))
