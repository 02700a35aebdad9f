"""What a chart needs of one point: at most one interval a pixel, from samples or the right roll-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from qilu.contract.reading import Quality, Reason
from qilu.stores.interfaces import Sample
from qilu.stores.sqlite.history.blocks import reason_of
from qilu.stores.sqlite.history.keys import COARSE_MS, DAY_MS, MINUTE_MS, QUARTER_MS
from qilu.stores.sqlite.history.point_query import PointQuery
from qilu.stores.sqlite.history.summaries import RollUp, Strip, join, joined_strips

RAW_MS = 2 * 3_600_000
"""The longest time of which single samples are read."""
MINUTES_MS = 8 * DAY_MS
"""The longest time of which minutes are read."""
MAX_PIXELS = 10_000


@dataclass(frozen=True, slots=True)
class BadSpan:
    """A time in which all samples that are not good have one reason; `number` of them."""

    start_ms: int
    end_ms: int
    reason: Reason
    number: int

    @property
    def quality(self) -> Quality:
        return self.reason.quality


@dataclass(frozen=True, slots=True)
class Chart:
    """A point in a time. `intervals`: begin and what was in it, rising; empty intervals are left out.

    `bucket_ms`: their length; 0 where each is one sample with its own time. `source`: raw, minutes or
    quarters; the coarsest, where a part of the time is only there in coarser form.
    """

    bucket_ms: int
    source: str
    intervals: list[tuple[int, RollUp]] = field(default_factory=list)
    bad: list[BadSpan] = field(default_factory=list)


def chart(query: PointQuery, start_ms: int, end_ms: int, pixels: int) -> Chart:
    """The chart of a point from `start_ms` to before `end_ms`, with at most `pixels` intervals."""
    pixels = max(1, min(pixels, MAX_PIXELS))
    span_ms = max(end_ms - start_ms, 1)
    per_pixel = -(-span_ms // pixels)
    if per_pixel < MINUTE_MS and span_ms <= RAW_MS:
        parts, source = _fine(query, start_ms, end_ms)
    elif per_pixel < QUARTER_MS // 2 and span_ms <= MINUTES_MS:
        parts, source = _by_day(query, start_ms, end_ms)
    elif per_pixel < COARSE_MS // 2:
        parts, source = query.quarters(start_ms, end_ms), "quarters"
    else:
        parts, source = query.coarse(start_ms, end_ms), "quarters"
    samples = [part for part in parts if isinstance(part, Sample)]
    strips = joined_strips([part for part in parts if isinstance(part, Strip)])
    if not strips and len(samples) <= pixels:
        return Chart(0, source, [(s.time_ms, of_sample(s)) for s in samples], list(bad_samples(samples)))
    step_ms = max((strip.step_ms for strip in strips), default=1)
    bucket_ms = -(-per_pixel // step_ms) * step_ms
    intervals = _in_buckets(samples, strips, start_ms, end_ms, bucket_ms)
    bad = [*bad_samples(samples), *_bad_of(strips, start_ms, end_ms, bucket_ms)]
    return Chart(bucket_ms, source, intervals, sorted(bad, key=lambda span: span.start_ms))


def _fine(query: PointQuery, start_ms: int, end_ms: int) -> tuple[Sequence[Sample | Strip], str]:
    days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
    if all(query.has_raw(day) for day in days):
        return query.samples(start_ms, end_ms), "raw"
    strips, source = _by_day(query, start_ms, end_ms)
    return strips, source


def _by_day(query: PointQuery, start_ms: int, end_ms: int) -> tuple[list[Strip], str]:
    """Minutes, and quarters of days that have no minutes any more."""
    strips = query.minutes(start_ms, end_ms)
    known = {strip.start_ms // DAY_MS for strip in strips}
    days = set(range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)) - known
    coarse = [
        strip
        for day in sorted(days)
        for strip in query.quarters(day * DAY_MS, (day + 1) * DAY_MS)
    ]  # fmt: skip
    strips = sorted((*strips, *coarse), key=lambda strip: strip.start_ms)
    return strips, "quarters" if any(s.step_ms > MINUTE_MS for s in coarse) else "minutes"


def of_sample(sample: Sample) -> RollUp:
    value, code = sample.value, 0 if sample.reason is None else sample.reason.code
    bad = int(bool(code))
    if isinstance(value, int | float):
        number = value + 0
        return RollUp(1, number, number, number, value, 1 - bad, bad, code)
    return RollUp(0, None, None, 0, value, 1 - bad, bad, code)


def bad_samples(samples: Iterable[Sample]) -> Iterator[BadSpan]:
    """The stretches of samples that are not good, by reason, from the first to the last of each."""
    open_span: BadSpan | None = None
    for sample in samples:
        if open_span is not None and sample.reason is not open_span.reason:
            yield open_span
            open_span = None
        if sample.reason is not None:
            start = sample.time_ms if open_span is None else open_span.start_ms
            number = 1 if open_span is None else open_span.number + 1
            open_span = BadSpan(start, sample.time_ms, sample.reason, number)
    if open_span is not None:
        yield open_span


def _in_buckets(
    samples: Sequence[Sample], strips: Sequence[Strip], start_ms: int, end_ms: int, bucket_ms: int
) -> list[tuple[int, RollUp]]:
    parts: dict[int, list[RollUp]] = {}
    for sample in samples:
        parts.setdefault(sample.time_ms // bucket_ms, []).append(of_sample(sample))
    for strip in strips:
        for bucket, first, end in _cuts(strip, start_ms, end_ms, bucket_ms):
            parts.setdefault(bucket, []).append(strip.joined(first, end))
    joined = ((bucket * bucket_ms, join(parts[bucket])) for bucket in sorted(parts))
    return [(time_ms, rolled) for time_ms, rolled in joined if not rolled.empty]


def _cuts(strip: Strip, start_ms: int, end_ms: int, bucket_ms: int) -> Iterator[tuple[int, int, int]]:
    """Bucket, and the part of a strip that lies in it."""
    step = strip.step_ms
    first = max(0, -(-(start_ms - step + 1 - strip.start_ms) // step))
    last = min(len(strip.number), -(-(end_ms - strip.start_ms) // step))
    while first < last:
        bucket = (strip.start_ms + first * step) // bucket_ms
        end = min(last, -(-((bucket + 1) * bucket_ms - strip.start_ms) // step))
        yield bucket, first, end
        first = end


def _bad_of(strips: Sequence[Strip], start_ms: int, end_ms: int, bucket_ms: int) -> Iterator[BadSpan]:
    """The stretches of buckets in which samples are not good, by their last reason."""
    open_span: BadSpan | None = None
    for strip in strips:
        if not any(strip.bad):
            continue
        for bucket, first, end in _cuts(strip, start_ms, end_ms, bucket_ms):
            number = sum(strip.bad[first:end])
            if not number:
                continue
            reason = reason_of(next(code for code in reversed(strip.code[first:end]) if code))
            start, stop = bucket * bucket_ms, (bucket + 1) * bucket_ms
            if open_span is not None and open_span.reason is reason and open_span.end_ms >= start:
                open_span = BadSpan(open_span.start_ms, stop, reason, open_span.number + number)
                continue
            if open_span is not None:
                yield open_span
            open_span = BadSpan(start, stop, reason, number)
    if open_span is not None:
        yield open_span
