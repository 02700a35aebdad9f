"""Calls for each poll when it is due, and lets others act between two polls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.poll_schedule import DuePoll, PollSchedule
from qilu.contract.reading import Poll
from qilu.runtime.timers import Timers


class PollLoop:
    """Of the poll groups of one endpoint, one after the other."""

    def __init__(
        self,
        groups: Sequence[Group],
        poll: Callable[[Group, DuePoll, float], Awaitable[Poll]],
        alarms: Timers,
        slot: float,
    ) -> None:
        self.groups = groups
        self.busy = False
        """Whether a poll is in progress."""
        self._poll = poll
        self._alarms = alarms
        self._slot = slot
        self._schedule: PollSchedule | None = None
        self._rest: asyncio.Future[None] | None = None
        self._waiting: list[Callable[[], None]] = []

    def between_polls(self, act: Callable[[], None]) -> None:
        """Call `act` between two polls: now, or as soon as the poll in progress is counted."""
        if self.busy:
            self._waiting.append(act)
        else:
            act()

    def exchange(self, groups: Sequence[Group], now: float) -> None:
        """Other groups from now on; one with the same name and period keeps its due times."""
        places = {group.key: place for place, group in enumerate(self.groups)}
        self.groups = groups
        if self._schedule is not None:
            periods = [(group.device.name, group.plan.period, places.get(group.key)) for group in groups]
            self._schedule.exchange(periods, now)
            self._wake()

    async def polls(self) -> AsyncGenerator[Poll]:
        clock = asyncio.get_running_loop().time
        periods = [(group.device.name, group.plan.period) for group in self.groups]
        schedule = self._schedule = PollSchedule(periods, clock(), self._slot)
        try:
            while True:
                if self._waiting:
                    self._end_poll()
                now = clock()
                due = schedule.take(now)
                self.busy = due is not None
                if due is None:
                    await self._until(schedule.next_due)
                else:
                    yield await self._poll(self.groups[due.group], due, now)
        finally:
            self._schedule = None
            self._end_poll()

    def _end_poll(self) -> None:
        """No poll is in progress: do what waits for that."""
        self.busy = False
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()

    async def _until(self, when: float) -> None:
        """Return at this time of the loop's clock, or when the groups were exchanged."""
        self._rest = asyncio.get_running_loop().create_future()
        timer = self._alarms.at(when, self._wake)
        try:
            await self._rest
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)
