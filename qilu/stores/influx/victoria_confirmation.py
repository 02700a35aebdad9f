"""Whether VictoriaMetrics kept what it answered 204 to: it drops rows beyond its limits without an error.

Its counters of dropped rows show whether anything was lost since before a write; then every sample of that
write is read back. While they stand still, the first and the newest sample are read back of each series that
is new, or new in this hour: limits drop *new* series, and begin again with an hour or a day. A server without
these counters is asked for one series of every column set as well, another one each time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import ref

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.reading import BlockSchema
from qilu.stores.confirmation import Confirmation, Mark, Trace, Write
from qilu.stores.influx.http import Http
from qilu.stores.influx.readback import Series, missing, series_of

_MAX_KNOWN = 100_000
_MAX_SAMPLES_PER_QUERY = 20_000
_Times = dict[Series, set[int]]
_Wanted = tuple[BlockSchema, int, int, tuple[int, ...]]
"""Columns, the bits of numbers and of reasons, and the times (ms) of samples to read back."""


@dataclass(slots=True)
class _KnownSeries:
    """The series of one column set that were read back in one hour; a bit for each point."""

    columns: ref[BlockSchema]
    hour: int
    numbers: int = 0
    reasons: int = 0
    asked: float = -math.inf
    """When one of them was read back for want of counters."""
    rotation: int = 0

    def copy(self) -> _KnownSeries:
        return replace(self)

    def add(self, hour: int, numbers: int, reasons: int) -> None:
        self.hour = hour
        self.numbers |= numbers
        self.reasons |= reasons


class WriteVerifier:
    """Confirms the writes into one VictoriaMetrics."""

    def __init__(self, http: Http, url: str, durability_delay: float, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._url = url
        self._incarnation = ""
        self._known: dict[
            int, _KnownSeries
        ] = {}  # by the id of its columns: hashing them costs more than all else
        self._durability_delay = durability_delay
        self._monotonic = monotonic

    async def confirm(self, writes: Sequence[Write], now: Mark) -> list[Confirmation]:
        """What became of each write; UnreachableError when the server cannot be asked."""
        if now.incarnation != self._incarnation or len(self._known) > _MAX_KNOWN:
            self._incarnation = now.incarnation
            self._known.clear()
        same = [write for write in writes if write.mark.incarnation == now.incarnation]
        suspect = [write for write in same if write.every_sample or _dropped_since(write, now)]
        unsuspected = [write for write in same if not (write.every_sample or _dropped_since(write, now))]
        doubted = await self._columns_with_losses(unsuspected, counters=now.dropped is not None)
        traces = [
            *_traces(suspect),
            *(trace for trace in _traces(unsuspected) if id(trace.columns) in doubted),
        ]
        traces.sort(key=lambda trace: id(trace.columns))  # a series has all its times in one question
        lost = await self._lost(
            (trace.columns, trace.numbers, trace.reasons, (trace.time_ms,)) for trace in traces
        )
        return [
            Confirmation(_doubtful(write, lost, now), restarted=write.mark.incarnation != now.incarnation)
            for write in writes
        ]

    async def _columns_with_losses(self, writes: Sequence[Write], *, counters: bool) -> set[int]:
        """The ids of those that lost a sample of a series that is new in its hour; the others are known."""
        spans: dict[tuple[int, int, int], tuple[int, int]] = {}
        met: dict[int, _KnownSeries] = {}
        columns: dict[int, BlockSchema] = {}
        for write in writes:
            for trace in _traces([write]):
                key = id(trace.columns)
                known = self._known.get(key)
                if known is None or known.hour != write.mark.hour or known.columns() is not trace.columns:
                    known = _KnownSeries(ref(trace.columns), write.mark.hour)
                numbers, reasons = trace.numbers & ~known.numbers, trace.reasons & ~known.reasons
                if numbers or reasons:
                    low, high = spans.get((key, numbers, reasons), (trace.time_ms, trace.time_ms))
                    spans[key, numbers, reasons] = min(low, trace.time_ms), max(high, trace.time_ms)
                    columns[key] = trace.columns
                    met.setdefault(key, known.copy()).add(write.mark.hour, numbers, reasons)
        wanted: list[_Wanted] = [
            (columns[key], numbers, reasons, span) for (key, numbers, reasons), span in spans.items()
        ]
        if not counters:
            wanted += self._spot_checks(writes)
        lost = await self._lost(wanted)
        with_losses = {
            id(entry[0]) for entry in wanted if lost and not lost.keys().isdisjoint(series_of(*entry[:3]))
        }
        self._known.update((key, known) for key, known in met.items() if key not in with_losses)
        return with_losses

    def _spot_checks(self, writes: Sequence[Write]) -> Iterator[_Wanted]:
        """Once a horizon the newest sample of one series of every column set, each time of another one."""
        now = self._monotonic()
        for key, trace in {id(trace.columns): trace for trace in _traces(writes)}.items():
            known = self._known.get(key)
            bits = [index for index in range(len(trace.columns.points)) if trace.numbers >> index & 1]
            if known is not None and bits and now - known.asked >= self._durability_delay:
                known.asked = now
                known.rotation += 1
                yield trace.columns, 1 << bits[known.rotation % len(bits)], 0, (trace.time_ms,)

    async def _lost(self, wanted: Iterable[_Wanted]) -> _Times:
        """The samples that the server does not have, by their series."""
        lost: _Times = {}
        batch: defaultdict[Series, set[int]] = defaultdict(set)
        count = 0
        for columns, numbers, reasons, times in wanted:
            for series in series_of(columns, numbers, reasons):
                batch[series].update(times)
                count += len(times)
            if count > _MAX_SAMPLES_PER_QUERY:
                await self._ask(batch, lost)
                count = 0
        await self._ask(batch, lost)
        return lost

    async def _ask(self, batch: defaultdict[Series, set[int]], lost: _Times) -> None:
        for series, times in (await missing(self._http, self._url, batch)).items():
            lost.setdefault(series, set()).update(times)
        batch.clear()


def _dropped_since(write: Write, now: Mark) -> bool:
    return now.dropped is not None and write.mark.dropped is not None and now.dropped > write.mark.dropped


def _traces(writes: Sequence[Write]) -> Iterator[Trace]:
    return (trace for write in writes for poll in write.polls for trace in poll)


def _doubtful(write: Write, lost: Mapping[Series, set[int]], now: Mark) -> dict[int, Refusal]:
    """The polls of which the server lacks a sample."""
    doubtful: dict[int, Refusal] = {}
    times = set().union(*lost.values())
    for index, poll in enumerate(write.polls):
        for trace in poll:
            if trace.time_ms in times and (series := _first_lost(trace, lost)):
                doubtful[index] = _refusal(series, trace, write, now)
                break
    return doubtful


def _first_lost(trace: Trace, lost: Mapping[Series, set[int]]) -> Series | None:
    every = series_of(trace.columns, trace.numbers, trace.reasons)
    return next((series for series in every if trace.time_ms in lost.get(series, ())), None)


def _refusal(series: Series, trace: Trace, write: Write, now: Mark) -> Refusal:
    origin = trace.columns.origin
    counted = ""
    if _dropped_since(write, now):
        counted = f" and has dropped {(now.dropped or 0) - (write.mark.dropped or 0)} rows since"
    return Refusal(
        AckCode.STORE_IN_DOUBT,
        f"VictoriaMetrics answered 204, but does not have {series.name} of {origin.edge}/{origin.device} of"
        f" {trace.time_ms} ms{counted}: raise -storage.maxHourlySeries and -storage.maxDailySeries, compare"
        " clocks, -retentionPeriod and -relabelConfig",
    )
