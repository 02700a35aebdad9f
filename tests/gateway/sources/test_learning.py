"""What a device refuses is found by halving, costs only itself, is remembered and asked again much later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.device import RELEARN
from gateway.sources.layout import Span
from gateway.sources.learning import Search, described
from gateway.sources.modbus import ModbusSource
from gateway.sources.plan import NOTHING_LEARNT, plan
from qilu.contract.reading import Origin
from tests.gateway.sources.everywhere import everywhere, for_hours
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


def at_most(limit: int, code: int) -> Behaviour:
    """A device that refuses longer blocks."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.read[2] > limit:
            line.refuse(asked, code)
        else:
            normal(line, asked)

    return behave


@pytest.mark.parametrize("code", [2, 3])
@everywhere
async def test_an_illegal_address_costs_only_itself(world: World, code: int) -> None:
    """Fault 5: found in the first turn, in which all else is good already; not asked again in the next."""
    peer, exceptions = Peer(without(13, 40, code=code)), list[int]()
    polls, source = await world.polls(
        peer,
        3,
        meter=profile(range(60)),
        period=4,
        meanwhile=lambda source, poll: exceptions.append(source.stats.exceptions),
    )
    for seen in flat(polls):
        bad = {name for name, value in seen.items() if isinstance(value, str)}
        assert bad == {"p13", "p40"}
        assert len(seen) == 60
    assert exceptions[0] == exceptions[-1]
    assert [asked.read[1:] for asked in peer.asked[-3:]] == [(0, 13), (14, 26), (41, 19)]
    learnt = [event.text for event in source.stats.events if event.kind == "learnt"]
    assert learnt == ["refuses p13, p40"]


@everywhere
async def test_a_gap_that_cannot_be_read_through_is_avoided(world: World) -> None:
    """Fault 5 and 7: no point is at fault, but an address between them."""
    peer = Peer(without(25))
    polls, _ = await world.polls(peer, 2, meter=profile([*range(20), *range(30, 40)]), period=4)
    assert reasons(polls) == ["good", "good"]
    assert [asked.read[1:] for asked in peer.asked[-2:]] == [(0, 20), (30, 10)]


@pytest.mark.parametrize("code", [2, 3])
@pytest.mark.parametrize("limit", [40, 16, 1])
@for_hours
async def test_the_longest_block_is_learnt(world: World, code: int, limit: int) -> None:
    """Fault 6."""
    peer = Peer(at_most(limit, code))
    polls, source = await world.polls(peer, 8, meter=profile(range(100)), period=10)
    assert reasons(polls)[-1] == "good"
    assert set(reasons(polls)[1:]) <= {"good", "illegal_address"}
    asked_last = [asked.read[2] for asked in peer.asked[-(100 // limit) :]]
    assert max(asked_last) <= limit
    assert source.stats.exceptions < 100, "it is learnt once"


@for_hours
async def test_a_device_that_ignores_what_it_does_not_have_is_understood_too(world: World) -> None:
    """Faults 5 and 6: silence in place of exception 2, also at the very first request."""
    peer = Peer(lambda line, asked: None if covers(asked, 33) else normal(line, asked))
    polls, source = await world.polls(peer, 10, meter=profile([*range(20, 40), *range(200, 210)]), period=30)
    bad = [{name for name, value in seen.items() if isinstance(value, str)} for seen in flat(polls)]
    assert len(bad[0]) == 30
    assert bad[1:4] == [{f"p{address}" for address in range(20, 40)}] * 3
    assert bad[4:] == [{"p33"}] * 6
    assert source.stats.offline == set()
    assert source.stats.timeouts < 4 + 12


@pytest.mark.parametrize("addresses", [range(60), [*range(60), *range(200, 210)]])
@for_hours
async def test_a_device_that_ignores_long_blocks_is_asked_for_short_ones(
    world: World, addresses: Sequence[int]
) -> None:
    """Fault 6: silence in place of exception 3, with and without a second block that is answered."""
    peer = Peer(lambda line, asked: None if asked.read[2] > 16 else normal(line, asked))
    polls, source = await world.polls(peer, 10, meter=profile(addresses), period=60)
    assert reasons(polls)[0] == "timeout"
    assert reasons(polls)[-3:] == ["good"] * 3
    assert source.stats.offline == set()


@pytest.mark.parametrize("turns_off", range(1, 9))
@for_hours
async def test_a_device_that_was_switched_off_has_taught_nothing(world: World, turns_off: int) -> None:
    """Fault 23: whatever it was asked when it came back."""
    off = {"is": False}

    def switch(source: ModbusSource, poll: object) -> None:
        off["is"] = 2 <= source.stats.polls < 2 + turns_off

    peer = Peer(lambda line, asked: None if off["is"] else normal(line, asked))
    polls, source = await world.polls(peer, 14, meter=profile(range(30)), period=5, meanwhile=switch)
    assert [event.kind for event in source.stats.events if event.kind == "learnt"] == []
    assert reasons(polls)[-3:] == ["good"] * 3
    assert peer.asked[-1].read[1:] == (0, 30)


def covers(asked: Asked, address: int) -> bool:
    _, first, count = asked.read
    return first <= address < first + count


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


@for_hours
async def test_what_was_refused_is_asked_again_after_an_hour(world: World) -> None:
    """Fault 5: the device was updated meanwhile."""
    missing = [5]

    def behave(line: Line, asked: Asked) -> None:
        without(*missing)(line, asked)

    peer = Peer(behave)
    turns = int(RELEARN / 60)

    def repair(source: object, poll: object) -> None:
        if len(peer.asked) > 20:
            missing.clear()

    polls, _ = await world.polls(peer, turns + 3, meter=profile(range(10)), period=60, meanwhile=repair)
    assert flat(polls)[0]["p5"] == "illegal_address"
    assert flat(polls)[turns - 2]["p5"] == "illegal_address"
    assert reasons(polls)[-1] == "good"


def turn(spans: list[Span], refuses: Callable[[Span], bool]) -> Search:
    """Ask and halve until every point is told."""
    found, left = Search(), list(spans)
    while left:
        span = left.pop()
        if refuses(span):
            left += found.refused(span)
        else:
            found.good(span)
    return found


@given(st.sets(st.integers(0, 99), min_size=1, max_size=30), st.sets(st.integers(0, 99), max_size=6))
def test_after_a_search_exactly_the_bad_points_are_left_out(addresses: set[int], bad: set[int]) -> None:
    """Fault 5: with bad addresses at points and between them, in any number of turns."""

    def refuses(span: Span) -> bool:
        return any(span.first <= address <= span.last for address in bad)

    meter, learnt = profile(sorted(addresses)), NOTHING_LEARNT
    for _ in range(12):
        read = plan(meter, "default", ORIGIN, learnt=learnt)
        if not any(refuses(block.span) for block in read.blocks):
            break
        learnt = turn([block.span for block in read.blocks], refuses).added_to(learnt)
    else:
        pytest.fail("it never came to an end")
    asked = {name for block in read.blocks for name in block.columns.points}
    assert asked == {f"p{address}" for address in addresses - bad}


def test_nothing_new_is_nothing_learnt() -> None:
    assert Search().added_to(NOTHING_LEARNT) is NOTHING_LEARNT


def test_what_was_learnt_can_be_said() -> None:
    meter = profile(range(4))
    [block] = plan(meter, "default", ORIGIN).blocks
    found = Search()
    lower, upper = found.refused(block.span)
    found.good(lower)
    found.good(upper)
    after = found.added_to(NOTHING_LEARNT)
    assert described(NOTHING_LEARNT, after) == "answers at most 2 addresses of holding at once"
