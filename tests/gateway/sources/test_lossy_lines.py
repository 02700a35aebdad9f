"""Lines that lose a frame now and then: by count, what that costs, and that nothing is learnt from it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.gateway.sources.everywhere import for_hours, on_a_serial_line
from tests.gateway.sources.peer import FOUR_BLOCKS, Asked, Line, Peer, World, flat, losing, profile, reasons
from tests.support.virtual_time import run


@pytest.mark.parametrize(("share", "retries", "good"), [(0.05, 0, 0.9), (0.05, 1, 0.95), (0.1, 1, 0.9)])
@pytest.mark.parametrize("world", [World("memory"), World("memory", "rtu", serial=True)], ids=["tcp", "line"])
def test_three_units_on_a_line_that_loses_frames_keep_their_polls(
    world: World, share: float, retries: int, good: float
) -> None:
    polls, source = run(world.polls(losing(share), 3000, units=[1, 2, 3], meter=FOUR_BLOCKS, retries=retries))
    reported = Counter(
        reason for poll in polls for reading in poll.readings for reason in reading.reasons.values()
    )
    assert 1 - reported.total() / sum(poll.size for poll in polls) > good
    assert set(reported) <= {"timeout", "not_polled"}
    assert [event for event in source.stats.events if event.kind == "limits_learned"] == []


def deaf_to(*numbers: int) -> Peer:
    """A device that does not get these requests, or whose replies are lost; the first one is 1."""

    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) not in numbers:
            line.say(line.answer(asked))

    peer = Peer(behave)
    return peer


@on_a_serial_line
async def test_a_frame_that_is_lost_is_asked_for_again_in_the_same_turn(world: World) -> None:
    """As often as `retries`, and whole: a part of a block that was answered may be wrong."""
    peer = deaf_to(7, 8, 13)
    polls, source = await world.polls(peer, 5, meter=FOUR_BLOCKS, period=10, retries=2)
    assert reasons(polls) == ["good"] * 5
    assert peer.asked[6].read == peer.asked[7].read == peer.asked[8].read
    assert peer.asked[9].read[1:] == (600, 8)
    assert source.stats.timeouts == 3


@on_a_serial_line
async def test_without_retries_a_lost_frame_costs_its_block_one_poll(world: World) -> None:
    peer = deaf_to(7, 13)
    polls, source = await world.polls(peer, 5, meter=FOUR_BLOCKS, period=10, retries=0)
    assert reasons(polls) == ["good", "timeout", "good", "timeout", "good"]
    assert source.stats.timeouts == 2


@pytest.mark.parametrize("lost", [(7, 10), (7, 10, 12), (5, 6, 7, 8)], ids=["twice", "a half too", "a turn"])
@for_hours
async def test_what_is_lost_again_teaches_nothing(world: World, lost: tuple[int, ...]) -> None:
    polls, source = await world.polls(deaf_to(*lost), 100, meter=FOUR_BLOCKS, period=20)
    assert reasons(polls)[4:] == ["good"] * 96
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == []


@for_hours
async def test_a_unit_that_was_steady_is_probed_at_once_where_it_left_service(world: World) -> None:
    """Two frames lost in a row are not worth the twenty seconds that its share of the line would take."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit == 2 and 100 <= asked.time - 1000 < 102:
            return
        line.say(line.answer(asked), 0.01)

    polls, source = await world.polls(Peer(behave), 400, units=[1, 2], meter=profile([0]))
    bad = [poll for poll, output in zip(polls, reasons(polls), strict=True) if output != "good"]
    assert len(bad) <= 5
    assert source.stats.offline == set()


@for_hours
async def test_units_that_answer_every_second_request_do_not_take_the_time_of_all_others(
    world: World,
) -> None:
    """Fault 23: five of ten; each of their silences costs a time-out."""
    asked_of: Counter[int] = Counter()

    def behave(line: Line, asked: Asked) -> None:
        asked_of[asked.unit] += 1
        if asked.unit > 5 or asked_of[asked.unit] % 2 == 0:
            line.say(line.answer(asked), 0.01)

    polls, _ = await world.polls(Peer(behave), 4000, units=range(1, 11), meter=profile([0]))
    seconds = polls[-1].due_ms / 1000 - 1.8e9
    good = Counter(
        poll.origin.device for poll, output in zip(polls, reasons(polls), strict=True) if output == "good"
    )
    assert all(good[f"meter-{unit}"] / seconds > 0.75 for unit in range(6, 11))


@pytest.mark.parametrize("fault", ["none", "refused", "ignored"])
@pytest.mark.parametrize(("retries", "blocks"), [(0, 1), (0, 3), (2, 1), (2, 3)])
def test_nothing_is_learnt_of_frames_that_were_lost(fault: str, retries: int, blocks: int) -> None:
    """Not in six hours, in which all is asked again five times: a wrong lesson costs good values an hour."""
    random = Random(1)

    def behave(line: Line, asked: Asked) -> None:
        at_fault = asked.read.address <= 5 < asked.read.address + asked.read.quantity
        if random.random() < 0.1 or (at_fault and fault == "ignored"):
            return
        if at_fault and fault == "refused":
            line.refuse(asked, 2)
        else:
            line.say(line.answer(asked), 0.01)

    points = [start + place for start in range(0, 300 * blocks, 300) for place in range(10)]
    polls, source = run(
        World("memory").polls(
            Peer(behave), 8640, meter=profile(points), units=[1, 2], period=5, retries=retries
        )
    )
    allowed = set() if fault == "none" else {"refuses p5"}
    assert {event.text for event in source.stats.events if event.kind == "limits_learned"} <= allowed
    wrong = [values for values in flat(polls) if "illegal_address" in {**values, "p5": 0}.values()]
    assert len(wrong) <= 20, "while it is searched"


@pytest.mark.parametrize("blocks", [1, 3])
@for_hours
async def test_a_unit_that_is_always_late_does_not_take_the_time_of_its_neighbours(
    world: World, blocks: int
) -> None:
    """Fault 8: half a time-out late, so that it is waited for; three requests of it take five periods."""

    def behave(line: Line, asked: Asked) -> None:
        line.say(line.answer(asked), 1.5 if asked.unit == 1 else 0.01)

    meter = profile([start + place for start in range(0, 200 * blocks, 200) for place in range(4)])
    polls, _ = await world.polls(Peer(behave), 2000, units=range(1, 6), meter=meter)
    seconds = polls[-1].due_ms / 1000 - 1.8e9
    good = Counter(
        poll.origin.device for poll, output in zip(polls, reasons(polls), strict=True) if output == "good"
    )
    assert all(good[f"meter-{unit}"] / seconds > 0.9 for unit in range(2, 6))
    assert good["meter-1"] > seconds / 100, "and it is read all the same, with what its share allows"
