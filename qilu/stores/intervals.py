"""Many samples told as one per interval: the same arithmetic, whichever store they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from qilu.contract.reading import Quality, Reason, Value
from qilu.stores.components import Sample


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
    """One sample per interval that has any; `samples` are rising and of one point.

    Its value is the mean of the numbers (bool counts as 1 or 0), without numbers the last text, else None.
    Its reason is None when any of them was good, else that of the last.
    """
    for index, group in groupby(samples, key=lambda found: found.time_ms // every_ms):
        total, count = 0.0, 0
        text: str | None = None
        last: Reason | None = None
        good = False
        for one in group:
            last = one.reason
            good = good or one.reason is None
            if isinstance(one.value, str):
                text = one.value
            elif one.value is not None:
                total += one.value
                count += 1
        yield Sample(index * every_ms, total / count if count else text, None if good else last)
