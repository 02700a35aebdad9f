"""Sees every poll that passes, so that a table can show the latest of each device."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qilu.contract.profile import DeviceProfile, Point
from qilu.contract.reading import Poll, Reason, Value

SHOWN = 3
"""Points of a device that a table has room for."""


@dataclass(slots=True)
class LatestReading:
    """The last values of a device."""

    time_ms: int = 0
    values: dict[str, Value] = field(default_factory=dict)
    bad: Reason | None = None


class LatestValues:
    """A processor that changes nothing and remembers the latest values of every device.

    `flowing`: whether anything has passed yet.
    """

    def __init__(self) -> None:
        self.latest: dict[str, LatestReading] = {}
        self.flowing = asyncio.Event()
        self._due: deque[int] = deque(maxlen=2000)

    def process(self, poll: Poll) -> Sequence[Poll]:
        self.flowing.set()
        latest = self.latest.setdefault(poll.origin.device, LatestReading())
        self._due.append(poll.readings[-1].time_ms)
        for reading in poll.readings:
            latest.time_ms = max(latest.time_ms, reading.time_ms)
            latest.values.update(zip(reading.columns.points, reading.values, strict=True))
            latest.bad = next(iter(reading.reasons.values()), None)
        return (poll,)

    def polls_per_s(self, now_ms: int, over_s: float = 5.0) -> float:
        """The rate of the last seconds."""
        return sum(1 for time_ms in self._due if time_ms > now_ms - over_s * 1000) / over_s


def state_of(profile: DeviceProfile, values: Mapping[str, Value]) -> str:
    """The text of the machine's state, as its profile spells it; empty where it has none."""
    for point in profile.points:
        code = values.get(point.name)
        if point.kind == "state" and point.enum and isinstance(code, int | float):
            label = point.enum.get(int(code))
            return str(code) if label is None else str(label)
    return ""


def shown(profile: DeviceProfile) -> Sequence[Point]:
    """The few points that show most of a machine: the first gauges with a unit, of the fastest group."""
    fastest = min(profile.groups, key=profile.groups.__getitem__)
    gauges = [point for point in profile.points_of(fastest) if point.kind == "gauge" and point.unit]
    return gauges[:SHOWN]


def format_value(point: Point, value: Value) -> str:
    """A value with its unit, e.g. `7.21 bar`."""
    if value is None:
        return "–"
    number = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{number} {point.unit}".rstrip()
