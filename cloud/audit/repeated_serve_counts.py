"""Finds counters of served requests that are stored under two times. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from qilu.stores.interfaces import Sample

_LOW = 5
"""A count that began anew is first seen at most so far above where the one before was."""


def find_duplicates(samples: Sequence[Sample], offline_ms: Sequence[int] = ()) -> list[Sample]:
    """Of samples (rising in time), those whose value is there already, since the counter last began anew.

    A counter that falls to values which were never seen, or to the begin of its count, began anew; so did one
    that falls where the device was away (`offline_ms`: moments of that), of which the begin may be lost. So a
    copy of a whole count behind itself is taken for a second count.
    """
    counters = [(float(sample.value), sample) for sample in samples if isinstance(sample.value, int | float)]
    duplicates: list[Sample] = []
    seen: set[float] = set()
    lowest = highest = float("nan")
    index = 0
    while index < len(counters):
        value = counters[index][0]
        if seen and value <= highest:
            end = next((n for n in range(index, len(counters)) if counters[n][0] > highest), len(counters))
            block = counters[index:end]
            before_ms, then_ms = counters[index - 1][1].time_ms, block[0][1].time_ms
            was_offline = any(before_ms <= moment <= then_ms for moment in offline_ms)
            again = not was_offline and all(number in seen for number, _ in block)
            if value == counters[index - 1][0] or (again and value > lowest + _LOW):
                duplicates += [copy for number, copy in block if number in seen]
                index = end
                continue
            seen = set()
        lowest, highest = (value, value) if not seen else (lowest, value)
        seen.add(value)
        index += 1
    return duplicates
