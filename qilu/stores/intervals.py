"""Many samples told as one per interval: the same arithmetic, whichever store they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from qilu.contract.reading import Quality, Reason, Value
from qilu.stores.components import Sample


class Summary(msgspec.Struct, array_like=True):
    """What is told of the samples of one point in some span of time, added in the order of their times.

    `count`, `total`, `low` and `high` are of the numbers (bool counts as 1 or 0), `text` is the last text.
    `good`: one of them was good. `reason` is that of the last one.
    """

    count: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    text: str | None = None
    good: bool = False
    reason: Reason | None = None

    def add(self, value: Value, reason: Reason | None) -> None:
        """Take in one more sample."""
        self.reason = reason
        self.good = self.good or reason is None
        if isinstance(value, str):
            self.text = value
        elif value is not None:
            number = float(value)
            self.count += 1
            self.total += number
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)

    def join(self, later: Summary) -> None:
        """Take in all samples of a later span."""
        self.count += later.count
        self.total += later.total
        self.low = min((x for x in (self.low, later.low) if x is not None), default=None)
        self.high = max((x for x in (self.high, later.high) if x is not None), default=None)
        self.text = self.text if later.text is None else later.text
        self.good = self.good or later.good
        self.reason = later.reason

    def told(self, time_ms: int) -> Sample:
        """The mean of the numbers, without numbers the last text; the last reason where nothing was good."""
        value = self.total / self.count if self.count else self.text
        return Sample(time_ms, value, None if self.good else self.reason)


def sample(time_ms: int, value: Value, reason: Reason | None) -> Sample:
    """One sample as every reader tells it: bad has no value, and what has no value has a reason."""
    if reason is None:
        return Sample(time_ms, value, Reason.UNDECODABLE if value is None else None)
    return Sample(time_ms, None if reason.quality is Quality.BAD else value, reason)


def one_per_time(samples: Iterable[Sample]) -> Iterator[Sample]:
    """`samples` (rising) with one per time: of several, the first that has a value."""
    for _, same in groupby(samples, key=lambda found: found.time_ms):
        first, *others = same
        yield next((one for one in (first, *others) if one.value is not None), first)


def per_interval(samples: Iterable[Sample], every_ms: int) -> Iterator[Sample]:
    """One sample per interval that has any, as `Summary` tells it; `samples` are rising and of one point."""
    for index, group in groupby(samples, key=lambda found: found.time_ms // every_ms):
        summary = Summary()
        for one in group:
            summary.add(one.value, one.reason)
        yield summary.told(index * every_ms)


def joined(summaries: Iterable[tuple[int, Summary]], every_ms: int) -> Iterator[Sample]:
    """As `per_interval`, from summaries (rising) that lie in one interval each."""
    for index, group in groupby(summaries, key=lambda found: found[0] // every_ms):
        whole = Summary()
        for _, part in group:
            whole.join(part)
        yield whole.told(index * every_ms)
