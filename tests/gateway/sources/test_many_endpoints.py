"""A thousand endpoints in one process, and how a source ends whatever it is waiting for."""

from __future__ import annotations

import asyncio
import logging
import socket
import tracemalloc
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NoReturn

import pytest

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Reason
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import Dial
from qilu.modbus_client.options import ClientOptions
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.peer import Asked, Line, Peer, dial_in_memory, normal, profile
from tests.support.virtual_time import virtual_time

METER = profile(range(4))


def source(
    name: str,
    dial: Dial,
    timebase: Timebase,
    slots: ConnectLimiter | None = None,
    period: str = "1s",
    meter: DeviceProfile = METER,
) -> ModbusSource:
    device = {"device": name, "profile": "meter", "poll_periods": {"default": period}}
    settings = ModbusSettings.model_validate({"type": "modbus", "url": "tcp://10.0.0.1", "devices": [device]})
    setup = DeviceSetup(settings.devices[0], meter, Origin("edge-1", name, "meter"))
    return ModbusSource(settings, [setup], timebase, Random(name), dial=dial, slots=slots)


async def swallowed(options: ClientOptions, made: Callable[[], Connection]) -> NoReturn:
    """A host that answers nothing at all, not even a refusal."""
    await asyncio.Event().wait()
    raise AssertionError


async def unresolved(options: ClientOptions, made: Callable[[], Connection]) -> NoReturn:
    """A name that no server knows."""
    raise socket.gaierror(-2, "Name or service not known")


@virtual_time
async def test_of_a_thousand_endpoints_the_sound_ones_keep_their_rate_beside_fifty_dead_ones() -> None:
    """Faults 18, 19 and 33, counted over twenty seconds: swallowed, unresolved and silent ones among them."""
    timebase = Timebase(1.8e9, asyncio.get_running_loop().time())
    good, bad = Counter[str](), Counter[str]()
    dials: dict[int, Dial] = {
        0: swallowed,
        20: unresolved,
        40: dial_in_memory(Peer(lambda line, asked: None)),
    }

    async def collect(number: int) -> None:
        name = f"meter-{number}"
        dial = dials.get(number % 60) if number < 1000 else None
        async with source(name, dial or dial_in_memory(Peer(normal)), timebase) as meter:
            async for poll in meter.polls():
                (bad if any(reading.reasons for reading in poll.readings) else good)[name] += 1

    async with asyncio.TaskGroup() as tasks:
        collecting = [tasks.create_task(collect(number)) for number in range(1000)]
        await asyncio.sleep(20.5)
        for task in collecting:
            task.cancel()
    for number in range(1000):
        name = f"meter-{number}"
        if number % 60 in dials:
            assert good[name] == 0
            assert bad[name] >= 8, "a dead one is accounted for as well"
        else:
            assert good[name] >= 20
            assert bad[name] == 0


@virtual_time
async def test_a_device_of_a_hundred_points_takes_less_than_60_kb() -> None:
    """Counted over fifty that were polled, without what the peers of this test take."""
    timebase = Timebase(1.8e9, asyncio.get_running_loop().time())
    polled = Counter[str]()

    async def collect(name: str) -> None:
        async with source(name, dial_in_memory(Peer(normal)), timebase, meter=large) as meter:
            async for _ in meter.polls():
                polled[name] += 1

    large = profile(range(0, 200, 2))
    tracemalloc.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            collecting = [tasks.create_task(collect(f"meter-{number}")) for number in range(50)]
            await asyncio.sleep(3.5)
            taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*/tests/*")])
            for task in collecting:
                task.cancel()
    finally:
        tracemalloc.stop()
    assert set(polled.values()) <= {3, 4}
    assert sum(trace.size for trace in taken.traces) / 50 < 60_000


@virtual_time
async def test_two_thousand_devices_that_return_at_once_are_connected_to_a_few_at_a_time() -> None:
    """Fault 33: they were switched off together, and each of them takes 0.1 s to accept."""
    timebase, slots = Timebase(1.8e9, asyncio.get_running_loop().time()), ConnectLimiter(50)
    down, at_once, most, connects = True, 0, 0, list[float]()
    good = set[str]()

    def slowly(inner: Dial) -> Dial:
        async def dial(options: ClientOptions, made: Callable[[], Connection]) -> Connection:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            try:
                await asyncio.sleep(0.1)
                if down:
                    raise ConnectionRefusedError("connection refused")
                connects.append(asyncio.get_running_loop().time())
                return await inner(options, made)
            finally:
                at_once -= 1

        return dial

    async def collect(number: int) -> None:
        name = f"meter-{number}"
        async with source(name, slowly(dial_in_memory(Peer())), timebase, slots, "5s") as meter:
            async for poll in meter.polls():
                if not poll.readings[0].reasons:
                    good.add(name)

    async with asyncio.TaskGroup() as tasks:
        collecting = [tasks.create_task(collect(number)) for number in range(2000)]
        await asyncio.sleep(10)
        down = False
        await asyncio.sleep(35)
        for task in collecting:
            task.cancel()
    assert len(good) == 2000
    assert 25 <= most <= 50
    busiest = max(Counter(int(time) for time in connects).values())
    assert busiest <= 500, "no second had more of them than fifty slots can take"


@virtual_time
async def test_hosts_that_swallow_every_attempt_do_not_keep_a_sound_one_from_connecting_again() -> None:
    timebase, slots = Timebase(1.8e9, asyncio.get_running_loop().time()), ConnectLimiter(4)
    bad = 0

    def once(line: Line, asked: Asked) -> None:
        normal(line, asked)
        line.end()

    peer = Peer(once)

    async def swallow(number: int) -> None:
        async with source(f"dead-{number}", swallowed, timebase, slots) as meter:
            async for _ in meter.polls():
                pass

    async with asyncio.TaskGroup() as tasks:
        dead = [tasks.create_task(swallow(number)) for number in range(40)]
        await asyncio.sleep(60)  # each of them has failed once
        async with source("meter-1", dial_in_memory(peer), timebase, slots) as meter:
            async for poll in meter.polls():
                bad += bool(poll.readings[0].reasons)
                if meter.stats.polls == 60:
                    break
        for task in dead:
            task.cancel()
    assert bad == 0
    assert len(peer.connects) == 60, "it closes after each reply"


@virtual_time
async def test_a_host_name_that_is_not_known_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    meter = source("meter-1", unresolved, Timebase(1.8e9, asyncio.get_running_loop().time()))
    async with meter:
        async for poll in meter.polls():
            assert set(poll.readings[0].reasons.values()) == {Reason.UNREACHABLE}
            if meter.stats.polls == 30:
                break
    reported = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert (
        "the host 10.0.0.1 is not found (Name or service not known); check its name in the url" in reported[0]
    )
    assert len(reported) == 2, "and once that the device does not answer"


@pytest.mark.parametrize("dial", [swallowed, unresolved, dial_in_memory(Peer(lambda line, asked: None))])
@virtual_time
async def test_a_source_that_is_cancelled_ends_whatever_it_waits_for(dial: Dial) -> None:
    meter = source("meter-1", dial, Timebase(1.8e9, 0.0))

    async def collect() -> None:
        async with meter:
            async for _ in meter.polls():
                pass

    for seconds in (0.0, 0.5, 1.3, 2.9, 4.7, 10.1):
        task = asyncio.ensure_future(collect())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(asyncio.all_tasks()) == 1


@virtual_time
async def test_a_host_that_swallows_connections_makes_values_unreachable_at_the_turns_that_are_due() -> None:
    """Fault 19: while an attempt to connect takes its three seconds, the turns go on."""
    meter = source("meter-1", swallowed, Timebase(1.8e9, asyncio.get_running_loop().time()))
    polls = []
    async with meter:
        async for poll in meter.polls():
            polls.append(poll)
            if len(polls) == 60:
                break
    assert {reason for poll in polls for reason in poll.readings[0].reasons.values()} == {Reason.UNREACHABLE}
    assert meter.stats.missed_polls < 15
    assert polls[-1].due_ms - polls[0].due_ms == 1000 * (59 + meter.stats.missed_polls)
