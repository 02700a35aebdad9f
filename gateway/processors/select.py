"""Lets through only some points: what nobody asks for need not travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from weakref import WeakKeyDictionary

from pydantic import Field

from gateway.processors.point_pattern import names_point
from qilu.contract.reading import BlockSchema, Poll, Reading
from qilu.contract.validation import FrozenModel


class SelectSettings(FrozenModel):
    """Which points are let through."""

    type: Literal["select"]
    include: tuple[str, ...] = Field(default=("*",), min_length=1)
    """Patterns such as `temperature_*` or `press-1.force`, of what is let through."""
    exclude: tuple[str, ...] = ()
    """Such patterns of what is left out, also where `include` has it."""

    def build(self) -> PointSelector:
        return PointSelector(self.include, self.exclude)


class PointSelector:
    """Drops the points whose name, or `device.name`, is not wanted; a poll of nothing else vanishes."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._selected: WeakKeyDictionary[BlockSchema, tuple[BlockSchema, tuple[int, ...]]] = (
            WeakKeyDictionary()
        )

    def process(self, poll: Poll) -> Sequence[Poll]:
        readings = tuple(kept for reading in poll.readings if (kept := self._kept(reading)) is not None)
        return (poll._replace(readings=readings),) if readings else ()

    def _kept(self, reading: Reading) -> Reading | None:
        selected = self._selected.get(reading.columns)
        if selected is None:
            selected = self._selected[reading.columns] = self._select(reading.columns)
        columns, indexes = selected
        if len(indexes) == len(reading.values):
            return reading
        if not indexes:
            return None
        values = tuple(reading.values[index] for index in indexes)
        reasons = {new: reading.reasons[old] for new, old in enumerate(indexes) if old in reading.reasons}
        return Reading(columns, reading.time_ms, values, reasons)

    def _select(self, columns: BlockSchema) -> tuple[BlockSchema, tuple[int, ...]]:
        """The columns of what is let through, and its indexes in a reading."""
        indexes = tuple(
            index for index, point in enumerate(columns.points) if self._wants(columns.origin.device, point)
        )
        points = tuple(columns.points[index] for index in indexes)
        return BlockSchema(columns.origin, columns.group, points), indexes

    def _wants(self, device: str, point: str) -> bool:
        excluded = names_point(self._exclude, device, point)
        return names_point(self._include, device, point) and not excluded
