"""The watchdog of systemd ends an ingester that hangs, and never one that waits for broker or store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from cloud.ingester import LONGEST_ROUND_S, LONGEST_WRITE_S, Ingester, Tally
from qilu.contract.ack_codes import Refusal
from qilu.contract.errors import TimedOutError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import Poll
from qilu.contract.record_codec import encode_message
from qilu.contract.topics import Lane, Topics
from qilu.mqtt.client import BrokerConnection, Message
from qilu.runtime.service_manager import ServiceManager
from qilu.stores.confirmation import Confirmation, Write
from tests.cloud.memory import MemoryStore, record
from tests.support.systemd import Systemd
from tests.support.virtual_time import virtual_time

TOPICS = Topics("qilu")


class Link:
    """Stands for a link to a broker: a record of one edge a second, and a place for acknowledgements."""

    discarded = 0

    def __init__(self, publish: Callable[[], Awaitable[None]]) -> None:
        self._publish = publish

    async def subscribe(self, filters: Sequence[str]) -> None:
        pass

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if not retain:
            await self._publish()

    async def messages(self) -> AsyncGenerator[Message]:
        for offset in range(10**9):
            await asyncio.sleep(1)
            body = record("edge-1", "press-1", 1000 + offset)
            payload = encode_message(1, IntervalSet.of([offset]), [body])
            yield Message(TOPICS.records(Lane.LIVE, "edge-1"), payload)


class SlowStore(MemoryStore):
    """A write waits for `on_write`, a confirmation for `on_confirm`."""

    on_write: Callable[[], Awaitable[None]]
    on_confirm: Callable[[], Awaitable[None]]

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        await self.on_write()
        return await super().write(polls)

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        await self.on_confirm()
        return await super().confirm(writes)


async def at_once() -> None:
    pass


async def for_ever() -> None:
    await asyncio.Event().wait()


def slow_store(
    on_write: Callable[[], Awaitable[None]] = at_once, on_confirm: Callable[[], Awaitable[None]] = at_once
) -> SlowStore:
    store = SlowStore(durability_delay=30.0)
    store.on_write, store.on_confirm = on_write, on_confirm
    return store


async def watched(
    folder: Path,
    store: MemoryStore,
    *,
    linked: bool = True,
    publish: Callable[[], Awaitable[None]] = at_once,
    minutes: float = 8,
    environ: dict[str, str] | None = None,
    watch: Callable[[Systemd], Awaitable[None]] | None = None,
) -> Systemd:
    """What systemd has seen of an ingester after so many minutes, or when `watch` returns."""
    systemd = Systemd(folder)
    clock = asyncio.get_running_loop().time
    ingester = Ingester(store, TOPICS, "one", tally=Tally(), random=Random(0), clock=clock)
    manager = ServiceManager([ingester.problem], systemd.environ | (environ or {}))
    async with systemd.running(), asyncio.TaskGroup() as tasks:
        parts: list[Coroutine[Any, Any, None]] = [
            manager.feed_watchdog(),
            ingester.fill(),
            ingester.confirm(),
        ]
        if linked:
            link = cast("BrokerConnection", Link(publish))
            parts.append(ingester.serve(link, [], manager.ready))
        else:  # a broker that is away
            manager.ready()
        running = [tasks.create_task(part) for part in parts]
        await (asyncio.sleep(60 * minutes) if watch is None else watch(systemd))
        for task in running:
            task.cancel()
    return systemd


@virtual_time
async def test_an_ingester_that_works_does_not_trip_it(tmp_path: Path) -> None:
    systemd = await watched(tmp_path, slow_store())
    assert systemd.ready
    assert systemd.fed > 40
    assert systemd.trips == []


@virtual_time
async def test_a_store_that_is_away_does_not_trip_it(tmp_path: Path) -> None:
    store = MemoryStore(durability_delay=30.0, down=True)
    assert (await watched(tmp_path, store)).trips == []
    assert store.tries == 0
    assert store.kept == {}


@virtual_time
async def test_a_broker_that_is_away_does_not_trip_it(tmp_path: Path) -> None:
    assert (await watched(tmp_path, slow_store(), linked=False)).trips == []


@pytest.mark.parametrize("seconds", [9.0, 250.0])
@virtual_time
async def test_a_store_that_is_slow_does_not_trip_it(tmp_path: Path, seconds: float) -> None:
    store = slow_store(lambda: asyncio.sleep(seconds), lambda: asyncio.sleep(seconds))
    assert (await watched(tmp_path, store)).trips == []
    assert store.kept


@virtual_time
async def test_writes_that_time_out_one_after_the_other_do_not_trip_it(tmp_path: Path) -> None:
    async def too_slow() -> None:
        await asyncio.sleep(10)
        raise TimedOutError("no response within store.timeout")

    assert (await watched(tmp_path, slow_store(too_slow))).trips == []


@pytest.mark.parametrize("where", ["write", "confirmation", "acknowledgement"])
@virtual_time
async def test_a_task_that_waits_for_ever_trips_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    store = slow_store(
        for_ever if where == "write" else at_once, for_ever if where == "confirmation" else at_once
    )
    publish = for_ever if where == "acknowledgement" else at_once
    longest = LONGEST_WRITE_S if where == "write" else LONGEST_ROUND_S
    systemd = await watched(tmp_path, store, publish=publish, minutes=longest / 60 + 3)
    assert set(systemd.trips) == {"watchdog"}
    assert f"has not ended for {longest:.0f} s: until this is over the watchdog" in caplog.text


async def test_a_loop_that_is_blocked_feeds_nothing(tmp_path: Path) -> None:
    seen = list[Systemd]()
    fed = list[int]()

    async def block() -> None:
        if not fed:
            seen[0].take(0)
            fed.append(seen[0].fed)
            time.sleep(0.5)  # noqa: ASYNC251 - this is what is tested
            seen[0].take(0)
            fed.append(seen[0].fed)

    async def watch(systemd: Systemd) -> None:
        seen.append(systemd)
        async with asyncio.timeout(60):
            while len(fed) < 2 or systemd.fed < fed[1] + 3:
                await asyncio.sleep(0.01)
                systemd.take(0)

    every_10_ms = {"WATCHDOG_USEC": "20000"}
    systemd = await watched(tmp_path, slow_store(block), environ=every_10_ms, watch=watch)
    assert systemd.ready
    assert fed[0] > 3
    assert fed[1] == fed[0]
