"""Devices that lose requests for a reason: they sleep between polls, or need seconds after a connection."""

from __future__ import annotations

import pytest

from qilu.modbus.read_functions import read_response
from tests.gateway.sources.everywhere import for_hours
from tests.gateway.sources.peer import Asked, Behaviour, Line, Peer, World, normal, profile, reasons


def sleeper(*units: int) -> Behaviour:
    """Units that fall asleep after 5 s, and lose the request that wakes them."""
    awake_at: dict[int, float] = {}

    def behave(line: Line, asked: Asked) -> None:
        idle = asked.time - awake_at.get(asked.unit, -100.0)
        awake_at[asked.unit] = asked.time
        if asked.unit not in units or idle <= 5:
            normal(line, asked)

    return behave


@pytest.mark.parametrize("retries", [1, 3])
@for_hours
async def test_a_device_that_sleeps_between_polls_is_read(world: World, retries: int) -> None:
    polls, source = await world.polls(
        Peer(sleeper(1)), 60, meter=profile(range(4)), period=10, retries=retries
    )
    assert set(reasons(polls)[30:]) == {"good"}
    assert source.stats.offline == set()


@for_hours
async def test_a_device_that_sleeps_is_read_beside_others(world: World) -> None:
    polls, _ = await world.polls(Peer(sleeper(1)), 200, meter=profile(range(4)), period=10, units=(1, 2))
    assert set(reasons(polls)[-150:]) == {"good"}


@for_hours
async def test_a_device_that_is_deaf_after_each_connection_is_read_and_the_delay_is_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.time - peer.connects[-1] > 5:
            normal(line, asked)

    peer = Peer(behave)
    polls, _ = await world.polls(peer, 60, meter=profile(range(4)))
    assert reasons(polls)[-1] == "good"
    assert len(peer.connects) <= 3
    assert sum("set `connect_delay` of this source to" in text for text in caplog.messages) == 1


@for_hours
async def test_connections_without_any_reply_are_named_once_with_the_setting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.polls(Peer(lambda line, asked: None), 400, meter=profile(range(4)), retries=0)
    assert sum("no request gets a reply" in text for text in caplog.messages) == 1


@pytest.mark.parametrize("deaf", [4.5, 5.5, 6.5, 7.5])
@for_hours
async def test_a_part_that_is_read_first_does_not_outlaw_the_whole_block(world: World, deaf: float) -> None:
    """The first replies are to single points, whose values differ from those in the whole block."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.time - peer.connects[-1] > deaf:
            data = b"".join(place.to_bytes(2) for place in range(asked.read.quantity))
            line.say(line.frame(asked, read_response(asked.read.function, data)))

    peer = Peer(behave)
    polls, _ = await world.polls(peer, 30, meter=profile(range(10)))
    last = [reading.reasons for poll in polls[-10:] for reading in poll.readings]
    assert not any(last)
