"""Blocks that a device answers right only as a whole: what it says to a part of them is never good."""

from __future__ import annotations

from random import Random

import pytest

from gateway.sources.modbus.planning.plan import plan
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.modbus.read_functions import read_response
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, profile, reasons
from tests.support.virtual_time import run

POINTS = [100, 101, 102, 105, 109]
RANGE = {"table": "holding", "first": 100, "last": 109}
MEMORY = World("memory")


def whole_only(filler: bytes = b"\xff\xff", *, losses: float = 0.0, seed: int = 1) -> Peer:
    """Right values come only in a read of 100 to 109; any other read there has `filler` in their place."""
    random = Random(seed)

    def behave(line: Line, asked: Asked) -> None:
        function, address, count = asked.read
        if random.random() < losses:
            return
        if not 100 <= address <= 109 or (address, count) == (100, 10):
            line.say(line.answer(asked))
        else:
            line.say(line.frame(asked, read_response(function, filler * count)))

    return Peer(behave)


def test_a_range_that_is_read_whole_is_one_request_and_never_a_part_of_one() -> None:
    meter = profile([99, *POINTS, 110], limits={"read_whole": [RANGE]})
    read = plan(meter, "default", Origin("edge-1", "meter-1", "meter"))
    assert [(block.span.first, block.span.count) for block in read.blocks] == [(99, 12), (100, 10)]
    alone = plan(profile([105], limits={"read_whole": [RANGE]}), "default", Origin("e", "d", "meter"))
    assert [(block.span.first, block.span.count) for block in alone.blocks] == [(100, 10)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("more", [[], [500, 501]], ids=["alone", "beside another block"])
def test_with_the_key_no_lost_frame_makes_a_wrong_value_good(seed: int, more: list[int]) -> None:
    """`reasons` compares every good value with the true one."""
    meter = profile([*POINTS, *more], limits={"read_whole": [RANGE]})
    polls, _ = run(MEMORY.polls(whole_only(losses=0.2, seed=seed), 150, meter=meter))
    assert reasons(polls).count("good") > 90


def refusing(peer: Peer, code: int, since: float, until: float) -> Peer:
    """The same, that refuses the whole block for some time."""
    behave = peer.behave

    def refuse(line: Line, asked: Asked) -> None:
        if since <= asked.time - 1000 < until and (asked.read.address, asked.read.quantity) == (100, 10):
            line.refuse(asked, code)
        else:
            behave(line, asked)

    peer.behave = refuse
    return peer


@pytest.mark.parametrize("limits", [{}, {"read_whole": [RANGE]}], ids=["unknown", "known"])
@pytest.mark.parametrize("filler", [b"\xff\xff", b"\0\0"], ids=["FFFFh", "0"])
@pytest.mark.parametrize("code", [2, 4])
def test_what_was_read_whole_counts_in_parts_only_where_it_agrees(
    filler: bytes, code: int, limits: dict[str, object]
) -> None:
    """The device refuses the whole block for a minute: nothing of it is good, and all of it afterwards."""
    peer = refusing(whole_only(filler), code, 20, 80)
    polls, _ = run(MEMORY.polls(peer, 400, meter=profile(POINTS, limits=limits), period=1))
    found = reasons(polls)
    assert found[:19] == ["good"] * 19
    assert "good" not in found[21:79]
    assert found[-60:] == ["good"] * 60


@pytest.mark.parametrize("seed", range(6))
def test_a_block_that_was_answered_is_not_divided_for_a_lost_frame(seed: int) -> None:
    peer = whole_only(losses=0.07, seed=seed)
    first: list[bool] = []

    def behave(line: Line, asked: Asked) -> None:
        if first:
            lossy(line, asked)
        else:
            first.append(True)
            line.say(line.answer(asked))

    lossy, peer.behave = peer.behave, behave
    polls, _ = run(MEMORY.polls(peer, 200, meter=profile(POINTS)))
    flat(polls)
    assert reasons(polls).count("good") > 150


def test_a_unit_that_was_off_is_not_read_in_parts_that_do_not_agree() -> None:
    """A unit out of service is asked for single points as well: it may ignore a block of this length."""
    peer = whole_only()
    answers = peer.behave

    def behave(line: Line, asked: Asked) -> None:
        if not 20 <= asked.time - 1000 < 300:
            answers(line, asked)

    peer.behave = behave
    polls, _ = run(MEMORY.polls(peer, 500, meter=profile(POINTS)))
    assert reasons(polls)[-60:] == ["good"] * 60


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"read_whole": [{**RANGE, "last": 107}]}, None),
        ({"read_whole": [{**RANGE, "first": 110}]}, "first 110 is above last 109"),
        ({"read_whole": [{**RANGE, "last": 300}]}, "has more than the 125 addresses"),
        ({"read_whole": [RANGE, {**RANGE, "first": 109, "last": 120}]}, "shares addresses with"),
        (
            {"read_whole": [RANGE], "unreadable": [{**RANGE, "first": 103, "last": 104}]},
            "shares addresses with",
        ),
    ],
)
def test_a_range_that_cannot_be_read_whole_is_refused(limits: dict[str, object], problem: str | None) -> None:
    if problem is None:
        profile([100, 105, 109], limits=limits)
        return
    with pytest.raises(ValueError, match=problem):
        profile([100], limits=limits)


def test_a_point_that_is_partly_in_a_range_is_refused() -> None:
    rows = [{"name": "energy", "table": "holding", "address": 109, "type": "uint32"}]
    with pytest.raises(ValueError, match="is only partly in holding 100 to 109"):
        DeviceProfile.model_validate({"profile": "meter", "points": rows, "limits": {"read_whole": [RANGE]}})
