"""Works that run together: all end when one fails, and whoever is told to end does so."""

from __future__ import annotations

import asyncio

import pytest

from qilu.contract.errors import UnreachableError
from qilu.runtime.tasks import flatten, run_together


async def fail(event: asyncio.Event, retry_after: float | None = None) -> None:
    await event.wait()
    raise UnreachableError("gone", retry_after=retry_after)


async def test_when_one_fails_the_others_are_cancelled_and_all_that_failed_is_reported() -> None:
    event, ended = asyncio.Event(), []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    event.set()
    with pytest.raises(ExceptionGroup) as caught:
        await run_together({"a": fail(event, 3.0), "b": fail(event), "c": wait()})
    assert ended == ["cancelled"]
    assert [str(error) for error in flatten(caught.value)] == ["gone", "gone"]


async def test_works_that_end_are_waited_for() -> None:
    await run_together({"a": asyncio.sleep(0), "b": asyncio.sleep(0.01)})


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_is_cancelled_is_so_also_in_the_moment_in_which_something_fails(turns: int) -> None:
    """However many turns of the loop lie between the failure and the cancellation."""
    event = asyncio.Event()

    async def again_and_again() -> None:
        while True:
            try:
                await run_together({"a": fail(event), "b": asyncio.sleep(3600)})
            except* UnreachableError:
                event.clear()

    running = asyncio.create_task(again_and_again())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()


async def test_a_work_that_fails_again_and_again_does_not_count_as_cancelled() -> None:
    event = asyncio.Event()
    event.set()
    for _ in range(3):
        with pytest.raises(ExceptionGroup):
            await run_together({"a": fail(event), "b": asyncio.sleep(3600)})
        await asyncio.sleep(0)
