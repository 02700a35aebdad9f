"""The watchdog of systemd ends a gateway that hangs, and never one that waits for something outside."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from gateway.app import build
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.interfaces import Equipment
from gateway.pipeline import COMMIT, Pipeline, collecting_task
from gateway.progress import Deadline, Progress
from gateway.settings import DeliverySettings, GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.spool.disk import DiskSpool
from gateway.spool.filesystem import OsFiles
from gateway.spool.settings import SpoolSettings
from gateway.spool.thread_probe import ThreadProbe
from qilu.config.profiles import profiles
from qilu.contract.reading import Poll
from qilu.runtime.backoff import Backoff
from qilu.runtime.service_manager import ALIVE_FILE, Check, ServiceManager
from tests.conformance.test_every_source import GONE, ModbusBench
from tests.gateway.test_pipeline import STORE, Cloud, Counting, NoReports, StoppedClock
from tests.gateway.test_reconnecting import Lines
from tests.support.memory_spool import MemorySpool
from tests.support.systemd import Systemd
from tests.support.virtual_time import virtual_time

MINUTES = 5


class Ticking(Counting):
    """A source that is polled every second."""

    def __init__(self, name: str = "a", hangs_after: int = 10**9) -> None:
        super().__init__(name, most=10**9)
        self._hangs_after = hangs_after

    async def polls(self) -> AsyncGenerator[Poll]:
        async for poll in super().polls():
            await asyncio.sleep(1)
            yield poll
            if poll.due_ms >= self._hangs_after:
                await asyncio.Event().wait()


class SlowSpool(MemorySpool):
    """Its disk stalls for `stall_s` once a minute, and with it the thread that syncs."""

    def __init__(self, stall_s: float = 0.0, *, open_s: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        loop = asyncio.get_running_loop()
        self._stall_s = stall_s
        self._open_s = open_s
        self._stall_at = loop.time() + 60
        self._until = 0.0
        self.probe = ThreadProbe(SlowThread(lambda: self._until), loop.time)

    async def __aenter__(self) -> Self:
        await asyncio.sleep(self._open_s)
        await super().__aenter__()
        return self

    async def commit(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._stall_s and now >= self._stall_at:
            self._until, self._stall_at = now + self._stall_s, now + self._stall_s + 60
        await asyncio.sleep(max(0.0, self._until - now))


class SlowThread(Executor):
    """A thread that works again at `until()`."""

    def __init__(self, until: Callable[[], float]) -> None:
        self._until = until

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, self._until() - loop.time()), future.set_result, None)
        return future


def gateway(
    sources: Sequence[Equipment],
    spool: MemorySpool | None = None,
    *,
    refusals: int = 0,
    sync: float | None = 0.2,
) -> tuple[Pipeline, list[Check]]:
    """A pipeline of parts in memory, and what has to hold while it runs."""
    clock = asyncio.get_running_loop().time
    spool = spool or SlowSpool()
    quick = Backoff(Random(0), first=1.0, max_s=1.0)
    tasks = {collecting_task(source): Deadline(4 + 0.2) for source in sources}
    progress = Progress({COMMIT: Deadline(0.2), **tasks}, clock)
    outbox = Outbox([STORE], Random(0))
    pipeline = Pipeline(
        sources=list(sources),
        processors=[],
        spool=spool,
        delivery=Delivery(spool, Cloud(refusals), outbox, linger=0.05, backoff=quick, clock=clock),
        reports=NoReports(),
        clock=StoppedClock(),
        sync=sync,
        backoff=lambda: quick,
        progress=progress,
    )
    checks: list[Check] = [progress.problem]
    if isinstance(spool, SlowSpool):
        checks.append(spool.probe.problem)
    return pipeline, checks


async def watched(
    folder: Path, pipeline: Pipeline, checks: Sequence[Check], minutes: float = MINUTES
) -> Systemd:
    """What systemd has seen after so many minutes."""
    systemd = Systemd(folder)
    manager = ServiceManager(checks, systemd.environ)
    async with systemd.running(), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(manager.feed_watchdog()),
            tasks.create_task(pipeline.run(asyncio.Event(), 0, manager.ready)),
        ]
        await asyncio.sleep(60 * minutes)
        for task in running:
            task.cancel()
    return systemd


@pytest.mark.parametrize("far_side", GONE)
@virtual_time
async def test_dead_devices_do_not_trip_it(tmp_path: Path, far_side: Any) -> None:
    bench = ModbusBench("tcp://10.0.0.1")
    bench.become(far_side)
    systemd = await watched(tmp_path, *gateway([bench.source]))
    assert systemd.ready
    assert systemd.trips == []


@virtual_time
async def test_a_broker_that_is_away_does_not_trip_it(tmp_path: Path) -> None:
    assert (await watched(tmp_path, *gateway([Ticking()], refusals=10**9))).trips == []


@virtual_time
async def test_a_spool_that_is_full_and_blocks_does_not_trip_it(tmp_path: Path) -> None:
    pipeline, checks = gateway([Ticking()], MemorySpool(1000, policy="block"), refusals=10**9)
    assert (await watched(tmp_path, pipeline, checks)).trips == []
    assert pipeline.tally.blocked > 500


@pytest.mark.parametrize("sync", [0.2, None])
@virtual_time
async def test_a_disk_that_stalls_for_40_s_does_not_trip_it(tmp_path: Path, sync: float | None) -> None:
    assert (await watched(tmp_path, *gateway([Ticking()], SlowSpool(40.0), sync=sync))).trips == []


@virtual_time
async def test_a_disk_that_never_answers_trips_it(tmp_path: Path) -> None:
    assert "watchdog" in (await watched(tmp_path, *gateway([Ticking()], SlowSpool(10**6)))).trips


@virtual_time
async def test_a_start_that_takes_long_trips_nothing_and_is_ready_only_when_the_spool_is_open(
    tmp_path: Path,
) -> None:
    pipeline, checks = gateway([Ticking()], SlowSpool(open_s=500))
    systemd = Systemd(tmp_path)
    manager = ServiceManager(checks, systemd.environ)
    async with systemd.running(), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(manager.feed_watchdog()),
            tasks.create_task(pipeline.run(asyncio.Event(), 0, manager.ready)),
        ]
        await asyncio.sleep(490)
        before = systemd.ready
        await asyncio.sleep(30)
        for task in running:
            task.cancel()
    assert (before, systemd.ready, systemd.trips) == (False, True, [])


@virtual_time
async def test_one_task_that_waits_for_ever_trips_it_and_the_log_names_it(tmp_path: Path) -> None:
    lines = Lines()
    logger = logging.getLogger("qilu.runtime.service_manager")
    logger.addHandler(lines)
    try:
        sources = [Ticking("good"), Ticking("stuck", hangs_after=5)]
        systemd = await watched(tmp_path, *gateway(sources), minutes=3)
    finally:
        logger.removeHandler(lines)
    assert "watchdog" in systemd.trips
    assert any("the task `collect from stuck` has made no progress" in line for line in lines.lines)


@virtual_time
async def test_a_poll_of_many_requests_moves_on_with_each_of_them() -> None:
    requests = 0
    now = asyncio.get_running_loop().time
    progress = Progress({"poll": Deadline(5.0, lambda: requests)}, now)
    with progress.watching("poll"):
        for _ in range(20):
            await asyncio.sleep(20)
            requests += 1
            assert progress.problem() is None
        await asyncio.sleep(36)
        assert progress.problem() is not None
    assert progress.problem() is None


class Stalling(OsFiles):
    """Its names are synced only when somebody opens the gate."""

    gate = threading.Event()

    def sync_names(self) -> None:
        self.gate.wait(20)
        super().sync_names()


async def test_the_thread_of_a_spool_is_asked_and_not_waited_for(tmp_path: Path) -> None:
    files = Stalling(tmp_path)
    files.gate.set()
    async with DiskSpool(SpoolSettings(directory=tmp_path, min_free_disk=0), "edge-1", files=files) as spool:
        assert spool.problem() is None
        files.gate.clear()
        spool.append(b"{}")
        committing = asyncio.ensure_future(spool.commit())
        await asyncio.sleep(0.05)
        spool.problem()  # the answer to the question before
        assert "the disk of the spool has not replied" in str(spool.problem())
        files.gate.set()
        await committing
        async with asyncio.timeout(60):
            while spool.problem() is not None:
                await asyncio.sleep(0.01)
    assert spool.problem() is None


async def test_a_loop_that_is_blocked_feeds_nothing(tmp_path: Path) -> None:
    systemd = Systemd(tmp_path)
    manager = ServiceManager([], systemd.environ | {"WATCHDOG_USEC": "20000"})  # every 10 ms
    feeding = asyncio.create_task(manager.feed_watchdog())
    async with systemd.running(), asyncio.timeout(60):
        while systemd.fed < 3:
            await asyncio.sleep(0.01)
            systemd.take(0)
        before = systemd.fed
        time.sleep(0.5)  # noqa: ASYNC251 - this is what is tested
        systemd.take(0)
        feeding.cancel()
    assert systemd.fed - before <= 1


async def test_a_container_finds_the_file_that_is_touched_while_all_is_well(tmp_path: Path) -> None:
    file, problem = tmp_path / "alive", ["a task hangs"]
    manager = ServiceManager([lambda: problem[0] if problem else None], {ALIVE_FILE: str(file)})
    feeding = asyncio.create_task(manager.feed_watchdog())
    await asyncio.sleep(0.05)
    assert not file.exists()
    problem.clear()
    async with asyncio.timeout(60):
        while not file.exists():
            await asyncio.sleep(0.05)
    feeding.cancel()


def test_a_gateway_watches_every_source_with_its_own_deadline(tmp_path: Path) -> None:
    device = DeviceSettings(device="meter-1", profile="three-phase-energy-meter", timeout=40.0)
    slow = ModbusSettings(type="modbus", url="tcp://10.0.0.1", retries=2, devices=(device,))
    settings = GatewaySettings(
        edge="edge-1",
        spool=SpoolSettings(directory=tmp_path / "spool"),
        delivery=DeliverySettings(free_on="broker"),
        sources=(slow,),
    )
    built = build(settings, profiles([device.profile]))
    deadlines = built.pipeline.progress.deadlines
    longest = max(group.period for group in built.sources[0].expected())
    assert deadlines[f"collect from {slow.url}"].seconds >= longest + 40.0 * 3
    assert COMMIT in deadlines
    assert all(check() is None for check in built.checks)
