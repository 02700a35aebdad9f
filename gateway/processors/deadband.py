"""Leaves out readings in which nothing moved: report by exception, with a longest silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from qilu.contract.quantities import Duration
from qilu.contract.reading import Columns, Poll, Reading, Value


class DeadbandSettings(BaseModel):
    """How far values may move unnoticed. A point that matches no pattern counts as moved at any change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["deadband"]
    bands: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    """Pattern of point names -> how far, in the point's unit, a value may move unnoticed."""
    silence: Duration = 60.0
    """Seconds after which a reading is let through although nothing moved."""

    def build(self) -> Deadband:
        return Deadband(self.bands, self.silence)


class Deadband:
    """A reading passes whole, or not at all, so that the values of one instant stay together."""

    def __init__(self, bands: Mapping[str, float], silence: float) -> None:
        self._bands = dict(bands)
        self._silence_ms = round(silence * 1000)
        self._widths: dict[Columns, tuple[float, ...]] = {}
        self._passed: dict[Columns, Reading] = {}

    def process(self, poll: Poll) -> Sequence[Poll]:
        readings = tuple(reading for reading in poll.readings if self._passes(reading))
        if len(readings) == len(poll.readings):
            return (poll,)
        return (poll._replace(readings=readings),) if readings else ()

    def _passes(self, reading: Reading) -> bool:
        before = self._passed.get(reading.columns)
        if before is not None and not self._moved(before, reading):
            return False
        self._passed[reading.columns] = reading
        return True

    def _moved(self, before: Reading, now: Reading) -> bool:
        if now.time_ms - before.time_ms >= self._silence_ms or now.reasons != before.reasons:
            return True
        widths = self._widths.get(now.columns)
        if widths is None:
            widths = self._widths[now.columns] = tuple(map(self._width, now.columns.points))
        return any(map(_differs, before.values, now.values, widths))

    def _width(self, point: str) -> float:
        return next((width for pattern, width in self._bands.items() if fnmatchcase(point, pattern)), 0.0)


def _differs(before: Value, now: Value, width: float) -> bool:
    if isinstance(before, int | float) and isinstance(now, int | float):
        return abs(now - before) > width
    return before != now
