"""Marks values that did not change for so many readings: a frozen sensor looks plausible for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qilu.contract.reading import Columns, Poll, Reading, Reason, Value


class StaleSettings(BaseModel):
    """Which values are expected to move, and how soon one that does not is uncertain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["stale"]
    points: tuple[str, ...] = Field(min_length=1)
    """Patterns such as `temperature_*` or `press-1.force`, of what is expected to move always."""
    after: int = Field(ge=2)
    """Readings in a row with the same value, from which on it is uncertain. It keeps its value."""

    def build(self) -> Stale:
        return Stale(self.points, self.after)


@dataclass(slots=True)
class _Watched:
    """One watched value: its index in a reading, what it was, and how many readings it has been that."""

    index: int
    value: Value = None
    times: int = 0


class Stale:
    """A value that is bad already neither counts nor interrupts."""

    def __init__(self, points: Sequence[str], after: int) -> None:
        self._points = tuple(points)
        self._after = after
        self._watched: dict[Columns, tuple[_Watched, ...]] = {}

    def process(self, poll: Poll) -> Sequence[Poll]:
        readings = tuple(map(self._marked, poll.readings))
        if all(new is old for new, old in zip(readings, poll.readings, strict=True)):
            return (poll,)
        return (poll._replace(readings=readings),)

    def _marked(self, reading: Reading) -> Reading:
        stale = {}
        for one in self._watched_in(reading.columns):
            value = reading.values[one.index]
            if value is None:
                continue
            one.times = one.times + 1 if value == one.value else 1
            one.value = value
            if one.times >= self._after and one.index not in reading.reasons:
                stale[one.index] = Reason.STALE
        return reading._replace(reasons={**reading.reasons, **stale}) if stale else reading

    def _watched_in(self, columns: Columns) -> tuple[_Watched, ...]:
        watched = self._watched.get(columns)
        if watched is None:
            device = columns.origin.device
            watched = self._watched[columns] = tuple(
                _Watched(index)
                for index, point in enumerate(columns.points)
                if self._wants(point) or self._wants(f"{device}.{point}")
            )
        return watched

    def _wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._points)
