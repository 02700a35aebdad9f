"""The time that readings get: UTC that never goes back, whatever somebody does to the wall clock.

The monotonic clock tells how much time went by, the wall clock what time it is. A wall clock ahead of ours is
followed at once: a box without a battery starts in the past and is put right by NTP. A wall clock behind ours
is approached by running at half speed, so that no time is ever given out twice: (device, point, time) is
what identifies a sample in the store, and a repeated time would silently overwrite one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

TOLERANCE = 0.5
"""Seconds by which the clocks may differ before it is worth telling anybody."""

_SLOW = 0.5
"""Our speed while we are ahead of the wall clock."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock jumped by `seconds` (forward: more than 0) when our time was `time_ms`."""

    time_ms: int
    seconds: float


class Timebase:
    """UTC from pairs of readings of both clocks (seconds, as time.time() and loop.time() give them).

    `high_water_ms`: the highest time given out so far. This run stays above what is handed in: save the
    attribute now and then, and hand in at the next start what was saved plus the time between two saves.
    """

    def __init__(self, wall: float, monotonic: float, *, high_water_ms: int = 0) -> None:
        self.high_water_ms = high_water_ms
        self._floor_ms = high_water_ms
        self._last_ms: dict[Hashable, int] = {}
        self._observed = (wall, monotonic)
        self._anchor = max(wall, high_water_ms / 1000)
        self._ahead = self._anchor - wall

    def observe(self, wall: float, monotonic: float) -> ClockStep | None:
        """Compare the clocks; call it every second or so. A jump of the wall clock is returned, once."""
        then_wall, then_monotonic = self._observed
        jump = (wall - then_wall) - (monotonic - then_monotonic)
        ours = self.at(monotonic)
        self._observed = (wall, monotonic)
        self._anchor = max(ours, wall)
        self._ahead = self._anchor - wall
        return ClockStep(int(ours * 1000), jump) if abs(jump) > TOLERANCE else None

    def at(self, monotonic: float) -> float:
        """UTC in seconds at a moment of the monotonic clock; rises with it."""
        passed = monotonic - self._observed[1]
        if self._ahead and passed > 0:
            return self._anchor + passed - min(self._ahead, passed * (1 - _SLOW))
        return self._anchor + passed

    def unsure(self, monotonic: float) -> bool:
        """True while our time is further from the wall clock than the tolerance, because that went back."""
        passed = monotonic - self._observed[1]
        return self._ahead - max(passed, 0.0) * (1 - _SLOW) > TOLERANCE

    def next_ms(self, series: Hashable, monotonic: float) -> int:
        """UTC in ms at `monotonic`, at least one more than `series` got the last time, in this run or before.

        A series is whatever shares its times: one block of one device.
        """
        ms, last = int(self.at(monotonic) * 1000), self._last_ms.get(series, self._floor_ms)
        if ms <= last:
            ms = last + 1
        self._last_ms[series] = ms
        if ms > self.high_water_ms:
            self.high_water_ms = ms
        return ms
