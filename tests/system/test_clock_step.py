"""The real gateway under a wall clock that jumps: what is stored has true times, soon and over a restart."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from qilu.stores.settings import SqliteSettings
from tests.campaign.clock import WallClock
from tests.servers import Mosquitto
from tests.system.programs import now_ms
from tests.system.road import Road

DAY = 86_400.0
NEAR_MS = 60_000
"""Times of readings may be before or after the test by this; a wrong clock is wrong by far more."""


@pytest.mark.parametrize("days", [400.0, -2 * 365.0])
async def test_a_clock_that_is_wrong_for_seconds_leaves_no_wrong_time(
    mosquitto: Mosquitto, tmp_path: Path, days: float
) -> None:
    """Attacks 02b (ahead while it runs, and over a kill) and 03b (a first boot two years slow)."""
    clock = WallClock(tmp_path)
    if not clock.works:
        pytest.skip("libfaketime is not on this machine")
    begin_ms = now_ms()
    road = Road(tmp_path, {"port": mosquitto.port}, {"type": "sqlite", "file": "store.db"})
    road.gateway.environment = clock.environment
    if days < 0:
        clock.set(days * DAY)
    async with road:
        if days > 0:
            await road.flows()
            clock.set(days * DAY)
        await asyncio.sleep(5)
        if days > 0:
            road.gateway.kill()
            await asyncio.to_thread(road.gateway.start)
            await asyncio.sleep(3)
        clock.set(0.0)
        wrong_until_ms = now_ms()
        await road.flows(within=60)
        await road.flows(after_ms=wrong_until_ms, within=60)
        await road.settled(within=60)
        await road.stop()
    assert isinstance(road.store, SqliteSettings)
    with sqlite3.connect(road.store.file) as store:
        times = [time_ms for (time_ms,) in store.execute("SELECT time_ms FROM readings")]
    assert times
    assert begin_ms - NEAR_MS < min(times) <= max(times) < now_ms() + NEAR_MS
