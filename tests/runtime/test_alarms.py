"""Alarms ring at their time and in their order, and nobody wakes up for one that is cancelled."""

import asyncio
from random import Random

import pytest

from qilu.runtime.timers import Timers
from tests.support.virtual_time import virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_alarms_ring_at_their_times_in_their_order() -> None:
    alarms, rung, random, start = Timers(), list[tuple[float, int]](), Random(1), now()
    due = [start + random.choice((1.0, 2.0, 2.5, 7.25)) for _ in range(100)]
    for number, when in enumerate(due):
        alarms.at(when, lambda number=number: rung.append((now(), number)))  # type: ignore[misc]
    await alarms.until(start + 10)
    assert rung == sorted((when, number) for number, when in enumerate(due))
    assert now() == start + 10


@virtual_time
async def test_what_is_cancelled_does_not_ring_and_wakes_nobody() -> None:
    alarms, rung, start = Timers(), list[float](), now()
    early, late = (alarms.at(start + after, lambda: rung.append(now())) for after in (1.0, 3.0))
    alarms.at(start + 2.0, lambda: rung.append(now()))
    early.cancel()
    late.cancel()
    await alarms.until(start + 2.0)
    assert rung == [start + 2.0]
    late.cancel()  # once more does nothing


@virtual_time
async def test_one_that_rings_may_set_another_before_and_after_those_that_wait() -> None:
    alarms, rung, start = Timers(), list[str](), now()

    def first() -> None:
        rung.append("first")
        alarms.at(start + 5.0, lambda: rung.append("last"))
        alarms.at(start, lambda: rung.append("at once"))

    alarms.at(start + 1.0, first)
    alarms.at(start + 3.0, lambda: rung.append("in between"))
    await alarms.until(start + 6.0)
    assert rung == ["first", "at once", "in between", "last"]


@virtual_time
async def test_one_that_fails_keeps_no_other_from_ringing() -> None:
    alarms, rung, start = Timers(), list[float](), now()
    failures = list[BaseException]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, reported: failures.append(reported["exception"])
    )

    def fails() -> None:
        raise ZeroDivisionError

    alarms.at(start + 1.0, fails)
    alarms.at(start + 1.0, lambda: rung.append(now()))
    alarms.at(start + 2.0, lambda: rung.append(now()))
    await alarms.until(start + 3.0)
    assert rung == [start + 1.0, start + 2.0]
    assert [type(failure) for failure in failures] == [ZeroDivisionError]


@virtual_time
async def test_whoever_waits_can_be_cancelled_at_the_very_time() -> None:
    alarms, start = Timers(), now()
    waiting = asyncio.ensure_future(alarms.until(start + 1.0))

    def cancel() -> None:
        waiting.cancel()

    alarms.at(start + 1.0, cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await alarms.until(start + 2.0)
    assert now() == start + 2.0


@virtual_time
async def test_cancelled_alarms_do_not_pile_up() -> None:
    alarms, start = Timers(), now()
    kept = [alarms.at(start + 3600.0, lambda: None) for _ in range(10)]
    for _ in range(50_000):
        alarms.at(start + 3600.0, lambda: None).cancel()
    assert len(alarms._waiting) < 3000
    assert all(alarm.callback is not None for alarm in kept)
