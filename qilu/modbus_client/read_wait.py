"""How one read waits: for its end, and for the moment at which its connection has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from qilu.runtime.timers import Timer, Timers


class ReadWait:
    """Of one connection; at most one read waits. Times are seconds of the loop's clock."""

    __slots__ = (
        "_done",
        "_due",
        "_loop",
        "_min_gap",
        "_timer",
        "_timers",
        "busy_until",
        "gap",
        "now",
        "quiet_until",
        "started_at",
        "wakes_at",
    )  # fmt: skip

    def __init__(self, timers: Timers, min_gap: float, due: Callable[[], None]) -> None:
        """`min_gap`: seconds of silence that every request needs before it; `due`: called by the timer."""
        self._timers = timers
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] | None = None
        self._timer: Timer | None = None
        self._min_gap = self.gap = min_gap
        self.now = self._loop.time
        self.started_at = 0.0
        """When the read began."""
        self.wakes_at = inf
        """When the timer rings."""
        self.quiet_until = self.busy_until = 0.0
        """Nothing is sent before the first one. Until the second one bytes may still come, unless the line is
        never silent."""

    def start(self, gap: float, last_reply_at: float) -> asyncio.Future[None]:
        """What a read awaits whose requests need so many seconds of silence."""
        self.started_at = self.now()
        self.gap = max(gap, self._min_gap)
        if self.gap:
            self.quiet_until = max(self.quiet_until, last_reply_at + self.gap)
        self._done = done = self._loop.create_future()
        return done

    def over(self) -> None:
        """Let the read return."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def end(self) -> None:
        """Leave no timer behind."""
        self._done = None
        self._cancel()

    def wake(self, at: float) -> None:
        """Let the timer ring at this time at the latest."""
        if at < self.wakes_at:
            self._cancel()
            self._timer, self.wakes_at = self._timers.at(at, self._ring), at

    def _ring(self) -> None:
        self._timer, self.wakes_at = None, inf
        self._due()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.wakes_at = None, inf
