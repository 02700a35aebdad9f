"""Many timers at the price of one: what is due together is rung together, and what is cancelled wakes nobody.

asyncio makes an object for each timer, compares them in Python, and keeps those that are cancelled until they
are due. A process that polls a thousand devices sets two for each turn, and cancels one of them: here that
costs a fifth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf

_TIDY = 1000
"""Entries that may wait before the first look for those that are cancelled."""


class Timer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not ring; nothing happens where it has rung already."""
        self.callback = None


class Timers:
    """The alarms of one loop, on its clock. Made anywhere, used inside the loop only."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Timer]] = []
        self._number = count().__next__  # alarms of one time ring in the order in which they were set
        self._tidy_at = _TIDY
        self._set_for = inf
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at this time of the loop's clock, or soon where that has passed."""
        timer = Timer(callback)
        heappush(self._waiting, (when, self._number(), timer))
        if when < self._set_for:
            self._set(when)
        if len(self._waiting) > self._tidy_at:
            self._tidy()
        return timer

    async def until(self, when: float) -> None:
        """Return at this time of the loop's clock."""
        loop = self._loop or self._bound()
        due = loop.create_future()
        timer = self.at(when, partial(_settle, due))
        try:
            await due
        finally:
            timer.cancel()

    def _bound(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._set_for = when
        self._timer = (self._loop or self._bound()).call_at(when, self._fire)

    def _fire(self) -> None:
        waiting, self._timer = self._waiting, None
        self._set_for = -inf  # what is set by those that ring is looked at in the end
        now = (self._loop or self._bound()).time()
        try:
            while waiting and waiting[0][0] <= now:
                callback = heappop(waiting)[2].callback
                if callback is not None:
                    callback()
        finally:
            while waiting and waiting[0][2].callback is None:
                heappop(waiting)
            self._set_for = inf
            if waiting:
                self._set(waiting[0][0])

    def _tidy(self) -> None:
        """Forget what is cancelled, so that long time-outs of brief requests do not pile up."""
        self._waiting[:] = [entry for entry in self._waiting if entry[2].callback is not None]
        heapify(self._waiting)
        self._tidy_at = 2 * len(self._waiting) + _TIDY


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
