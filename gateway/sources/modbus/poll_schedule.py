"""When each poll group is due: fixed grids that never drift, never pile up, and count what they skip."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heapreplace
from math import floor, inf
from typing import NamedTuple
from zlib import crc32

FIRST_POLL_WITHIN_S = 5.0
"""Seconds within which every group has its first poll, also one that is polled once an hour."""

SLOTS = (0.1, 0.05, 0.025, 0.0125)
"""Seconds; polls begin together at the begin of a slot. A process that wakes up for one request after the
other works from cold caches: ten devices served in one go cost a third of ten served one by one."""

MAX_POLLS_PER_SLOT = 15
"""Polls that a slot should gather: more save little, and the last of them waits for all others."""

_EARLY = 0.0005  # a timer may fire this much before its time


class DuePoll(NamedTuple):
    """One poll group whose time has come. `skipped`: polls before this one that were missed for good."""

    group: int
    due: float
    skipped: int


class _Grid:
    """The times `origin` + n * `period`; `due` is the next one, or a first poll ahead of a long period."""

    __slots__ = ("_following", "_origin", "_period", "due", "index")

    def __init__(self, index: int, period: float, phase: float, start: float, slot: float) -> None:
        self.index = index
        self._period = period
        # Of the clock itself, not of the start: groups of different sources then share their slots.
        self._origin = floor(start / period) * period + phase * period
        if period >= 4 * slot:  # a shorter one keeps its phase
            self._origin = floor(self._origin / slot) * slot
        if self._origin < start:
            self._origin += period
        self.due = (
            min(self._origin, start + phase * FIRST_POLL_WITHIN_S)
            if period > FIRST_POLL_WITHIN_S
            else self._origin
        )
        self._following = 0 if self._origin > self.due else 1  # the n of the first time after `due`

    def __lt__(self, other: _Grid) -> bool:
        return self.due < other.due

    def pop_due(self, now: float) -> DuePoll:
        """The last poll that is due, counting those that it replaces; moves on to the first after `now`."""
        due, following = self.due, self._following
        passed = floor((now - self._origin) / self._period) + 1  # times of the grid that are over
        skipped = passed - following
        if skipped > 0:
            due, following = self._origin + (passed - 1) * self._period, passed
        self.due = self._origin + following * self._period
        self._following = following + 1
        return DuePoll(self.index, due, max(0, skipped))


class PollSchedule:
    """All poll groups of one endpoint. Among those that are due the one that waits longest is first, so that
    a fast group cannot starve a slow one. Times are seconds of one monotonic clock, handed in."""

    def __init__(self, groups: Iterable[tuple[str, float]], start: float, slot: float = SLOTS[0]) -> None:
        """`groups`: name of the device and period in seconds; polls name them by their place here."""
        self._slot = slot
        self._grids: list[_Grid] = []
        self.exchange([(device, period, None) for device, period in groups], start)

    def exchange(self, groups: Iterable[tuple[str, float, int | None]], now: float) -> None:
        """Other groups from now on: name of the device, period, and the place where the group was before.

        A group that was there before, with the same period, keeps its due times; None: a new group.
        """
        before = {grid.index: grid for grid in self._grids}
        grids = []
        for index, (device, period, place) in enumerate(groups):
            grid = None if place is None else before[place]
            if grid is None:
                grid = _Grid(index, period, phase_of(device), now, self._slot)
            grid.index = index
            grids.append(grid)
        heapify(grids)
        self._grids = grids

    @property
    def next_due(self) -> float:
        return self._grids[0].due if self._grids else inf

    def take(self, now: float) -> DuePoll | None:
        """The poll that is to be made now, or None while none is due."""
        first = self._grids[0] if self._grids else None
        if first is None or first.due - now > _EARLY:
            return None
        poll = first.pop_due(now)
        heapreplace(self._grids, first)
        return poll


def slot_for(rate: float) -> float:
    """The longest slot with at most `MAX_POLLS_PER_SLOT` of `rate` polls per second, else the shortest."""
    return next((slot for slot in SLOTS if rate * slot <= MAX_POLLS_PER_SLOT), SLOTS[-1])


def phase_of(device: str) -> float:
    """Where in its period a device is polled, 0 to 1: spread evenly, and the same after every start."""
    return crc32(device.encode()) / 2**32
