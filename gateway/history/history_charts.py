"""Answers for charts: a point over a time, its bad samples, and its gaps with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.history.gaps import LATENESS_MS, CountedTime, counted_time, empty_times, explained
from gateway.history.history_queue import HistoryQueue
from gateway.history.room import PolledGroup
from gateway.history.series import BadInterval, Gap, Series
from qilu.contract.accounting import COLLECTION, COUNTS, EVENTS, GATEWAY
from qilu.contract.edge_events import EVENT_NUMBERS, EdgeEvent, edge_event
from qilu.contract.reading import BlockSchema, DeviceKey
from qilu.stores.interfaces import Sample
from qilu.stores.interval_summaries import sample
from qilu.stores.sqlite.history.charts import Chart
from qilu.stores.sqlite.history.keys import DAY_MS
from qilu.stores.sqlite.history.point_query import PointName
from qilu.stores.sqlite.history.reader import HistoryReader

_EVENTS_LATER_MS = DAY_MS
"""How long after a gap its reason may have been reported."""
_COUNTS_MS = 2 * DAY_MS
"""The longest time of which accounts are read one by one; in a longer one they are read around the gaps."""
_MAX_GAPS = 20
"""Gaps of a long time whose accounts are read."""
_AROUND_MS = 3_600_000


class HistoryCharts:
    """Reads the files in a thread of `reader`, and adds what waits in the queue."""

    def __init__(
        self,
        edge: str,
        groups: Mapping[str, Mapping[str, PolledGroup]],
        reader: HistoryReader,
        queue: HistoryQueue,
        now_ms: Callable[[], int],
    ) -> None:
        self._edge = edge
        self._groups = groups
        self._reader = reader
        self._queue = queue
        self._now_ms = now_ms

    async def series(self, device: str, point: str, from_ms: int, to_ms: int, pixels: int) -> Series:
        """The point between these times; UnreachableError where the disk refuses."""
        group = self._groups.get(device, {}).get(point)
        profile = None if group is None else group.profile
        name = PointName(DeviceKey(self._edge, device), point, profile)
        recent = self._recent(name, from_ms, to_ms)
        chart = await self._reader.chart(name, from_ms, to_ms, pixels, recent)
        gaps = await self._gaps(device, point, chart, from_ms, to_ms)
        rolled = [entry for _, entry in chart.intervals]
        return Series(
            from_ms,
            to_ms,
            chart.bucket_ms,
            chart.source,
            tuple(time_ms for time_ms, _ in chart.intervals),
            tuple(entry.low for entry in rolled),
            tuple(entry.high for entry in rolled),
            tuple(entry.last for entry in rolled),
            tuple(entry.number for entry in rolled),
            tuple(
                BadInterval(span.start_ms, span.end_ms, span.quality, span.reason, span.number)
                for span in chart.bad
            ),
            gaps,
        )

    def _recent(self, name: PointName, from_ms: int, to_ms: int) -> list[Sample]:
        def wanted(columns: BlockSchema) -> bool:
            is_own = columns.origin.key == name.device and name.profile in (None, columns.origin.profile)
            return is_own and name.point in columns.points

        return [
            sample(reading.time_ms, reading.values[index], reading.reasons.get(index))
            for reading in self._queue.waiting(wanted)
            if from_ms <= reading.time_ms < to_ms
            for index in (reading.columns.points.index(name.point),)
        ]

    async def _gaps(self, device: str, point: str, chart: Chart, from_ms: int, to_ms: int) -> tuple[Gap, ...]:
        group = self._groups.get(device, {}).get(point)
        period_ms = 1000 * group.period if group is not None else 60_000
        end_ms = min(to_ms, self._now_ms() - LATENESS_MS)
        times = [time_ms for time_ms, _ in chart.intervals if time_ms < end_ms]
        empty = empty_times(times, chart.bucket_ms, period_ms, (from_ms, end_ms)) if from_ms < end_ms else []
        if not empty:
            return ()
        first_ms, last_ms = empty[0][0], empty[-1][1]
        events = [
            *await self._events(DeviceKey(self._edge, self._edge), GATEWAY, first_ms, last_ms),
            *await self._events(DeviceKey(self._edge, device), COLLECTION, first_ms, last_ms),
        ]
        return explained(empty, events, await self._counted(device, empty))

    async def _events(self, key: DeviceKey, profile: str, from_ms: int, to_ms: int) -> list[EdgeEvent]:
        rows = await self._reader.rows(key, profile, EVENTS, from_ms, to_ms + _EVENTS_LATER_MS)
        events: list[EdgeEvent] = []
        for time_ms, row in rows:
            numbers = [row.get(name) for name in EVENT_NUMBERS]
            known = [float(number) for number in numbers if isinstance(number, int | float)]
            event = edge_event(time_ms, known, row.get("text")) if len(known) == len(numbers) else None
            if event is not None:
                events.append(event)
        return events

    async def _counted(self, device: str, empty: Sequence[tuple[int, int]]) -> list[CountedTime]:
        key, first_ms, last_ms = DeviceKey(self._edge, device), empty[0][0], empty[-1][1]
        spans = [(first_ms - _AROUND_MS, last_ms + _AROUND_MS)]
        if last_ms - first_ms > _COUNTS_MS:
            longest = sorted(empty, key=lambda span: span[0] - span[1])[:_MAX_GAPS]
            edges = {time_ms for span in longest for time_ms in span}
            spans = [(time_ms - _AROUND_MS, time_ms + _AROUND_MS) for time_ms in edges]
        counted: dict[int, CountedTime] = {}
        for start_ms, end_ms in spans:
            for time_ms, row in await self._reader.rows(key, COLLECTION, COUNTS, start_ms, end_ms):
                entry = counted_time(time_ms, row)
                if entry is not None:
                    counted[time_ms] = entry
        return [counted[time_ms] for time_ms in sorted(counted)]
