"""One point over a time as a chart draws it, with what is bad and what is missing, and why."""

from __future__ import annotations

from dataclasses import dataclass

from qilu.contract.reading import Quality, Reason, Value


@dataclass(frozen=True, slots=True)
class BadInterval:
    """A time in which samples are not good, all for one reason; `n` of them (UTC, ms)."""

    from_ms: int
    to_ms: int
    quality: Quality
    reason: Reason
    n: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without samples (UTC, ms), and why: one of the names of `gateway.history.gaps.GapReason`."""

    from_ms: int
    to_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Series:
    """One point from `from_ms` to before `to_ms`: at most one entry a pixel, so two points with min and max.

    `bucket_ms`: the length of an entry, 0 where each is one sample with its own time. `source`: raw, minutes
    or quarters. `t`, `min`, `max`, `last`, `n` are as long as each other: begin, lowest and highest number
    (None: there is none), last good value, and how many numbers.
    """

    from_ms: int
    to_ms: int
    bucket_ms: int
    source: str
    t: tuple[int, ...] = ()
    min: tuple[float | None, ...] = ()
    max: tuple[float | None, ...] = ()
    last: tuple[Value, ...] = ()
    n: tuple[int, ...] = ()
    bad: tuple[BadInterval, ...] = ()
    gaps: tuple[Gap, ...] = ()
