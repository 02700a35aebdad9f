"""How a point moves that the plant's file does not name: by its type, its unit and its limits.

The middle and the width are those of a small machine or a feeder of 400 V; a point's limits and the range of
its registers narrow them.
"""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.profile import DataType, DeviceProfile, ParameterRef, Point, PointRef
from simulator.signals.settings import (
    AnySignal,
    ConstantSignal,
    CounterSignal,
    SetpointSignal,
    TextSignal,
    WalkSignal,
)

GAUGES: Mapping[str, tuple[float, float]] = {
    "V": (230.0, 4.0),
    "kV": (10.0, 0.2),
    "mV": (230.0, 4.0),
    "A": (12.0, 3.0),
    "mA": (12.0, 3.0),
    "W": (6_000.0, 1_500.0),
    "kW": (6.0, 1.5),
    "VA": (6_500.0, 1_500.0),
    "kVA": (6.5, 1.5),
    "var": (1_500.0, 400.0),
    "kvar": (1.5, 0.4),
    "Hz": (50.0, 0.03),
    "degC": (45.0, 5.0),
    "°C": (45.0, 5.0),
    "bar": (6.0, 0.5),
    "MPa": (0.6, 0.05),
    "kPa": (600.0, 50.0),
    "rpm": (1_450.0, 15.0),
    "r/min": (1_450.0, 15.0),
    "%": (55.0, 10.0),
    "m3/h": (20.0, 3.0),
    "mm/s": (2.0, 0.4),
}
"""Unit -> middle and half width of a gauge."""
OTHER = (0.9, 0.05)
"""Of a gauge without a unit, such as a power factor, or with one that is not listed."""
RATES: Mapping[str, float] = {
    "kWh": 6.0 / 3_600,
    "Wh": 6_000.0 / 3_600,
    "MWh": 0.006 / 3_600,
    "kvarh": 1.5 / 3_600,
    "varh": 1_500.0 / 3_600,
    "kVAh": 6.5 / 3_600,
    "h": 1.0 / 3_600,
    "min": 1.0 / 60,
    "s": 1.0,
    "m3": 20.0 / 3_600,
}
"""Unit -> units that a counter counts in a second."""
OTHER_RATE = 0.1
WALK_SECONDS = 120.0
"""Seconds in which a walk comes from its middle to a bound, about."""


def default_signals(profile: DeviceProfile) -> Mapping[str, AnySignal]:
    exponents = {point.scale.point for point in profile.points if isinstance(point.scale, PointRef)}
    return {
        point.name: ConstantSignal(value=0.0) if point.name in exponents else _default(point, profile)
        for point in profile.points
        if point.overlaps is None
    }


def _default(point: Point, profile: DeviceProfile) -> AnySignal:
    if point.type is DataType.STRING:
        return TextSignal(value=profile.profile)
    if point.writable:
        return SetpointSignal(value=_first(point, profile))
    if point.type is DataType.BOOL or point.enum or point.kind == "state":
        return ConstantSignal(value=_first(point, profile))
    if point.kind == "counter":
        return CounterSignal(rate=RATES.get(point.unit, OTHER_RATE))
    low, high = _range(point, profile)
    if high <= low:
        return ConstantSignal(value=low)
    return WalkSignal(low=low, high=high, rate=(high - low) / 2 / WALK_SECONDS**0.5)


def _first(point: Point, profile: DeviceProfile) -> float:
    """A value that a point of codes or a set-point may have."""
    if point.enum:
        return float(min(point.enum))
    if point.type is DataType.BOOL or point.kind == "state":
        return 0.0
    low, high = _range(point, profile)
    return (low + high) / 2


def _range(point: Point, profile: DeviceProfile) -> tuple[float, float]:
    """From where to where a gauge moves."""
    middle, half = GAUGES.get(point.unit, OTHER)
    if point.unit == "V" and point.name.endswith(("_ab", "_bc", "_ca")):
        middle, half = 400.0, 7.0
    lowest, highest = _bounds(point, profile)
    if not lowest <= middle <= highest:
        middle = (lowest + highest) / 2
        half = (highest - lowest) / 20
    return max(middle - half, lowest), min(middle + half, highest)


def _bounds(point: Point, profile: DeviceProfile) -> tuple[float, float]:
    """The lowest and the highest value that the point may have, by its limits and its registers."""
    lowest, highest = -1e9, 1e9
    if point.type.is_integer and not isinstance(point.scale, PointRef):
        scale, offset = (
            profile.parameters[factor.parameter] if isinstance(factor, ParameterRef) else factor
            for factor in (point.scale, point.offset)
        )
        ends = [raw * scale + offset for raw in point.type.range]
        lowest, highest = max(min(ends), lowest), min(max(ends), highest)
    limits = point.limits
    lowest = lowest if limits.min is None else max(limits.min, lowest)
    highest = highest if limits.max is None else min(limits.max, highest)
    return lowest, highest
