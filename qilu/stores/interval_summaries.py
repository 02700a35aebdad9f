"""One sample per interval in place of many: the same arithmetic, whichever store they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from qilu.contract.limits import MAX_FLOAT
from qilu.contract.reading import Quality, Reason, Value
from qilu.stores.interfaces import Sample


class Summary(msgspec.Struct, array_like=True):
    """The summary of the samples of one point in a span of time, added in the order of their times.

    `count`, `total`, `low` and `high` are of the numbers (bool counts as 1 or 0). `good`: one of them was
    good. `last` is the last good value; where nothing was good, the last value. `reason` is that of the last
    sample.
    """

    count: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    last: Value = None
    good: bool = False
    reason: Reason | None = None

    def add(self, value: Value, reason: Reason | None) -> None:
        self.reason = reason
        if value is not None and (reason is None or not self.good):
            self.last = value
        self.good = self.good or reason is None
        if isinstance(value, int | float):
            number = float(value)
            self.count += 1
            self.total += number
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)

    def join(self, later: Summary) -> None:
        self.count += later.count
        self.total += later.total
        self.low = min((x for x in (self.low, later.low) if x is not None), default=None)
        self.high = max((x for x in (self.high, later.high) if x is not None), default=None)
        if later.last is not None and (later.good or not self.good):
            self.last = later.last
        self.good = self.good or later.good
        self.reason = later.reason

    def to_sample(self, time_ms: int, last: bool = False) -> Sample:
        """The mean, or with `last` the last value; the last reason where nothing was good.

        What is no quantity has no mean: of a bool and of a text it is always the last one.
        """
        number = isinstance(self.last, int | float) and not isinstance(self.last, bool)
        value = self.total / self.count if number and not last else self.last
        return Sample(time_ms, value, None if self.good else self.reason)


def sample(time_ms: int, value: Value, reason: Reason | None) -> Sample:
    """One sample in the form of all readers: a bad one has no value, one without a value has a reason.

    A number beyond the limits, which an older store may hold, is bad: no sum of the others overflows.
    """
    if isinstance(value, int | float) and not -MAX_FLOAT <= value <= MAX_FLOAT:
        return Sample(time_ms, None, reason or Reason.OUT_OF_LIMITS)
    if reason is None:
        return Sample(time_ms, value, Reason.UNDECODABLE if value is None else None)
    return Sample(time_ms, None if reason.quality is Quality.BAD else value, reason)


def first_per_time(samples: Iterable[Sample]) -> Iterator[Sample]:
    """`samples` (rising) with one per time: of several, the first that has a value."""
    for _, same in groupby(samples, key=lambda item: item.time_ms):
        first, *rest = same
        yield next((candidate for candidate in (first, *rest) if candidate.value is not None), first)


def per_interval(samples: Iterable[Sample], every_ms: int, *, last: bool = False) -> Iterator[Sample]:
    """One sample per interval that has any, as `Summary` has it; `samples` are rising and of one point."""
    for index, group in groupby(samples, key=lambda item: item.time_ms // every_ms):
        summary = Summary()
        for entry in group:
            summary.add(entry.value, entry.reason)
        yield summary.to_sample(index * every_ms, last)


def merge_summaries(
    summaries: Iterable[tuple[int, Summary]], every_ms: int, *, last: bool = False
) -> Iterator[Sample]:
    """As `per_interval`, from summaries (rising) that lie in one interval each."""
    for index, group in groupby(summaries, key=lambda item: item[0] // every_ms):
        whole = Summary()
        for _, part in group:
            whole.join(part)
        yield whole.to_sample(index * every_ms, last)
