"""Marks values that did not change for so many readings: a frozen sensor looks plausible for ever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from gateway.processors.point_pattern import names_point
from gateway.processors.point_state import PointStates
from qilu.contract.reading import Poll, Reading, Reason, Value
from qilu.contract.validation import FrozenModel


class StaleSettings(FrozenModel):
    """Which values are expected to move, and how soon one that does not is uncertain."""

    type: Literal["stale"]
    points: tuple[str, ...] = Field(min_length=1)
    """Patterns such as `temperature_*` or `press-1.force`, of what is expected to move always."""
    max_unchanged: int = Field(ge=2)
    """Consecutive readings with the same value after which the value is uncertain. The value is kept."""

    def build(self) -> StaleDetector:
        return StaleDetector(self.points, self.max_unchanged)


@dataclass(slots=True)
class _WatchedPoint:
    """The last value of one watched point, and how many consecutive readings had it."""

    value: Value = None
    times: int = 0


class StaleDetector:
    """A value that is bad already neither counts nor interrupts."""

    def __init__(self, points: Sequence[str], max_unchanged: int) -> None:
        self._patterns = tuple(points)
        self._max_unchanged = max_unchanged
        self._points = PointStates(self._watch)

    def process(self, poll: Poll) -> Sequence[Poll]:
        readings = tuple(map(self._marked, poll.readings))
        if all(new is old for new, old in zip(readings, poll.readings, strict=True)):
            return (poll,)
        return (poll._replace(readings=readings),)

    def forget(self, devices: Collection[str]) -> None:
        self._points.forget(devices)

    def _marked(self, reading: Reading) -> Reading:
        stale = {}
        for index, (watched, value) in enumerate(
            zip(self._points.of(reading.columns), reading.values, strict=True)
        ):
            if watched is None or value is None:
                continue
            watched.times = watched.times + 1 if value == watched.value else 1
            watched.value = value
            if watched.times >= self._max_unchanged and index not in reading.reasons:
                stale[index] = Reason.STALE
        return reading._replace(reasons={**reading.reasons, **stale}) if stale else reading

    def _watch(self, device: str, point: str) -> _WatchedPoint | None:
        return _WatchedPoint() if names_point(self._patterns, device, point) else None
