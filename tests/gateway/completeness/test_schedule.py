"""What should be polled is told where an audit looks for it: at a start, daily, after the clock was set."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from gateway.accounting.daily_source import EVERY, DescriptionSource
from gateway.accounting.schedule_source import ScheduleSource
from gateway.interfaces import ExpectedPolls
from qilu.contract.reading import BlockSchema, Origin
from tests.support.virtual_time import virtual_time

PRESS = Origin("edge-1", "press-1", "press")
FAST, SLOW = ExpectedPolls(PRESS, "fast", 1.0, 3), ExpectedPolls(PRESS, "slow", 10.0, 5)


@virtual_time
async def test_a_schedule_is_reported_at_the_start_once_a_day_and_when_the_clock_was_set() -> None:
    now = asyncio.get_running_loop().time
    begun = now()
    source = ScheduleSource([FAST, SLOW], 60.0, lambda _: int((now() - begun) * 1000))
    reported = []
    async with aclosing(source.polls()) as polls:
        asyncio.get_running_loop().call_later(EVERY + 100, source.announce_now)
        async for poll in polls:
            [reading] = poll.readings
            reported.append((reading.time_ms // 1000, reading.values))
            if len(reported) == 4:
                break
    assert reported == [(at, (3.5, 8, 2, 1.0, 60.0)) for at in (0, EVERY, EVERY + 100, 2 * EVERY + 100)]


@virtual_time
async def test_what_the_points_are_is_reported_at_the_same_times() -> None:
    now = asyncio.get_running_loop().time
    begun = now()
    columns = BlockSchema(PRESS, "point_info", ("force",))
    source = DescriptionSource([(columns, ("{}",))], lambda _: int((now() - begun) * 1000))
    reported = []
    async with aclosing(source.polls()) as polls:
        asyncio.get_running_loop().call_later(EVERY + 100, source.announce_now)
        async for poll in polls:
            reported.append(poll.readings[0].time_ms // 1000)
            if len(reported) == 4:
                break
    assert reported == [0, EVERY, EVERY + 100, 2 * EVERY + 100]
