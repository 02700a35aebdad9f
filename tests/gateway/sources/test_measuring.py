"""The length of blocks that a device answers is found by halving, and told apart from gaps."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from tests.gateway.sources.everywhere import for_hours
from tests.gateway.sources.peer import Asked, Line, Peer, World, normal, profile, reasons


@pytest.mark.parametrize("code", [2, 3])
@pytest.mark.parametrize("apart", [1, 3])
@pytest.mark.parametrize("limit", [1, 7, 16, 40, 64, 100])
@for_hours
async def test_blocks_that_are_too_long_are_divided_and_cost_no_value(
    world: World, limit: int, apart: int, code: int
) -> None:
    """Fault 6. Where points are three apart, any addresses between them could be at fault as well."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.read.quantity > limit:
            line.refuse(asked, code)
        else:
            normal(line, asked)

    peer = Peer(behave)
    begins: list[int] = []
    polls, source = await world.polls(
        peer,
        6,
        meter=profile(range(0, 120 * apart, apart)),
        period=30,
        meanwhile=lambda source, poll: begins.append(len(peer.asked)),
    )
    assert set(reasons(polls)) == {"good"}
    learnt = [event.text for event in source.stats.events if event.kind == "limits_learned"]
    assert learnt
    assert not any("refuses" in text for text in learnt)
    last = [asked.read.quantity for asked in peer.asked[begins[-2] :]]
    assert limit / 2 <= max(last) <= limit
    assert len(last) <= 2 * 120 * apart / limit + 2


@for_hours
async def test_gaps_that_may_not_be_read_are_learnt_and_no_limit_with_them(world: World) -> None:
    """Fault 7."""
    points = [*range(10), *range(20, 30), *range(40, 70)]
    gaps = [gap for before, after in pairwise(points) for gap in range(before + 1, after)]

    def behave(line: Line, asked: Asked) -> None:
        read = range(asked.read.address, asked.read.address + asked.read.quantity)
        if set(read) & set(gaps):
            line.refuse(asked, 2)
        else:
            normal(line, asked)

    peer = Peer(behave)
    polls, source = await world.polls(peer, 5, meter=profile(points), period=30)
    assert set(reasons(polls)) == {"good"}
    learnt = [event.text for event in source.stats.events if event.kind == "limits_learned"]
    assert all(text.startswith("lets nobody read through") for text in learnt)
    assert [asked.read[1:] for asked in peer.asked[-3:]] == [(0, 10), (20, 10), (40, 30)]


@for_hours
async def test_a_device_that_goes_while_it_is_measured_costs_no_value_that_was_read(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.read.quantity > 40:
            line.refuse(asked, 2)
        elif asked.read.quantity <= 25:
            normal(line, asked)

    polls, source = await world.polls(Peer(behave), 2, meter=profile(range(100)), period=30)
    assert reasons(polls) == ["good"] * 2
    assert source.stats.offline == set()


@pytest.mark.parametrize("fault", ["a frame in ten is lost", "each reply ends the connection"])
@for_hours
async def test_a_length_is_learnt_over_a_line_with_faults(world: World, fault: str) -> None:
    random = Random(1)

    def behave(line: Line, asked: Asked) -> None:
        if fault == "a frame in ten is lost" and random.random() < 0.1:
            return
        if asked.read.quantity > 40:
            line.refuse(asked, 2)
        else:
            line.say(line.answer(asked), 0.01)
        if fault == "each reply ends the connection":
            line.loop.call_later(0.01, line.end)

    _, source = await world.polls(Peer(behave), 20, meter=profile(range(100)), period=30)
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == [
        "answers at most 25 addresses of holding at once"
    ]
