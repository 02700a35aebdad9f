"""Leaves out readings in which nothing moved: report by exception, with a longest interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway.processors.point_pattern import names_point
from gateway.processors.point_state import PointStates
from qilu.contract.reading import Poll, Reading, Reason, Value
from qilu.contract.units import Duration
from qilu.contract.validation import FrozenModel


class DeadbandSettings(FrozenModel):
    """How far values may move unnoticed. A point that matches no pattern counts as moved at any change."""

    type: Literal["deadband"]
    thresholds: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    """Pattern such as `temperature_*` or `press-1.force` -> how far, in the point's unit, a value may move
    unnoticed. The first pattern that fits counts."""
    max_interval: Duration = 60.0
    """Seconds after which a reading is let through although nothing moved."""

    def build(self) -> Deadband:
        return Deadband(self.thresholds, self.max_interval)


@dataclass(slots=True)
class _LastValue:
    """What was let through of one point last; `width`: how far it may move unnoticed."""

    width: float
    time_ms: int = 0
    value: Value = None
    reason: Reason | None = None
    seen: bool = False


class Deadband:
    """A reading passes whole, or not at all, so that the values of one instant stay together."""

    def __init__(self, thresholds: Mapping[str, float], max_interval: float) -> None:
        self._thresholds = dict(thresholds)
        self._interval_ms = round(max_interval * 1000)
        self._points = PointStates(lambda device, point: _LastValue(self._width(device, point)))

    def process(self, poll: Poll) -> Sequence[Poll]:
        readings = tuple(reading for reading in poll.readings if self._passes(reading))
        if len(readings) == len(poll.readings):
            return (poll,)
        return (poll._replace(readings=readings),) if readings else ()

    def forget(self, devices: Collection[str]) -> None:
        self._points.forget(devices)

    def _passes(self, reading: Reading) -> bool:
        points = self._points.of(reading.columns)
        if not self._moved(points, reading):
            return False
        for index, (last, value) in enumerate(zip(points, reading.values, strict=True)):
            last.time_ms, last.value, last.seen = reading.time_ms, value, True
            last.reason = reading.reasons.get(index)
        return True

    def _moved(self, points: Sequence[_LastValue], reading: Reading) -> bool:
        latest_ms, reasons = reading.time_ms - self._interval_ms, reading.reasons
        return any(
            not last.seen
            or last.time_ms <= latest_ms
            or last.reason is not reasons.get(index)
            or _differs(last.value, value, last.width)
            for index, (last, value) in enumerate(zip(points, reading.values, strict=True))
        )

    def _width(self, device: str, point: str) -> float:
        widths = self._thresholds.items()
        return next((width for pattern, width in widths if names_point((pattern,), device, point)), 0.0)


def _differs(before: Value, now: Value, width: float) -> bool:
    if isinstance(before, int | float) and isinstance(now, int | float):
        return abs(now - before) > width
    return before != now
