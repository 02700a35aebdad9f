"""Counts the samples of readings in VictoriaMetrics, to confirm whole readings without reading them back.

The server counts, for each edge, device and time, how many of the named series have a sample of that time. An
edge gives a time to one reading of a column set only, so a reading with as many samples as were written is
there whole. A count can be too low where other readings of the device follow within a step; then nothing is
known, and the reading is not among those that are found complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema
from qilu.contract.store_names import metric_name
from qilu.stores.confirmation import Coverage, Trace
from qilu.stores.influx.http import Http, TooLongResponseError
from qilu.stores.influx.line_protocol import QUALITY
from qilu.stores.influx.readback import any_of, quoted, set_bits

_MAX_SERIES = 5000  # that one query counts
_MAX_LENGTH = 5000  # bytes of the names, and of the devices, in one query; the server takes 16 kB
_SPAN_MS = 60_000
_MIN_STEP_MS, _MAX_STEP_MS = 5, 500
_MAX_STEPS = 1200


class _Names(NamedTuple):
    """Names of metrics that one query can hold, and the points that they are of; a bit for each."""

    names: Sequence[str]
    points: Coverage


class _Labels(msgspec.Struct):
    edge: str = ""
    device: str = ""
    t: str = ""


class _Counts(msgspec.Struct):
    metric: _Labels
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Counts]


class _Response(msgspec.Struct):
    data: _Data


_SampleCounts = dict[tuple[str, str, int], int]
"""Edge, device, time in ms -> samples."""


async def complete_readings(http: Http, url: str, traces: Iterable[Trace]) -> set[int]:
    """The ids of those of these objects of which the server has every sample; UnreachableError.

    Those left out may be whole too.
    """
    complete: set[int] = set()
    for part in _parts(traces):
        step_ms = _step_ms(part)
        for short in _short_parts(part, step_ms):
            complete |= await _complete(http, url, short, step_ms)
    return complete


def _parts(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    """Readings of equal points and of one span of time, of as many devices as one query can name."""
    by_columns: defaultdict[tuple[int, int], list[Trace]] = defaultdict(list)
    for trace in traces:
        by_columns[id(trace[0]), trace[1] // _SPAN_MS].append(trace)
    by_points: defaultdict[tuple[str, Sequence[str], int], list[list[Trace]]] = defaultdict(list)
    for (_, span), of_columns in by_columns.items():
        columns = of_columns[0][0]
        by_points[columns.origin.profile, columns.points, span].append(of_columns)
    for (_, points, _), alike in by_points.items():
        part: list[Trace] = []
        devices = length = 0
        for of_columns in alike:
            origin = of_columns[0][0].origin
            length += _length(origin.edge) + _length(origin.device)
            devices += 1
            if part and (devices * len(points) > _MAX_SERIES or length > _MAX_LENGTH):
                yield part
                part, devices, length = [], 1, _length(origin.edge) + _length(origin.device)
            part += of_columns
        yield part


def _length(text: str) -> int:
    return len(quoted(any_of([text])).encode())


def _short_parts(part: Sequence[Trace], step_ms: int) -> Iterable[Sequence[Trace]]:
    """In parts that one query can count in steps of this length."""
    by_span: defaultdict[int, list[Trace]] = defaultdict(list)
    for trace in part:
        by_span[trace[1] // (step_ms * _MAX_STEPS)].append(trace)
    return by_span.values()


async def _complete(http: Http, url: str, part: Sequence[Trace], step_ms: int) -> set[int]:
    chunks = [(names.points, await _counted(http, url, part, names.names, step_ms)) for names in _names(part)]
    return {id(trace) for trace in part if all(_has_all(trace, *chunk) for chunk in chunks)}


def _has_all(trace: Trace, points: Coverage, counted: _SampleCounts) -> bool:
    columns, time_ms, coverage = trace
    expected = (coverage.numbers & points.numbers).bit_count()
    expected += (coverage.reasons & points.reasons).bit_count()
    return expected == counted.get((columns.origin.edge, columns.origin.device, time_ms), 0)


def _names(part: Sequence[Trace]) -> Iterator[_Names]:
    """The metrics of these readings, in pieces that one query can hold."""
    columns, numbers, reasons = part[0][0], 0, 0
    for _, _, coverage in part:
        numbers |= coverage.numbers
        reasons |= coverage.reasons
    names: list[str] = []
    length, of_numbers, of_reasons = 0, 0, 0
    for index in set_bits(numbers | reasons):
        bit = 1 << index
        for name in _names_of(columns, index, number=bool(numbers & bit), reason=bool(reasons & bit)):
            names.append(name)
            length += _length(name)
        of_numbers |= numbers & bit
        of_reasons |= reasons & bit
        if length > _MAX_LENGTH:
            yield _Names(names, Coverage(of_numbers, of_reasons))
            names, length, of_numbers, of_reasons = [], 0, 0, 0
    if names:
        yield _Names(names, Coverage(of_numbers, of_reasons))


def _names_of(columns: BlockSchema, index: int, *, number: bool, reason: bool) -> Iterator[str]:
    name = metric_name(columns.origin.profile, columns.points[index])
    if number:
        yield name
    if reason:
        yield f"{name}{QUALITY}"


async def _counted(
    http: Http, url: str, part: Sequence[Trace], names: Sequence[str], step_ms: int
) -> _SampleCounts:
    """How many of these series have a sample at the times of `part`; nothing where the query is refused."""
    times = [trace[1] for trace in part]
    labels = {
        "__name__": names,
        "edge": {trace[0].origin.edge for trace in part},
        "device": {trace[0].origin.device for trace in part},
    }
    selector = ", ".join(f"{label}=~{quoted(any_of(values))}" for label, values in labels.items())
    form = {
        "query": f'count_values by (edge, device) ("t", tlast_over_time({{{selector}}}[{step_ms}ms]))',
        "start": f"{min(times) / 1000:.3f}",
        "end": f"{(max(times) + step_ms) / 1000:.3f}",
        "step": f"{step_ms / 1000:.3f}",
        "nocache": "1",
        "latency_offset": "1ms",
    }
    try:
        reply = await http.ask("POST", "/api/v1/query_range", form=form)
    except TooLongResponseError:
        return {}
    if reply.status in (400, 422):
        return {}
    if not reply.ok:
        raise reply.unreachable(url)
    return _decoded(reply.json(_Response).data.result, url)


def _step_ms(part: Sequence[Trace]) -> int:
    """Of the query: within it no reading is hidden by the next one of its device."""
    times = sorted([(id(columns), time_ms) for columns, time_ms, _ in part])
    gaps = [
        time_ms - earlier_ms
        for (columns, earlier_ms), (later, time_ms) in pairwise(times)
        if columns == later and time_ms > earlier_ms
    ]
    return min(max(min(gaps, default=_MAX_STEP_MS) // 2, _MIN_STEP_MS), _MAX_STEP_MS)


def _decoded(counts: Iterable[_Counts], url: str) -> _SampleCounts:
    """What the server counted. At later steps a count is lower, as the next samples have come by then."""
    counted: _SampleCounts = {}
    try:
        for entry in counts:
            labels = entry.metric
            highest = max([int(float(value)) for _, value in entry.values])
            counted[labels.edge, labels.device, round(float(labels.t) * 1000)] = highest
    except (ValueError, OverflowError) as error:
        raise UnreachableError(f"{url} counted something else than samples: {error}") from error
    return counted
