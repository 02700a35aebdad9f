"""A source and its device: at the beginning, after a pause, at the end. Faults are in tests/faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.sources.modbus.source import ModbusSource
from qilu.contract.reading import Poll
from qilu.modbus.pdu import exception_response
from tests.gateway.sources.everywhere import everywhere, on_virtual_time
from tests.gateway.sources.peer import Asked, Line, Peer, World, normal, profile, reasons

TWO_BLOCKS = profile([0, 1, 200, 201])


@everywhere
async def test_a_device_as_it_should_be_is_read(world: World) -> None:
    polls, source = await world.polls(Peer(), 3, meter=TWO_BLOCKS)
    assert reasons(polls) == ["good"] * 3
    assert [len(poll.readings) for poll in polls] == [2] * 3
    assert source.stats.timeouts == 0
    assert source.stats.good_points == 12


@pytest.mark.parametrize(
    "reply",
    [
        bytes((3, 2)),
        exception_response(4, 2),
    ],
    ids=["no data", "exception of another function"],
)
@everywhere
async def test_a_reply_of_another_shape_is_rejected(world: World, reply: bytes) -> None:
    """Fault 17."""
    peer = Peer(lambda line, asked: line.say(line.frame(asked, reply)))
    polls, source = await world.polls(peer, 2, meter=profile([7]))
    assert source.stats.good_points == 0
    assert set(reasons(polls)) <= {"protocol_error", "timeout"}


@pytest.mark.parametrize("settling_polls", [0, 2])
@everywhere
async def test_a_device_that_came_back_is_trusted_after_so_many_turns(
    world: World, settling_polls: int
) -> None:
    """Fault 31, the second part: until then its values are bad, and what it refuses is not learnt."""
    polled = [0]

    def behave(line: Line, asked: Asked) -> None:
        if 2 <= polled[0] < 5:
            return
        starting = 5 <= polled[0] < 5 + settling_polls
        if starting and asked.read.address <= 2 < asked.read.address + asked.read.quantity:
            line.refuse(asked, 2)
        else:
            normal(line, asked)

    def count(source: ModbusSource, poll: Poll) -> None:
        polled[0] = source.stats.polls

    polls, source = await world.polls(
        Peer(behave), 9, meter=profile(range(4)), period=1.5, meanwhile=count, settling_polls=settling_polls
    )
    starting = ["illegal_address+restarted"] * settling_polls
    expected = ["good", "good", "timeout", "timeout", "timeout", *starting]
    assert reasons(polls) == expected + ["good"] * (9 - len(expected))
    assert [event.kind for event in source.stats.events] == ["online", "offline", "online"]


@everywhere
async def test_a_device_is_given_time_after_the_connection(world: World) -> None:
    peer = Peer()
    polls, _ = await world.polls(peer, 2, connect_delay=0.5, period=3)
    assert reasons(polls) == ["good", "good"]
    assert peer.asked[0].time - peer.connects[0] >= 0.49 * world.unit


@on_virtual_time
async def test_leaving_a_source_before_its_first_request_leaves_no_connection(world: World) -> None:
    """Some devices serve one client only: a connection that is left behind would lock us out."""
    peer = Peer()
    polls, _ = await world.polls(peer, 1, connect_delay=60, timeout=0.5)
    assert reasons(polls) == ["unreachable"]
    assert [line.transport.is_closing() for line in peer.lines] == [True]


@pytest.mark.parametrize("refusing", [True, False])
@everywhere
async def test_leaving_a_source_leaves_no_connection_and_no_task(world: World, refusing: bool) -> None:
    peer = Peer(refuses=lambda: refusing)
    _, source = await world.polls(peer, 1)
    again: Callable[[], object] = source.columns
    assert again()
    assert source._link.connection is None
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("connect to")] == []


@on_virtual_time
async def test_an_outage_that_is_over_is_forgotten_also_where_the_connection_is_given_back(
    world: World,
) -> None:
    """Fault 21: one refusal long after it costs one poll, as it does on a connection that is kept."""
    refusing = {"now": False}

    def count(source: ModbusSource, poll: Poll) -> None:
        refusing["now"] = 2 <= source.stats.polls < 60 or source.stats.polls == 70

    peer = Peer(refuses=lambda: refusing["now"])
    polls, _ = await world.polls(peer, 80, meanwhile=count, close_after_poll=True)
    assert reasons(polls)[70:] == ["unreachable", *["good"] * 9]
