"""Devices that end connections in the middle of a turn: what it costs, and what is told of it."""

from __future__ import annotations

import logging

import pytest

from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Poll
from tests.gateway.sources.everywhere import for_hours, with_transactions
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, normal, profile, reasons

FIVE_BLOCKS = profile([0, 200, 400, 600, 800])


def names(poll: Poll) -> list[str]:
    return [name for reading in poll.readings for name in reading.columns.points]


@with_transactions
async def test_a_device_that_ends_each_connection_after_one_reply_is_read_as_a_whole(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        normal(line, asked)
        line.end()

    polls, _ = await world.polls(Peer(behave), 3, meter=FIVE_BLOCKS, period=2)
    assert reasons(polls) == ["good"] * 3


@with_transactions
async def test_a_block_whose_request_ends_the_connection_costs_only_itself(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.read.address == 400:
            line.reset()
        else:
            normal(line, asked)

    peer = Peer(behave)
    polls, _ = await world.polls(peer, 3, meter=FIVE_BLOCKS, period=2)
    bad = [[name for name, value in values.items() if isinstance(value, str)] for values in flat(polls)]
    assert bad == [["p400"]] * 3
    assert len([asked for asked in peer.asked if asked.read.address == 400]) <= 3 * 3


@pytest.mark.parametrize("enders", [[0], [400], [800], [0, 400]])
@pytest.mark.parametrize("max_in_flight", [1, 4, 16])
@for_hours
async def test_a_request_that_ends_every_connection_costs_no_other_block(
    world: World, max_in_flight: int, enders: list[int]
) -> None:
    """Also where it is the first one, or open together with others."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.read.address in enders:
            line.reset()
        else:
            line.say(line.answer(asked))

    peer = Peer(behave)
    polls, source = await world.polls(peer, 60, meter=FIVE_BLOCKS, units=[1, 2], max_in_flight=max_in_flight)
    bad = [{name for name, value in values.items() if isinstance(value, str)} for values in flat(polls)[20:]]
    assert bad == [{f"p{address}" for address in enders}] * 40
    assert len(peer.connects) <= 3 * len(polls)
    assert source.stats.failed_connects < 10


@for_hours
async def test_a_stream_that_is_no_modbus_is_reported_once_until_it_is(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer(lambda line, asked: line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with caplog.at_level(logging.INFO):
        polls, _ = await world.polls(peer, 600, meter=profile([0]))
    assert set(reasons(polls)) == {"unreachable", "protocol_error"}
    assert len(caplog.messages) == 2
    assert sum("is not Modbus TCP" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("max_in_flight", [1, 4])
@for_hours
async def test_units_whose_requests_end_the_connection_leave_it_to_their_neighbours(
    world: World, max_in_flight: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Some gateways reset where a serial unit does not answer: it is out of service as a silent one is."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit in (2, 4):
            line.reset()
        else:
            line.say(line.answer(asked), 0.02)

    peer = Peer(behave)
    with caplog.at_level(logging.INFO):
        polls, _ = await world.polls(
            peer, 3000, units=range(1, 6), meter=FIVE_BLOCKS, max_in_flight=max_in_flight
        )
    healthy = [
        output for poll, output in zip(polls, reasons(polls), strict=True) if poll.origin.device[-1] in "135"
    ]
    assert healthy.count("good") > 0.98 * len(healthy)
    assert len([asked for asked in peer.asked if asked.unit in (2, 4)]) < 150
    assert len(caplog.messages) < 20


@for_hours
async def test_a_device_of_which_one_group_ends_the_connection_and_one_is_read_is_not_offline(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.read.address == 400:
            line.reset()
        else:
            normal(line, asked)

    rows = [
        {"name": f"p{at}", "table": "holding", "address": at, "type": "uint16", "group": group}
        for at, group in ((0, "sound"), (400, "killing"))
    ]
    groups = {"sound": "1s", "killing": "1s"}
    meter = DeviceProfile.model_validate({"profile": "meter", "groups": groups, "points": rows})
    with caplog.at_level(logging.INFO):
        polls, source = await world.polls(Peer(behave), 1200, meter=meter)
    sound = [output for poll, output in zip(polls, reasons(polls), strict=True) if "p0" in names(poll)]
    assert sound.count("good") > 0.9 * len(sound)
    assert len(source.stats.events) < 6
    assert len(caplog.messages) < 12


@pytest.mark.parametrize("close_after_poll", [True, False])
@for_hours
async def test_every_value_is_reported_where_all_that_was_left_is_not_asked(
    world: World, close_after_poll: bool
) -> None:
    """A silence that a probe of another unit excuses, and then what is known to end connections."""
    before: list[int] = []

    def behave(line: Line, asked: Asked) -> None:
        behind = before[-1:] == [2]
        before.append(asked.unit)
        if asked.unit == 2 or (asked.time > 1030 and behind):
            return
        if asked.time > 1010 and asked.read.address >= 200:
            line.end()
        else:
            line.say(line.answer(asked), 0.02)

    points = [start + place for start in (0, 200, 400) for place in range(4)]
    polls, _ = await world.polls(
        Peer(behave), 500, meter=profile(points), units=(1, 2), close_after_poll=close_after_poll
    )
    assert all(len(seen) == len(points) for seen in flat(polls))
