"""The time that readings get: UTC in epochs, between which the wall clock was set.

The monotonic clock counts how much time went by, the wall clock gives the time of day. Within an epoch time
rises with the monotonic clock; a small difference is made up for, forward at once and backward at half
speed. A step of the wall clock ends the epoch. (device, point, time) identifies a sample in the store and a
repeated time would overwrite one, so epochs that overlap use different milliseconds: see time_grids.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from qilu.contract.reading import EpochTag, TimeTrust
from qilu.runtime.time_grids import Grid, Grids, ProvisionalGrid

TOLERANCE = 0.5
"""Seconds by which the clocks may differ before it is a step."""

_SLOW = 0.5
"""Our speed while we are ahead of the wall clock."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock jumped by `seconds` (forward: more than 0) when our time was `time_ms`.

    `unused`: no time behind the step was given out before.
    """

    time_ms: int
    seconds: float
    unused: bool = False


class Epoch:
    """Times of one trust; a turn that began in an epoch takes all its times from that one."""

    __slots__ = ("_ahead", "_anchor", "_at", "grid", "tag")

    def __init__(self, number: int, trust: TimeTrust, utc: float, monotonic: float, grid: Grid) -> None:
        self.tag = EpochTag(number, trust, round((utc - monotonic) * 1000))
        self.grid = grid
        grid.high_ms = max(grid.high_ms, int(utc * 1000))  # it is in use from here on
        self._anchor, self._at, self._ahead = utc, monotonic, 0.0

    def at(self, monotonic: float) -> float:
        """UTC in seconds at a moment of the monotonic clock; rises with it."""
        passed = monotonic - self._at
        if self._ahead and passed > 0:
            return self._anchor + passed - min(self._ahead, passed * (1 - _SLOW))
        return self._anchor + passed

    def follow(self, wall: float, monotonic: float) -> None:
        """Take over a wall clock that differs a little."""
        self._anchor = max(self.at(monotonic), wall)
        self._at = monotonic
        self._ahead = self._anchor - wall

    def reach(self, monotonic: float) -> None:
        """Times up to this moment may have been given out."""
        self.grid.high_ms = max(self.grid.high_ms, int(self.at(monotonic) * 1000))

    def next_ms(self, series: Hashable, monotonic: float) -> int:
        """UTC in ms at `monotonic`, later than every other time that `series` got in this epoch.

        A series is whatever shares its times: one poll group of one device.
        """
        grid = self.grid
        ms, last = int(self.at(monotonic) * 1000), grid.last.get(series, grid.floor_ms)
        ms = grid.place(ms if ms > last else last + 1)
        grid.last[series] = ms
        if ms > grid.high_ms:
            grid.high_ms = ms
        return ms


class Timebase:
    """The epochs of one process, from pairs of readings of both clocks (s, as time.time(), loop.time())."""

    def __init__(
        self,
        wall: float,
        monotonic: float,
        *,
        grids: Grids | None = None,
        trust: TimeTrust = TimeTrust.KNOWN,
        guess: float | None = None,
        held: tuple[int, int] | None = None,
    ) -> None:
        """`guess`: the UTC to begin with where the trust is not KNOWN; None: the wall clock.

        `held`: number and latest time (ms) of a held epoch of the run before that is continued.
        """
        self.grids = grids or Grids()
        self._observed = (wall, monotonic)
        utc = wall if guess is None or trust is TimeTrust.KNOWN else guess
        number, high_ms = held or (max(round(monotonic * 1000), 1), 0)
        self.epoch = self._epoch(number, trust, utc, monotonic, high_ms)

    def start_epoch(self, trust: TimeTrust, monotonic: float) -> Epoch:
        """Begin the next epoch: a known one with the wall clock, others with the time of the one before."""
        then_wall, then = self._observed
        known = trust is TimeTrust.KNOWN
        utc = then_wall + monotonic - then if known else self.epoch.at(monotonic)
        number = max(round(monotonic * 1000), self.epoch.tag.number + 1)
        self.epoch = self._epoch(number, trust, utc, monotonic)
        return self.epoch

    def _epoch(self, number: int, trust: TimeTrust, utc: float, monotonic: float, high_ms: int = 0) -> Epoch:
        held = trust is TimeTrust.HELD
        grid = ProvisionalGrid(high_ms) if held else self.grids.free_or_first(int(utc * 1000))
        return Epoch(number, trust, utc, monotonic, grid)

    def reserve(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """`Grids.reserve`, beside the present epoch."""
        return self.grids.reserve(start_ms, end_ms, self.epoch.grid)

    def observe(self, wall: float, monotonic: float) -> ClockStep | None:
        """Compare the clocks; call it every second or so. A step of the wall clock is returned, once.

        The epoch does not follow a step: whether it is to be believed is another's decision.
        """
        then_wall, then_monotonic = self._observed
        jump = (wall - then_wall) - (monotonic - then_monotonic)
        self._observed = (wall, monotonic)
        if abs(jump) > TOLERANCE:
            return ClockStep(int(self.at(monotonic) * 1000), jump)
        if self.epoch.tag.trust is TimeTrust.KNOWN:
            self.epoch.follow(wall, monotonic)
        return None

    @property
    def offset_ms(self) -> int:
        """The wall clock minus the monotonic clock at the last look."""
        wall, monotonic = self._observed
        return round((wall - monotonic) * 1000)

    def at(self, monotonic: float) -> float:
        """UTC in seconds at a moment of the monotonic clock, in the present epoch."""
        return self.epoch.at(monotonic)

    def next_ms(self, series: Hashable, monotonic: float) -> int:
        """`Epoch.next_ms` of the present epoch."""
        return self.epoch.next_ms(series, monotonic)
