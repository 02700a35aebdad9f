"""How one read waits: for its end, for the next deadline, and for the moment of the next request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from qilu.runtime.timers import Timer, Timers


class ReadWait:
    """Of one connection; at most one read waits."""

    __slots__ = ("_alarms", "_done", "_loop", "_min_gap", "deadline", "gap", "now", "pausing", "quiet_until")

    def __init__(self, alarms: Timers, min_gap: float) -> None:
        """`min_gap`: seconds of silence that every request needs before it."""
        self._alarms = alarms
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] | None = None
        self.deadline: Timer | None = None
        """Rings at the deadline of the oldest open request, or before."""
        self.now = self._loop.time
        """The loop's clock."""
        self.pausing: Timer | None = None
        """Rings when the next request may be sent."""
        self._min_gap = self.gap = min_gap
        self.quiet_until = 0.0
        """Nothing is sent before."""

    def start(self, gap: float, last_reply_at: float) -> asyncio.Future[None]:
        """What a read awaits whose requests need so many seconds of silence."""
        self.gap = max(gap, self._min_gap)
        if self.gap:
            self.quiet_until = max(self.quiet_until, last_reply_at + self.gap)
        self._done = done = self._loop.create_future()
        return done

    def replied(self, now: float) -> None:
        """A request was answered."""
        self.quiet_until = now + self.gap

    def sent_broadcast(self, until: float) -> None:
        """Nobody answers; all get the time to carry it out."""
        self.quiet_until = until

    def over(self) -> None:
        """Let the read return."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def end(self) -> None:
        """Leave no timer behind."""
        self._done = None
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        if self.pausing is not None:
            self.pausing.cancel()
            self.pausing = None

    def set_deadline(self, at: float, expired: Callable[[], None]) -> None:
        """Call `expired` at this time of the loop's clock, and not at the one that was set before."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = self._alarms.at(at, expired)

    def deadline_passed(self) -> None:
        self.deadline = None

    def pause(self, until: float, over: Callable[[], None]) -> None:
        self.pausing = self._alarms.at(until, over)

    def pause_over(self) -> None:
        self.pausing = None

    def end_pause(self, over: Callable[[], None]) -> None:
        """Call `over` soon in place of later."""
        if self.pausing is not None:
            self.pausing.cancel()
            self._loop.call_soon(over)
