"""What a device refuses is found by halving, costs only itself, is remembered and asked again much later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.modbus.learning.bisection import Bisection, describe
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, plan
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.reading import Origin, Reason
from tests.gateway.sources.everywhere import for_hours
from tests.gateway.sources.peer import Asked, Behaviour, Line, Peer, World, flat, normal, profile, reasons

ORIGIN = Origin("edge-1", "meter-1", "meter")


def without(*missing: int, code: int = 2) -> Behaviour:
    """A device that refuses every block with one of these addresses."""

    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        if any(first <= address < first + count for address in missing):
            line.refuse(asked, code)
        else:
            normal(line, asked)

    return behave


@pytest.mark.parametrize("turns_off", range(1, 9))
@for_hours
async def test_a_device_that_was_switched_off_has_taught_nothing(world: World, turns_off: int) -> None:
    """Fault 23: whatever it was asked when it came back."""
    off = {"is": False}

    def switch(source: ModbusSource, poll: object) -> None:
        off["is"] = 2 <= source.stats.polls < 2 + turns_off

    peer = Peer(lambda line, asked: None if off["is"] else normal(line, asked))
    polls, source = await world.polls(peer, 14, meter=profile(range(30)), period=5, meanwhile=switch)
    assert [event.kind for event in source.stats.events if event.kind == "limits_learned"] == []
    assert reasons(polls)[-3:] == ["good"] * 3
    assert peer.asked[-1].read[1:] == (0, 30)


@for_hours
async def test_a_device_whose_table_is_missing_is_not_asked_for_every_point_in_every_turn(
    world: World,
) -> None:
    """Fault 5: every address is illegal."""
    peer = Peer(without(*range(200)))
    polls, _ = await world.polls(peer, 10, meter=profile(range(90)), period=10)
    assert reasons(polls) == ["illegal_address"] * 10
    assert [poll.size for poll in polls] == [90] * 10
    assert len(peer.asked) < 3 * 90


@pytest.mark.parametrize("code", [2, None], ids=["exception 2", "silence"])
@for_hours
async def test_a_range_that_is_missing_is_found_whatever_its_length(world: World, code: int | None) -> None:
    """Fault 5: a turn finds some of it and the next one goes on, until nothing of it is asked any more."""
    missing = range(200, 400)

    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        if not any(address in missing for address in range(first, first + count)):
            normal(line, asked)
        elif code is not None:
            line.refuse(asked, code)

    peer = Peer(behave)
    meter = profile([*range(10), *missing])
    polls, source = await world.polls(peer, 150, meter=meter, period=30)
    assert flat(polls)[-1] == {
        f"p{address}": "illegal_address" if address in missing else 1000 + address
        for address in [*range(10), *missing]
    }
    assert peer.asked[-1].read[1:] == (0, 10)
    assert len(peer.asked) < 200 + 5 * len(missing)
    assert source.stats.offline == set()


@pytest.mark.parametrize("silent", [[0], [9], [0, 1, 2, 3, 4, 5], [0, 200]])
@for_hours
async def test_a_device_that_ignores_some_of_its_points_is_found_alive(
    world: World, silent: list[int]
) -> None:
    """Fault 5: wherever they are in their blocks, and though every block has one."""
    peer = Peer(
        lambda line, asked: (
            None
            if any(
                asked.read.address <= address < asked.read.address + asked.read.quantity for address in silent
            )
            else normal(line, asked)
        )
    )
    points = [*range(10), *range(200, 205)]
    polls, _ = await world.polls(peer, 60, meter=profile(points), period=10)
    assert {name for name, value in flat(polls)[-1].items() if isinstance(value, str)} == {
        f"p{address}" for address in silent
    }


@pytest.mark.parametrize("fault", ["a point", "a longer block"])
@for_hours
async def test_what_a_device_ignores_is_asked_once_an_hour_and_costs_no_other_value(
    world: World, fault: str
) -> None:
    """Fault 5: silence in place of a refusal is no offline period, also when it is tried again."""

    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        if not (first <= 5 < first + count if fault == "a point" else count > 16):
            normal(line, asked)

    peer = Peer(behave)
    polls, source = await world.polls(peer, 1000, meter=profile(range(30)), period=10)
    bad = {"p5"} if fault == "a point" else set()
    assert all(
        {name for name, value in values.items() if isinstance(value, str)} == bad
        for values in flat(polls)[3:]
    )
    events = [event.kind for event in source.stats.events]
    assert events[:2] == ["offline", "online"], "until its one block is probed by a single point"
    assert events.count("offline") == 1
    assert max(asked.read.quantity for asked in peer.asked[200:]) > 16, "it is tried again"


def turn(spans: list[Span], refuses: Callable[[Span], bool]) -> Bisection:
    """Ask and halve until every point is told."""
    found, left = Bisection(), list(spans)
    while left:
        span = left.pop()
        if refuses(span):
            left += found.refused(span, Reason.ILLEGAL_ADDRESS)
        else:
            found.good(span)
    return found


@given(st.sets(st.integers(0, 99), min_size=1, max_size=30), st.sets(st.integers(0, 99), max_size=6))
def test_after_a_search_exactly_the_bad_points_are_left_out(addresses: set[int], bad: set[int]) -> None:
    """Fault 5: with bad addresses at points and between them, in any number of turns."""

    def refuses(span: Span) -> bool:
        return any(span.first <= address <= span.last for address in bad)

    meter, learnt = profile(sorted(addresses)), NOTHING_LEARNED
    for _ in range(12):
        read = plan(meter, "default", ORIGIN, learned=learnt)
        if not any(refuses(block.span) for block in read.blocks):
            break
        learnt = turn([block.span for block in read.blocks], refuses).added_to(learnt)
    else:
        pytest.fail("it never came to an end")
    asked = {name for block in read.blocks for name in block.columns.points}
    assert asked == {f"p{address}" for address in addresses - bad}


@pytest.mark.parametrize("code", [1, 2, 3, 4, 7, 8])
@for_hours
async def test_an_exception_costs_only_the_address_that_it_is_for(world: World, code: int) -> None:
    """Whatever its code, and though the first request to the table was refused."""
    peer = Peer(without(3, code=code))
    polls, source = await world.polls(peer, 20, meter=profile([3, 200, 201, *range(400, 410)]))
    assert [{name for name, value in seen.items() if isinstance(value, str)} for seen in flat(polls)] == [
        {"p3"}
    ] * 20
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == ["refuses p3"]
    assert source.stats.offline == set()


@pytest.mark.parametrize("code", [1, 2, 4])
@for_hours
async def test_a_moment_in_which_a_device_refuses_teaches_nothing(world: World, code: int) -> None:
    """One exception for a whole block; and exception 4, which may pass, for a single point."""

    def behave(line: Line, asked: Asked) -> None:
        single.append(asked.read.quantity == 1)
        if len(peer.asked) == 21 or (code == 4 and sum(single) == 16 and single[-1]):
            line.refuse(asked, code)
        else:
            normal(line, asked)

    peer, single = Peer(behave), list[bool]()
    polls, source = await world.polls(peer, 30, meter=profile([*range(10), 200]))
    assert reasons(polls).count("good") >= 29
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == []
    assert (200, 1) in [asked.read[1:] for asked in peer.asked[20:]]
    assert {asked.read[1:] for asked in peer.asked[-2:]} == {(0, 10), (200, 1)}


def test_nothing_new_is_nothing_learnt() -> None:
    assert Bisection().added_to(NOTHING_LEARNED) is NOTHING_LEARNED


def test_what_was_learnt_can_be_output() -> None:
    meter = profile(range(4))
    [block] = plan(meter, "default", ORIGIN).blocks
    found = Bisection()
    lower, upper = found.refused(block.span, Reason.ILLEGAL_ADDRESS)
    found.good(lower)
    found.good(upper)
    after = found.added_to(NOTHING_LEARNED)
    assert describe(NOTHING_LEARNED, after) == "answers at most 2 addresses of holding at once"
