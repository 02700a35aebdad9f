"""Answers questions about a store file, beside its writer and without ever blocking it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from qilu.contract.reading import Reason, Value
from qilu.stores.components import Device, Sample
from qilu.stores.intervals import one_per_time, per_interval, sample
from qilu.stores.sqlite.schema import open_reading, unreachable

_Result = TypeVar("_Result")
_decode_points = msgspec.json.Decoder(list[str]).decode
_decode_values = msgspec.json.Decoder(list[Value]).decode
_decode_reasons = msgspec.json.Decoder(dict[int, Reason]).decode

_DEVICES = """
SELECT device, profile, edge, line,
       (SELECT max(time_ms) FROM readings WHERE readings.columns_id = columns.id) AS last_ms
FROM columns JOIN origins ON origins.id = columns.origin_id
WHERE last_ms IS NOT NULL ORDER BY device, edge, profile, last_ms
"""
_COUNT = """
SELECT coalesce(sum(json_array_length("values")), 0) FROM readings WHERE time_ms >= ?
"""
_COLUMNS = """
SELECT columns.id, points FROM columns JOIN origins ON origins.id = columns.origin_id
WHERE device = ? ORDER BY columns.id
"""
_READINGS = """
SELECT time_ms, "values", reasons FROM readings
WHERE columns_id = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms
"""


class SqliteReader:
    """A `Reader` of one file, on a connection and a thread of its own."""

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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.interrupt()  # a question that nobody waits for any more ends now
        closing = self._thread.submit(self._connection.close)
        self._thread.shutdown(wait=False)
        await asyncio.wrap_future(closing)

    async def devices(self) -> Sequence[Device]:
        """Every device, by name; one that changed its line or site stands where it was last."""
        return await self._in_thread(self._devices)

    async def points(self, device: str) -> Sequence[str]:
        """The points that a device ever had, by name."""
        return await self._in_thread(self._points, device)

    async def samples(
        self, device: str, point: str, start_ms: int, end_ms: int, every_ms: int | None = None
    ) -> Sequence[Sample]:
        """As `Reader` promises; read from the rows themselves, whatever the interval."""
        return await self._in_thread(self._samples, device, point, start_ms, end_ms, every_ms)

    async def count(self, start_ms: int) -> int:
        """How many values, good or not, there are from `start_ms` on."""
        return await self._in_thread(self._count, start_ms)

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

    def _count(self, start_ms: int) -> int:
        return int(self._connection.execute(_COUNT, (start_ms,)).fetchone()[0])

    def _points(self, device: str) -> list[str]:
        rows = self._connection.execute(_COLUMNS, (device,))
        return sorted({point for _, points in rows for point in _decode_points(points)})

    def _samples(
        self, device: str, point: str, start_ms: int, end_ms: int, every_ms: int | None
    ) -> list[Sample]:
        sources = []
        for columns_id, points_text in self._connection.execute(_COLUMNS, (device,)).fetchall():
            points = _decode_points(points_text)
            if point in points:
                sources.append(self._column(columns_id, points.index(point), start_ms, end_ms))
        found = one_per_time(merge(*sources, key=lambda one: one.time_ms))
        return list(found if every_ms is None else per_interval(found, every_ms))

    def _column(self, columns_id: int, index: int, start_ms: int, end_ms: int) -> Iterator[Sample]:
        rows = self._connection.execute(_READINGS, (columns_id, start_ms, end_ms))
        for time_ms, values, reasons in rows:
            reason = _decode_reasons(reasons).get(index) if reasons else None
            yield sample(time_ms, _decode_values(values)[index], reason)
