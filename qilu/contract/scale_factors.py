"""Scales points by the exponent of ten that another point of their device has: SunSpec's scale factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from sys import float_info
from typing import NamedTuple

from qilu.contract.profile import DeviceProfile, Point, PointRef
from qilu.contract.reading import BlockSchema, Reading, Reason, Value
from qilu.contract.registers.number_format import bounds, by_exponent

MAX_EXPONENT = 30
"""No exponent is further from 0; SunSpec's are -10 to 10."""

_MAX_BLOCKS = 256
_LARGEST = float_info.max

_FROM_THE_DEVICE = frozenset(
    {
        Reason.SENTINEL, Reason.OUT_OF_LIMITS, Reason.UNDECODABLE, Reason.ILLEGAL_ADDRESS,
        Reason.ILLEGAL_FUNCTION,
    }
)  # fmt: skip
"""The device reports that it has no exponent; with other reasons it was not received."""

_Exponent = int | Reason


class _ScaledPoint(NamedTuple):
    at: int
    """Its place in a reading."""
    point: Point
    exponent: str
    in_poll: bool
    """The exponent is read in the same poll, and no other one counts."""
    in_reply: bool
    """It is read in the same reply."""


class _Step(NamedTuple):
    """What makes a value of a raw one, and between which two it is good."""

    at: int
    scale: Callable[[float], float]
    minimum: float
    maximum: float


class _ScalingPlan:
    """What to do in the readings of one block; `steps` and `without` hold for the exponents `given`."""

    __slots__ = ("columns", "exponents", "factors", "scaled", "steps", "without")

    def __init__(
        self, columns: BlockSchema, exponents: list[tuple[int, str]], scaled: list[_ScaledPoint]
    ) -> None:
        self.columns = columns
        self.exponents = exponents
        self.scaled = scaled
        self.factors: list[_Exponent] = []
        self.steps: list[_Step] = []
        self.without: list[tuple[int, Reason]] = []


class ScaleFactors:
    """The last exponents of one device, and the values that they make of raw numbers.

    Some devices change an exponent with the value. Where both are in one poll group, the exponent of the same
    reply counts; one of another reply of the poll counts if it was read before the value and again after it
    and is the same, else the value is undecodable. Where it is in another group the last one counts, also
    while that group cannot be read. Without an exponent a value is bad for the same reason as that,
    not_polled before the first.
    """

    def __init__(self, profile: DeviceProfile, parameters: Mapping[str, float]) -> None:
        """`parameters`: all numbers that the profile refers to, for this device."""
        scaled = [point for point in profile.points if isinstance(point.scale, PointRef)]
        self._points = {point.name: point for point in scaled}
        self._groups = {point.name: point.group for point in profile.points}
        self._parameters = parameters
        self._received: dict[str, _Exponent] = {}
        self._lasting: dict[str, _Exponent] = {}
        for point in scaled:
            self._received[_exponent_of(point)] = self._lasting[_exponent_of(point)] = Reason.NOT_POLLED
        self._again: Mapping[str, Value] = {}
        self._earlier: set[str] = set()  # exponents of the present poll, in replies before the present one
        self._work: dict[int, _ScalingPlan] = {}

    def changed(self, readings: Sequence[Reading], again: Sequence[Reading]) -> bool:
        """Whether an exponent of this poll was another one when it was read again."""
        if not again:
            return False
        first, second = _numbers(readings), _numbers(again)
        return any(first.get(name) not in (None, value) for name, value in second.items())

    def scaled(self, readings: Sequence[Reading], again: Sequence[Reading] = ()) -> list[Reading]:
        """The readings of one poll with every value in its unit; they come with raw ones. `again`: exponents
        that were read once more, after all values."""
        self._again = _numbers(again)
        works = [self._work_on(reading.columns) for reading in readings]
        for reading, work in zip(readings, works, strict=True):
            for index, name in work.exponents:
                self._observe(name, reading.values[index], reading.reasons.get(index))
        self._earlier.clear()
        scaled = []
        for reading, work in zip(readings, works, strict=True):
            scaled.append(self._apply(reading, work) if work.scaled else reading)
            self._earlier.update(name for _, name in work.exponents)
        return scaled

    def _work_on(self, columns: BlockSchema) -> _ScalingPlan:
        work = self._work.get(id(columns))
        if work is None or work.columns is not columns:
            if len(self._work) >= _MAX_BLOCKS:  # plans change when a device teaches us something
                self._work.clear()
            named = list(enumerate(columns.points))
            work = self._work[id(columns)] = _ScalingPlan(
                columns,
                [(index, name) for index, name in named if name in self._received],
                [self._to_scale(index, name, columns) for index, name in named if name in self._points],
            )
        return work

    def _to_scale(self, index: int, name: str, columns: BlockSchema) -> _ScaledPoint:
        point = self._points[name]
        exponent = _exponent_of(point)
        in_poll = self._groups[exponent] == point.group
        return _ScaledPoint(index, point, exponent, in_poll, exponent in columns.points)

    def _exponent(self, scaled: _ScaledPoint) -> _Exponent:
        if not scaled.in_poll:
            return self._lasting[scaled.exponent]
        received = self._received[scaled.exponent]
        if scaled.in_reply or not isinstance(received, int):
            return received
        same = scaled.exponent in self._earlier and self._again.get(scaled.exponent) == received
        return received if same else Reason.UNDECODABLE

    def _observe(self, name: str, value: Value, reason: Reason | None) -> None:
        received: _Exponent
        if isinstance(value, int):
            received = value if abs(value) <= MAX_EXPONENT else Reason.OUT_OF_LIMITS
        else:
            received = reason or Reason.UNDECODABLE
        self._received[name] = received
        if (
            isinstance(received, int)
            or received in _FROM_THE_DEVICE
            or not isinstance(self._lasting[name], int)
        ):
            self._lasting[name] = received

    def _apply(self, reading: Reading, work: _ScalingPlan) -> Reading:
        factors = [self._exponent(entry) for entry in work.scaled]
        if factors != work.factors:
            self._prepare(work, factors)
        values, bad = list(reading.values), dict[int, Reason]()
        for at, scale, minimum, maximum in work.steps:
            raw = values[at]
            if raw is not None:
                values[at] = value = scale(raw)  # type: ignore[arg-type]  # only numbers are scaled
                if not minimum <= value <= maximum:
                    bad[at] = Reason.OUT_OF_LIMITS if isfinite(value) else Reason.NOT_A_NUMBER
        for at, reason in work.without:
            if values[at] is not None:
                bad[at] = reason
        for at in bad:
            values[at] = None
        reasons = {**reading.reasons, **bad} if bad else reading.reasons
        return Reading(reading.columns, reading.time_ms, tuple(values), reasons)

    def _prepare(self, work: _ScalingPlan, factors: list[_Exponent]) -> None:
        work.factors, work.steps, work.without = factors, [], []
        for (at, point, _, _, _), exponent in zip(work.scaled, factors, strict=True):
            if isinstance(exponent, Reason):
                work.without.append((at, exponent))
            else:
                minimum, maximum = bounds(point) or (-inf, inf)
                minimum, maximum = max(minimum, -_LARGEST), min(maximum, _LARGEST)  # infinite is no value
                work.steps.append(_Step(at, by_exponent(point, exponent, self._parameters), minimum, maximum))


def exponents_of(profile: DeviceProfile, parameters: Mapping[str, float]) -> ScaleFactors | None:
    """None for a profile in which no point is scaled by another."""
    has_any = any(isinstance(point.scale, PointRef) for point in profile.points)
    return ScaleFactors(profile, parameters) if has_any else None


def _exponent_of(point: Point) -> str:
    assert isinstance(point.scale, PointRef)
    return point.scale.point


def _numbers(readings: Sequence[Reading]) -> Mapping[str, Value]:
    return {
        name: value
        for reading in readings
        for name, value in zip(reading.columns.points, reading.values, strict=True)
        if value is not None
    }
