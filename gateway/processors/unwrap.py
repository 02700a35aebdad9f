"""Continues the counters with `accumulate` in the profile where their registers start again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from qilu.contract.counters import Counter, CounterEvent
from qilu.contract.profile import DeviceProfile, ParameterRef, Point, PointRef
from qilu.contract.reading import BlockSchema, Poll, Reading, Value
from qilu.contract.scale_factors import MAX_EXPONENT

_log = logging.getLogger(__name__)

_QUIET_MS = 3_600_000
"""A counter that does the same thing again within an hour is not worth a second line."""

_TEXTS = {
    CounterEvent.WRAPPED: "started again at its modulus; the total goes on",
    CounterEvent.RESET: "was reset; the total goes on",
    CounterEvent.PRESET: "goes on from another number, as after a change of the meter; the total goes on",
    CounterEvent.GLITCH: "read a wrong value for a while; the total is not changed by it",
}


@dataclass(slots=True)
class _UnwrappedCounter:
    """One counter of one device. `step`: what 1 in its register is worth, None while that is not known."""

    point: Point
    step: float | None
    counter: Counter = field(default_factory=Counter)
    warned_at_ms: dict[CounterEvent, int] = field(default_factory=dict)
    """When an event was logged last, UTC in ms."""


class CounterUnwrapper:
    """Puts the total in place of the value of the register; another point, `overlaps` the first, can have
    that.

    Nothing is kept over a restart: a total starts with the value of the register.
    """

    def __init__(self, devices: Mapping[str, tuple[DeviceProfile, Mapping[str, float]]]) -> None:
        """`devices`: by name, the profile and all numbers that it refers to."""
        self._counters: dict[tuple[str, str], _UnwrappedCounter] = {}
        self._places: WeakKeyDictionary[BlockSchema, tuple[tuple[int, _UnwrappedCounter], ...]] = (
            WeakKeyDictionary()
        )
        self.exchange((), devices)
        if self._counters:
            text = "%d counters of %d devices continue from the present values of their registers"
            _log.info(text, len(self._counters), len(self._devices))

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._counters)

    def exchange(
        self, removed: Collection[str], added: Mapping[str, tuple[DeviceProfile, Mapping[str, float]]]
    ) -> None:
        """Other devices from now on; the totals of those that stay go on. One in both begins anew."""
        kept = {place: counter for place, counter in self._counters.items() if place[0] not in removed}
        self._counters = kept | {
            (device, point.name): _UnwrappedCounter(point, _step(point, parameters))
            for device, (profile, parameters) in added.items()
            for point in profile.points
            if point.accumulate
        }
        self._exponents: dict[tuple[str, str], list[_UnwrappedCounter]] = {}
        for (device, _), unwrapped in self._counters.items():
            if isinstance(unwrapped.point.scale, PointRef):
                self._exponents.setdefault((device, unwrapped.point.scale.point), []).append(unwrapped)
        self._devices = {device for device, _ in self._counters}
        self._places.clear()

    def process(self, poll: Poll) -> Sequence[Poll]:
        device = poll.origin.device
        if device not in self._devices:
            return (poll,)
        if self._exponents:
            for reading in poll.readings:
                self._observe_scale_factor(device, reading)
        return (poll._replace(readings=tuple(map(self._with_totals, poll.readings))),)

    def _observe_scale_factor(self, device: str, reading: Reading) -> None:
        for point, value in zip(reading.columns.points, reading.values, strict=True):
            if isinstance(value, int) and abs(value) <= MAX_EXPONENT and (device, point) in self._exponents:
                for unwrapped in self._exponents[device, point]:
                    unwrapped.step = 10.0**value

    def _with_totals(self, reading: Reading) -> Reading:
        places = self._places_in(reading.columns)
        if not places:
            return reading
        values = list(reading.values)
        for index, unwrapped in places:
            values[index] = self._total(reading, unwrapped, values[index])
        return reading._replace(values=tuple(values))

    def _total(self, reading: Reading, unwrapped: _UnwrappedCounter, value: Value) -> Value:
        if not isinstance(value, int | float):
            return value
        total, happened = unwrapped.counter.update(value, *_modulus(unwrapped))
        if (
            happened is not None
            and reading.time_ms - unwrapped.warned_at_ms.get(happened, -_QUIET_MS) >= _QUIET_MS
        ):
            unwrapped.warned_at_ms[happened] = reading.time_ms
            device, point = reading.columns.origin.device, unwrapped.point.name
            _log.warning("counter %s of %s: %s", point, device, _TEXTS[happened])
        return total

    def _places_in(self, columns: BlockSchema) -> tuple[tuple[int, _UnwrappedCounter], ...]:
        places = self._places.get(columns)
        if places is None:
            device = columns.origin.device
            places = self._places[columns] = tuple(
                (index, self._counters[device, point])
                for index, point in enumerate(columns.points)
                if (device, point) in self._counters
            )
        return places


def _step(point: Point, parameters: Mapping[str, float]) -> float | None:
    if isinstance(point.scale, PointRef):
        return None
    return parameters[point.scale.parameter] if isinstance(point.scale, ParameterRef) else point.scale


def _modulus(unwrapped: _UnwrappedCounter) -> tuple[float | None, float]:
    """Modulus and lowest number of the register, in the unit of the values; (None, 0) of one without end.

    Of whole numbers they are whole numbers, so that totals stay exact.
    """
    raw = unwrapped.point.wraps_at
    if raw is None or unwrapped.step is None:
        return None, 0
    lowest = unwrapped.point.wraps_to
    if unwrapped.step == 1 and raw == int(raw):
        return int(raw), lowest
    return raw * abs(unwrapped.step), lowest * abs(unwrapped.step)
