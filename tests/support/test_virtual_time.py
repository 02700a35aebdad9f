"""The loop of the other tests: its clock jumps, but never past anything."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.virtual_time import StuckError, run, virtual_time


@virtual_time
async def test_a_day_of_sleep_takes_no_time_and_ends_exactly_then() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.sleep(86_400)
    assert loop.time() == start + 86_400


@virtual_time
async def test_timers_fire_in_the_order_of_their_moments() -> None:
    order: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    await asyncio.gather(*(sleeper(seconds) for seconds in (3, 0.001, 60, 2, 0)))
    assert order == [0, 0.001, 2, 3, 60]


@virtual_time
async def test_a_time_out_ends_what_never_answers() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()


@virtual_time
async def test_work_in_a_thread_takes_no_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(0.001):
        await asyncio.to_thread(time.sleep, 0.02)
    assert loop.time() == start


def test_a_test_that_nothing_can_wake_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.virtual_time._STUCK_AFTER", 0.01)
    with pytest.raises(StuckError):
        run(asyncio.Event().wait())


@virtual_time
async def test_in_memory_streams_work(tmp_path_factory: pytest.TempPathFactory) -> None:
    reader = asyncio.StreamReader()
    asyncio.get_running_loop().call_later(5, reader.feed_data, b"late\n")
    assert await reader.readline() == b"late\n"
