"""Answers questions about a store file, beside its writer and without ever blocking it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from pathlib import Path
from typing import Self, TypeVar

from qilu.contract.point_info import FIELDS, PointInfo
from qilu.contract.reading import DeviceKey, Reason
from qilu.stores.interfaces import DescribedPoint, Device, Sample
from qilu.stores.interval_summaries import Summary, first_per_time, merge_summaries, per_interval, sample
from qilu.stores.sqlite.read_only import open_reading
from qilu.stores.sqlite.rollups import MINUTE_MS
from qilu.stores.sqlite.rows import decode_points, decode_reasons, decode_summaries, decode_values, value_at
from qilu.stores.sqlite.schema import unreachable

_Result = TypeVar("_Result")
_Column = tuple[int, int]
"""The id of some columns, and the index of the point in them."""
_INT64 = 2**63 - 1

_DEVICES = """
SELECT device, profile, edge, line,
       coalesce((SELECT max(time_ms) FROM readings WHERE readings.columns_id = columns.id),
                (SELECT max(time_ms) FROM minutes WHERE minutes.columns_id = columns.id)) AS last_ms
FROM columns JOIN origins ON origins.id = columns.origin_id
WHERE last_ms IS NOT NULL ORDER BY device, edge, profile, last_ms
"""
_COUNT = """
SELECT coalesce(sum(json_array_length("values")), 0) FROM readings WHERE time_ms >= ?1
"""
_COLUMNS = """
SELECT columns.id, points FROM columns JOIN origins ON origins.id = columns.origin_id
WHERE edge = ?1 AND device = ?2 AND (?3 IS NULL OR profile = ?3) ORDER BY columns.id
"""
_GOOD = """
SELECT coalesce(sum(json_array_length("values")), 0) FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? AND reasons IS NULL AND instr("values", 'null') = 0
"""
_NOT_GOOD = """
SELECT "values", reasons FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? AND (reasons NOTNULL OR instr("values", 'null') > 0)
"""
_READINGS = """
SELECT time_ms, "values", reasons FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms
"""
_NEWEST = """
SELECT time_ms, "values", reasons FROM readings WHERE columns_id = ? ORDER BY time_ms DESC LIMIT 1
"""

_COUNT_INFO = "SELECT count(*) FROM point_info WHERE time_ms >= ?"
_HAS_INFO = "SELECT 1 FROM sqlite_master WHERE name = 'point_info'"
_INFO = f"""
SELECT edge, device, point, time_ms, {", ".join(FIELDS)} FROM point_info
WHERE ?1 IS NULL OR (edge = ?1 AND device = ?2) ORDER BY edge, device, point
"""
_MINUTES = "SELECT time_ms, summaries FROM minutes WHERE columns_id = ? AND time_ms >= ? AND time_ms < ?"
_STALE = "SELECT minute_ms, columns_id FROM stale WHERE minute_ms >= ? AND minute_ms < ?"


class SqliteReader:
    """A `Reader` of one file, on a connection and a thread of its own."""

    has_texts = True
    best_effort = False

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread: ThreadPoolExecutor
        self._connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-reader")
        try:
            self._connection = await self._in_thread(open_reading, self._file)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.interrupt()  # a question that nobody waits for any more ends now
        closing = self._thread.submit(self._connection.close)
        self._thread.shutdown(wait=False)
        await asyncio.wrap_future(closing)

    async def devices(self) -> Sequence[Device]:
        """Every device, by name; one that changed its line or site stands where it was last."""
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
        """As `Reader` promises; intervals of whole minutes come from the roll-ups."""
        return await self._in_thread(self._samples, device, profile, point, start_ms, end_ms, every_ms, last)

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """As `Reader` promises; of readings that are still there, not of roll-ups."""
        return await self._in_thread(self._latest, device, profile)

    async def point_info(self, device: DeviceKey | None = None) -> Sequence[DescribedPoint]:
        return await self._in_thread(self._point_info, device)

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        return await self._in_thread(self._count, device, profile, start_ms, end_ms)

    async def count_all(self, start_ms: int) -> int:
        """How many values, good or not, there are from `start_ms` on, with descriptions of points."""
        return await self._in_thread(self._count_all, start_ms)

    async def _in_thread(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except sqlite3.Error as error:
            raise unreachable(self._file, error) from error

    def _devices(self) -> list[Device]:
        newest: dict[tuple[str, str, str], Device] = {}
        for device, profile, edge, line, last_ms in self._connection.execute(_DEVICES):
            newest[device, edge, profile] = Device(device, profile, edge, line, last_ms)
        return list(newest.values())

    def _point_info(self, device: DeviceKey | None) -> list[DescribedPoint]:
        if not self._connection.execute(_HAS_INFO).fetchone():
            return []  # a store of before, that no ingester has opened since
        rows = self._connection.execute(_INFO, (None, None) if device is None else device)
        return [
            DescribedPoint(DeviceKey(edge, of), point, time_ms, PointInfo(*fields))
            for edge, of, point, time_ms, *fields in rows
        ]

    def _count_all(self, start_ms: int) -> int:
        values = int(self._connection.execute(_COUNT, (start_ms,)).fetchone()[0])
        if not self._connection.execute(_HAS_INFO).fetchone():
            return values
        return values + int(self._connection.execute(_COUNT_INFO, (start_ms,)).fetchone()[0])

    def _count(self, device: DeviceKey, profile: str, start_ms: int, end_ms: int) -> dict[Reason | None, int]:
        counts: Counter[Reason | None] = Counter()
        for columns_id, _ in self._connection.execute(_COLUMNS, (*device, profile)).fetchall():
            span = (columns_id, _within(start_ms), _within(end_ms))
            counts[None] += int(self._connection.execute(_GOOD, span).fetchone()[0])
            for values, text in self._connection.execute(_NOT_GOOD, span):
                reasons = decode_reasons(text)
                for index, value in enumerate(decode_values(values)):
                    counts[sample(0, value, reasons.get(index)).reason] += 1
        return {reason: count for reason, count in counts.items() if count}

    def _points(self, device: DeviceKey, profile: str | None) -> list[str]:
        rows = self._connection.execute(_COLUMNS, (*device, profile))
        return sorted({point for _, points in rows for point in decode_points(points)})

    def _latest(self, device: DeviceKey, profile: str | None) -> dict[str, Sample]:
        samples: dict[str, Sample] = {}
        for columns_id, points in self._connection.execute(_COLUMNS, (*device, profile)).fetchall():
            for time_ms, values, text in self._connection.execute(_NEWEST, (columns_id,)):
                reasons = decode_reasons(text)
                for index, (point, value) in enumerate(
                    zip(decode_points(points), decode_values(values), strict=False)
                ):
                    if point not in samples or samples[point].time_ms < time_ms:
                        samples[point] = sample(time_ms, value, reasons.get(index))
        return samples

    def _samples(
        self,
        device: DeviceKey,
        profile: str | None,
        point: str,
        start_ms: int,
        end_ms: int,
        every_ms: int | None,
        last: bool,
    ) -> list[Sample]:
        columns = [
            (columns_id, points.index(point))
            for columns_id, text in self._connection.execute(_COLUMNS, (*device, profile)).fetchall()
            if point in (points := decode_points(text))
        ]
        start_ms, end_ms = _within(start_ms), _within(end_ms)
        first, end = -(-start_ms // MINUTE_MS) * MINUTE_MS, end_ms // MINUTE_MS * MINUTE_MS
        if every_ms is not None and every_ms % MINUTE_MS == 0 and first < end:
            self._connection.execute("BEGIN")  # what is stale and what is rolled up must be of one moment
            try:
                parts = self._from_minutes(columns, (start_ms, first, end, end_ms))
                return list(merge_summaries(parts, every_ms, last=last))
            finally:
                self._connection.execute("COMMIT")
        samples = self._merged(columns, start_ms, end_ms)
        return list(samples if every_ms is None else per_interval(samples, every_ms, last=last))

    def _from_minutes(
        self, columns: list[_Column], times: tuple[int, int, int, int]
    ) -> list[tuple[int, Summary]]:
        """Whole minutes from their roll-ups; the ends, and minutes that are stale, from their readings."""
        start_ms, first, last, end_ms = times
        summaries = self._summaries(columns, first, last)
        stale = self._stale(columns, first, last)
        stale |= {minute for minute, summary in summaries if summary is None}
        parts: dict[int, Summary] = {}
        for start, end in (
            (start_ms, first),
            *((minute, minute + MINUTE_MS) for minute in stale),
            (last, end_ms),
        ):
            for raw in self._merged(columns, start, end):
                minute = raw.time_ms - raw.time_ms % MINUTE_MS
                parts.setdefault(minute, Summary()).add(raw.value, raw.reason)
        for minute, summary in summaries:
            if summary is not None and minute not in stale:
                parts.setdefault(minute, Summary()).join(summary)
        return sorted(parts.items(), key=lambda part: part[0])

    def _summaries(self, columns: list[_Column], first: int, last: int) -> list[tuple[int, Summary | None]]:
        """Minute and summary, None where it cannot be read."""
        minutes: list[tuple[int, Summary | None]] = []
        for columns_id, index in columns:
            for minute, text in self._connection.execute(_MINUTES, (columns_id, first, last)):
                row = decode_summaries(text)
                minutes.append((minute, None if row is None or index >= len(row) else row[index]))
        return minutes

    def _stale(self, columns: list[_Column], first: int, last: int) -> set[int]:
        wanted = {columns_id for columns_id, _ in columns}
        marks = self._connection.execute(_STALE, (first, last))
        return {minute for minute, columns_id in marks if columns_id in wanted}

    def _merged(self, columns: list[_Column], start_ms: int, end_ms: int) -> Iterator[Sample]:
        sources = [self._column(columns_id, index, start_ms, end_ms) for columns_id, index in columns]
        return first_per_time(merge(*sources, key=lambda item: item.time_ms))

    def _column(self, columns_id: int, index: int, start_ms: int, end_ms: int) -> Iterator[Sample]:
        rows = self._connection.execute(_READINGS, (columns_id, start_ms, end_ms))
        for time_ms, values, reasons in rows:
            reason = decode_reasons(reasons).get(index)
            yield sample(time_ms, value_at(decode_values(values), index), reason)


def _within(time_ms: int) -> int:
    """A time that can be asked for: whole minutes around it have 64 bits, too."""
    return max(-_INT64 + MINUTE_MS, min(time_ms, _INT64 - MINUTE_MS))
