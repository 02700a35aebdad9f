"""A thousand endpoints in one process, and how a source ends whatever it is waiting for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NoReturn

import pytest

from gateway.sources.device import DeviceSetup
from gateway.sources.endpoint import Endpoint
from gateway.sources.link import Dial
from gateway.sources.modbus import ModbusSource
from gateway.sources.settings import ModbusSettings
from gateway.sources.transport import Connection
from qilu.contract.reading import Origin, Reason
from qilu.runtime.timebase import Timebase
from tests.gateway.sources.peer import Peer, dial_in_memory, normal, profile
from tests.support.virtual_time import virtual_time

METER = profile(range(4))


def source(name: str, dial: Dial, timebase: Timebase) -> ModbusSource:
    settings = ModbusSettings.model_validate(
        {"type": "modbus", "url": "tcp://10.0.0.1", "devices": [{"device": name, "profile": "meter"}]}
    )
    setup = DeviceSetup(settings.devices[0], METER, Origin("edge-1", name, "meter"))
    return ModbusSource(settings, [setup], timebase, Random(name), dial=dial)


async def swallowed(endpoint: Endpoint, made: Callable[[], Connection]) -> NoReturn:
    """A host that answers nothing at all, not even a refusal."""
    await asyncio.Event().wait()
    raise AssertionError


async def unresolved(endpoint: Endpoint, made: Callable[[], Connection]) -> NoReturn:
    """A name that no server knows."""
    raise OSError(-2, "Name or service not known")


@virtual_time
async def test_of_a_thousand_endpoints_the_sound_ones_keep_their_rate_beside_fifty_dead_ones() -> None:
    """Faults 18, 19 and 33, counted over a minute: swallowed, unresolved and silent ones among them."""
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
        await asyncio.sleep(60.5)
        for task in collecting:
            task.cancel()
    for number in range(1000):
        name = f"meter-{number}"
        if number % 60 in dials:
            assert good[name] == 0
            assert bad[name] >= 25, "a dead one is accounted for as well"
        else:
            assert good[name] >= 60
            assert bad[name] == 0


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
    assert meter.stats.missed_turns < 15
    assert polls[-1].due_ms - polls[0].due_ms == 1000 * (59 + meter.stats.missed_turns)
