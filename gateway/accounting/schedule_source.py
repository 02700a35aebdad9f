"""Reports what should be polled: at every start, and once a day so that a reader need not look back for long.

Also when the clock was set: a box without a battery starts years ago, where nobody looks for its schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Sequence
from contextlib import suppress

from gateway.interfaces import ExpectedPolls
from qilu.contract.accounting import COLLECTION, SCHEDULE, SCHEDULE_POINTS
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading

EVERY = 86_400.0
"""Seconds between two repetitions."""


class ScheduleSource:
    """One reading for each device of `expected`, all at the same time of `stamp`, in the epoch `tag`.

    `account_interval_s`: how long an account runs, which is sent with it.
    """

    name = "schedule"

    def __init__(
        self,
        expected: Iterable[ExpectedPolls],
        account_interval_s: float,
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        groups: dict[Origin, list[ExpectedPolls]] = {}
        for group in expected:
            groups.setdefault(group.origin, []).append(group)
        self._rows = [
            (_columns(origin), _values(device_groups, account_interval_s))
            for origin, device_groups in groups.items()
        ]
        self._stamp = stamp
        self._tag = tag
        self._wanted = asyncio.Event()

    def announce_now(self) -> None:
        """Send it once more now."""
        self._wanted.set()

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            self._wanted.clear()
            time_ms, tag = self._stamp(SCHEDULE), self._tag()
            for columns, values in self._rows:
                yield Poll(time_ms, (Reading(columns, time_ms, values),), epoch=tag)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()


def _columns(origin: Origin) -> BlockSchema:
    own = Origin(origin.edge, origin.device, COLLECTION, origin.enterprise, origin.site, origin.line)
    return BlockSchema(own, SCHEDULE, SCHEDULE_POINTS)


def _values(groups: Sequence[ExpectedPolls], account_interval_s: float) -> tuple[float, ...]:
    rate = sum(group.points / group.period for group in groups)
    points = sum(group.points for group in groups)
    return (rate, points, len(groups), min(group.period for group in groups), account_interval_s)
