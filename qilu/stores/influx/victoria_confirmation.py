"""Whether VictoriaMetrics kept what it answered 204 to: it drops rows beyond its limits without an error.

Its counters of dropped rows show whether anything was lost since before a write. Then the server counts the
samples of each reading of that write (`sample_counts`), and a few of those that it does not have whole are
read back. While the counters stand still, the first and the newest sample are read back of each series that
is new, or new in this hour: limits drop *new* series, and begin again with an hour or a day. A server without
these counters is asked for one series of every column set as well, another one each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from weakref import ref

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.reading import BlockSchema
from qilu.stores.confirmation import Confirmation, Coverage, Mark, Trace, Write
from qilu.stores.influx.http import Http
from qilu.stores.influx.readback import Series, missing, series_of
from qilu.stores.influx.sample_counts import complete_readings

_MAX_KNOWN = 100_000
_MAX_SAMPLES_PER_QUERY = 20_000
_MAX_EXPORTED = 50
"""Samples of incomplete readings that are read back in one confirmation: for the log, and where a count shows
too little. The rest stays in doubt."""
_Times = dict[Series, set[int]]
_Incomplete = dict[int, Series | None]
"""Ids of the traces of readings in doubt, with a series that lacks a sample where it is known."""
_Wanted = tuple[BlockSchema, Coverage, frozenset[int]]
"""Columns, points, and the times (ms) of samples to read back."""


@dataclass(slots=True)
class _KnownSeries:
    """The series of one column set that were read back in one hour; a bit for each point."""

    columns: ref[BlockSchema]
    hour: int
    numbers: int = 0
    reasons: int = 0
    last: Coverage | None = None
    """A coverage that is among them: that of nearly every reading."""
    asked: float = -math.inf
    """When one of them was read back for want of counters."""
    rotation: int = 0

    def copy(self) -> _KnownSeries:
        return replace(self)

    def add(self, coverage: Coverage) -> None:
        self.numbers |= coverage.numbers
        self.reasons |= coverage.reasons
        self.last = coverage


class WriteVerifier:
    """Confirms the writes into one VictoriaMetrics."""

    def __init__(self, http: Http, url: str, durability_delay: float, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._url = url
        self._incarnation = ""
        self._known: dict[
            int, _KnownSeries
        ] = {}  # by the id of its columns: hashing them costs more than all else
        self._with_losses: set[int] = set()
        """Ids of the columns of which a reading was incomplete in the last round."""
        self._durability_delay = durability_delay
        self._monotonic = monotonic

    async def confirm(self, writes: Sequence[Write], now: Mark) -> list[Confirmation]:
        """What became of each write; UnreachableError when the server cannot be asked."""
        if now.incarnation != self._incarnation or len(self._known) > _MAX_KNOWN:
            self._incarnation = now.incarnation
            self._known.clear()
        same = [write for write in writes if write.mark.incarnation == now.incarnation]
        again = [write for write in same if write.every_sample]
        suspect = [write for write in same if not write.every_sample and _dropped_since(write, now)]
        unsuspected = [write for write in same if not (write.every_sample or _dropped_since(write, now))]
        doubted = await self._columns_with_losses(unsuspected, counters=now.dropped is not None)
        incomplete = await self._incomplete(
            [*_traces(suspect), *(trace for trace in _traces(unsuspected) if id(trace[0]) in doubted)],
            list(_traces(again)),
        )
        return [
            Confirmation(
                _doubtful(write, incomplete, now), restarted=write.mark.incarnation != now.incarnation
            )
            for write in writes
        ]

    async def _incomplete(self, suspected: Sequence[Trace], doubted: Sequence[Trace]) -> _Incomplete:
        """Those of these readings that the server is not known to have whole.

        `doubted`: those that were in doubt before. Of each column set of them, and of each that lost samples
        in the last round, one reading is looked at, and the rest only where that one is whole.
        """
        in_doubt = [trace for trace in suspected if id(trace[0]) in self._with_losses]
        complete: set[int] = set()
        for alike in (doubted, in_doubt):
            oldest = {id(trace[0]): trace for trace in reversed(alike)}
            complete |= await complete_readings(self._http, self._url, oldest.values())
            whole = {columns for columns, trace in oldest.items() if id(trace) in complete}
            rest = [trace for trace in alike if id(trace[0]) in whole and id(trace) not in complete]
            complete |= await complete_readings(self._http, self._url, rest)
        untroubled = [trace for trace in suspected if id(trace[0]) not in self._with_losses]
        complete |= await complete_readings(self._http, self._url, untroubled)
        rest = [trace for trace in (*doubted, *suspected) if id(trace) not in complete]
        exact = _first_of(rest, _MAX_EXPORTED)
        lost = await self._lost(_by_columns(exact))
        incomplete: _Incomplete = {id(trace): None for trace in rest[len(exact) :]}
        incomplete.update((id(trace), series) for trace in exact if (series := _first_lost(trace, lost)))
        self._with_losses = {id(trace[0]) for trace in suspected if id(trace) in incomplete}
        return incomplete

    async def _columns_with_losses(self, writes: Sequence[Write], *, counters: bool) -> set[int]:
        """The ids of those that lost a sample of a series that is new in its hour; the others are known."""
        spans: dict[tuple[int, Coverage], tuple[BlockSchema, int, int]] = {}
        met: dict[int, _KnownSeries] = {}
        for write in writes:
            hour = write.mark.hour
            for columns, time_ms, coverage in chain.from_iterable(write.polls):
                key = id(columns)
                known = self._known.get(key)
                if known is None or known.hour != hour or known.columns() is not columns:
                    known = _KnownSeries(ref(columns), hour)
                elif known.last is coverage:
                    continue
                new = Coverage(coverage.numbers & ~known.numbers, coverage.reasons & ~known.reasons)
                if new.numbers or new.reasons:
                    _, low, high = spans.get((key, new), (columns, time_ms, time_ms))
                    spans[key, new] = columns, min(low, time_ms), max(high, time_ms)
                    entry = met.get(key)
                    if entry is None or entry.hour != hour:
                        entry = met[key] = known.copy()
                    entry.add(coverage)
        wanted: list[_Wanted] = [
            (columns, coverage, frozenset((low, high)))
            for (_, coverage), (columns, low, high) in spans.items()
        ]
        if not counters:
            wanted += self._spot_checks(writes)
        lost = await self._lost(wanted)
        with_losses = {
            id(entry[0]) for entry in wanted if lost and not lost.keys().isdisjoint(_series(*entry[:2]))
        }
        self._known.update((key, known) for key, known in met.items() if key not in with_losses)
        return with_losses

    def _spot_checks(self, writes: Sequence[Write]) -> Iterator[_Wanted]:
        """Once a horizon the newest sample of one series of every column set, each time of another one."""
        now = self._monotonic()
        for columns, time_ms, coverage in {id(trace[0]): trace for trace in _traces(writes)}.values():
            known = self._known.get(id(columns))
            if known is None or now - known.asked < self._durability_delay:
                continue
            known.asked = now
            known.rotation += 1
            if point := _bit_from(coverage.numbers, known.rotation % len(columns.points)):
                yield columns, Coverage(point, 0), frozenset((time_ms,))

    async def _lost(self, wanted: Iterable[_Wanted]) -> _Times:
        """The samples that the server does not have, by their series."""
        lost: _Times = {}
        batch: dict[Series, frozenset[int]] = {}
        count = 0
        for columns, coverage, times in wanted:
            for series in _series(columns, coverage):
                batch[series] = batch[series] | times if series in batch else times
                count += len(times)
            if count > _MAX_SAMPLES_PER_QUERY:
                await self._ask(batch, lost)
                count = 0
        await self._ask(batch, lost)
        return lost

    async def _ask(self, batch: dict[Series, frozenset[int]], lost: _Times) -> None:
        for series, times in (await missing(self._http, self._url, batch)).items():
            lost.setdefault(series, set()).update(times)
        batch.clear()


def _bit_from(mask: int, start: int) -> int:
    """The lowest bit of `mask` at `start` or above it; else the lowest of all, or 0."""
    rest = mask >> start << start or mask
    return rest & -rest


def _by_columns(traces: Iterable[Trace]) -> list[_Wanted]:
    """Every sample of these readings; those of a series together, so that one question has all its times."""
    times: dict[tuple[int, Coverage], set[int]] = {}
    columns_of: dict[int, BlockSchema] = {}
    for columns, time_ms, coverage in traces:
        times.setdefault((id(columns), coverage), set()).add(time_ms)
        columns_of[id(columns)] = columns
    grouped = sorted(times.items(), key=lambda entry: entry[0][0])
    return [(columns_of[key], coverage, frozenset(of_both)) for (key, coverage), of_both in grouped]


def _dropped_since(write: Write, now: Mark) -> bool:
    return now.dropped is not None and write.mark.dropped is not None and now.dropped > write.mark.dropped


def _traces(writes: Sequence[Write]) -> Iterator[Trace]:
    return chain.from_iterable(poll for write in writes for poll in write.polls)


def _first_of(traces: Sequence[Trace], max_samples: int) -> Sequence[Trace]:
    """So many that they have no more than `max_samples`, but at least one if any is there."""
    samples = 0
    for count, (_, _, coverage) in enumerate(traces):
        samples += coverage.numbers.bit_count() + coverage.reasons.bit_count()
        if count and samples > max_samples:
            return traces[:count]
    return traces


def _doubtful(write: Write, incomplete: _Incomplete, now: Mark) -> dict[int, Refusal]:
    """The polls of which the server is not known to have every sample, with the reason of the first one."""
    doubtful: dict[int, Refusal] = {}
    refusal: Refusal | None = None
    for index, poll in enumerate(write.polls if incomplete else ()):
        for trace in poll:
            if (key := id(trace)) in incomplete:
                refusal = refusal or _refusal(incomplete[key], trace, write, now)
                doubtful[index] = refusal
                break
    return doubtful


def _series(columns: BlockSchema, coverage: Coverage) -> Iterator[Series]:
    return series_of(columns, coverage.numbers, coverage.reasons)


def _first_lost(trace: Trace, lost: Mapping[Series, set[int]]) -> Series | None:
    columns, time_ms, coverage = trace
    return next((series for series in _series(columns, coverage) if time_ms in lost.get(series, ())), None)


def _refusal(series: Series | None, trace: Trace, write: Write, now: Mark) -> Refusal:
    columns, time_ms, _ = trace
    origin = columns.origin
    counted = ""
    if _dropped_since(write, now):
        counted = f" and has dropped {(now.dropped or 0) - (write.mark.dropped or 0)} rows since"
    what = "every sample" if series is None else series.name
    return Refusal(
        AckCode.STORE_IN_DOUBT,
        f"VictoriaMetrics answered 204, but does not have {what} of {origin.edge}/{origin.device} of"
        f" {time_ms} ms{counted}: raise -storage.maxHourlySeries and -storage.maxDailySeries, compare"
        " clocks, -retentionPeriod and -relabelConfig",
    )
