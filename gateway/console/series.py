"""Points of a chart from the polls in memory: at most two for each pixel, with bad stretches and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.history.series import Series
from qilu.contract.reading import Poll, Reason

MAX_PIXELS = 4000
_GAP_PERIODS = 2.5


@dataclass(slots=True)
class _Bucket:
    t: int
    low: float
    high: float
    last: float
    n: int = 1

    def add(self, value: float) -> None:
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.last = value
        self.n += 1


@dataclass(slots=True)
class RecentSeries:
    """One point between two times (ms, UTC). Samples come in their order."""

    from_ms: int
    to_ms: int
    pixels: int
    period_s: float
    _buckets: dict[int, _Bucket] = field(default_factory=dict)
    _bad: list[dict[str, Any]] = field(default_factory=list)
    _gaps: list[dict[str, Any]] = field(default_factory=list)
    _last_ms: int = 0

    @property
    def bucket_ms(self) -> int:
        pixels = max(1, min(self.pixels, MAX_PIXELS))
        return max(1, -(-(self.to_ms - self.from_ms) // pixels))

    def add(self, time_ms: int, value: float | None, reason: Reason | None) -> None:
        if not self.from_ms <= time_ms < self.to_ms or time_ms <= self._last_ms:
            return
        if self._last_ms and time_ms - self._last_ms > _GAP_PERIODS * self.period_s * 1000:
            self._gaps.append({"from_ms": self._last_ms, "to_ms": time_ms, "reason": "not_polled"})
        self._last_ms = time_ms
        if reason is not None:
            self._add_bad(time_ms, reason)
        if value is None:
            return
        number = (time_ms - self.from_ms) // self.bucket_ms
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = _Bucket(time_ms, value, value, value)
        else:
            bucket.add(value)

    def _add_bad(self, time_ms: int, reason: Reason) -> None:
        """Bad samples that follow each other for one reason are one stretch."""
        last = self._bad[-1] if self._bad else None
        near_ms = _GAP_PERIODS * self.period_s * 1000
        if last is not None and last["reason"] == reason.value and time_ms - last["to_ms"] <= near_ms:
            last["to_ms"] = time_ms
            last["n"] += 1
        else:
            self._bad.append(
                {
                    "from_ms": time_ms,
                    "to_ms": time_ms,
                    "quality": reason.quality.value,
                    "reason": reason.value,
                    "n": 1,
                }
            )

    def value(self) -> dict[str, Any]:
        buckets = [self._buckets[number] for number in sorted(self._buckets)]
        return {
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "bucket_ms": self.bucket_ms,
            "source": "recent",
            "t": [bucket.t for bucket in buckets],
            "min": [bucket.low for bucket in buckets],
            "max": [bucket.high for bucket in buckets],
            "last": [bucket.last for bucket in buckets],
            "n": [bucket.n for bucket in buckets],
            "bad": self._bad,
            "gaps": self._gaps,
        }


def fill(series: RecentSeries, polls: Iterable[Poll], point: str) -> RecentSeries:
    """Add the samples of a point from polls, the oldest first."""
    for poll in polls:
        for reading in poll.readings:
            if point in reading.columns.points:
                place = reading.columns.points.index(point)
                value = reading.values[place]
                number = float(value) if isinstance(value, int | float) else None
                series.add(reading.time_ms, number, reading.reasons.get(place))
    return series


def series_value(series: Series) -> dict[str, Any]:
    """A series of the local history as JSON has it: numbers alone."""
    return {
        "from_ms": series.from_ms,
        "to_ms": series.to_ms,
        "bucket_ms": series.bucket_ms,
        "source": series.source,
        "t": series.t,
        "min": series.min,
        "max": series.max,
        "last": sparkline(series.last),
        "n": series.n,
        "bad": [
            {
                "from_ms": bad.from_ms,
                "to_ms": bad.to_ms,
                "quality": bad.quality.value,
                "reason": bad.reason.value,
                "n": bad.n,
            }
            for bad in series.bad
        ],
        "gaps": [
            {"from_ms": gap.from_ms, "to_ms": gap.to_ms, "reason": str(gap.reason)} for gap in series.gaps
        ],
    }


def sparkline(values: Sequence[object]) -> list[float | None]:
    """The last values of a point, null where one is not usable."""
    return [float(value) if isinstance(value, int | float) else None for value in values]
