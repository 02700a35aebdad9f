"""What a device refuses is found in the cycle that meets it, and costs no other value; what it ignores is
found within three cycles."""

from __future__ import annotations

import pytest

from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Poll
from tests.gateway.sources.everywhere import everywhere, for_hours
from tests.gateway.sources.peer import Asked, Behaviour, Line, Peer, World, flat, normal, profile, reasons

ONE_BLOCK = list(range(30))
TWO_BLOCKS = [*range(10), *range(200, 230)]
REFUSALS = [2, 3, None]
NAMED = ["exception 2", "exception 3", "silence"]


def lacking(*missing: int, code: int | None, since: float = 0.0) -> Behaviour:
    """A device that has not these addresses from this time of the loop on, and refuses or ignores them."""

    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        if asked.time < since or not any(first <= address < first + count for address in missing):
            normal(line, asked)
        elif code is not None:
            line.refuse(asked, code)

    return behave


def bad(poll: Poll) -> dict[str, str]:
    [values] = flat([poll])
    return {name: value for name, value in values.items() if isinstance(value, str)}


def found_after(code: int | None, cycles: int = 3) -> int:
    """Cycles in which other values than those of the missing points may be bad."""
    return cycles if code is None else 0


@pytest.mark.parametrize("code", REFUSALS, ids=NAMED)
@pytest.mark.parametrize("missing", [0, 7, 29])
@everywhere
async def test_of_a_single_block_at_first_contact(world: World, missing: int, code: int | None) -> None:
    """A probe of a single point finds it alive; of point 0 only the second one, two cycles later."""
    first = found_after(code, 5 if missing == 0 else 3)
    polls, source = await world.polls(
        Peer(lacking(missing, code=code)), first + 2, meter=profile(ONE_BLOCK), period=4
    )
    assert [bad(poll) for poll in polls[first:]] == [{f"p{missing}": "illegal_address"}] * 2
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == [
        f"refuses p{missing}"
    ]
    assert source.stats.offline == set()


@pytest.mark.parametrize("code", REFUSALS, ids=NAMED)
@pytest.mark.parametrize("missing", [[0], [9], [200], [215]])
@for_hours
async def test_of_two_blocks_at_first_contact(world: World, missing: list[int], code: int | None) -> None:
    first = found_after(code)
    polls, _ = await world.polls(
        Peer(lacking(*missing, code=code)), first + 3, meter=profile(TWO_BLOCKS), period=60
    )
    expected = dict.fromkeys((f"p{m}" for m in missing), "illegal_address")
    assert [bad(poll) for poll in polls[first:]] == [expected] * 3


@pytest.mark.parametrize("code", REFUSALS, ids=NAMED)
@pytest.mark.parametrize("points", [ONE_BLOCK, TWO_BLOCKS], ids=["one block", "two blocks"])
@for_hours
async def test_of_a_device_that_was_sound_before(world: World, points: list[int], code: int | None) -> None:
    """It is never offline for that: one of its cycles begins with a point that it has."""
    peer = Peer(lacking(5, code=code, since=1100))
    polls, _ = await world.polls(peer, 12, meter=profile(points), period=30)
    assert reasons(polls[:3]) == ["good"] * 3
    assert [bad(poll) for poll in polls[7:]] == [{"p5": "illegal_address"}] * 5
    ignored = {f"p{place}" for place in range(30 if points is ONE_BLOCK else 10)}
    assert {name for poll in polls for name in bad(poll)} == ({"p5"} if code else ignored)


@for_hours
async def test_of_a_device_that_was_switched_off_before(world: World) -> None:
    """What it was silent about then was no lost frame."""

    def behave(line: Line, asked: Asked) -> None:
        if not 1050 < asked.time < 1110:
            lacking(215, code=None, since=1300)(line, asked)

    polls, _ = await world.polls(Peer(behave), 60, meter=profile(TWO_BLOCKS), period=10)
    assert {name for poll in polls[33:] for name in bad(poll)} == {"p215"}


@for_hours
async def test_of_a_block_that_is_the_only_one_of_its_poll_group(world: World) -> None:
    """The replies to another group show that the device is alive; the point never takes it out of service."""
    rows = [
        {"name": f"p{at}", "table": "holding", "address": at, "type": "uint16", "group": group}
        for at, group in ((0, "sound"), (5, "ignored"), (6, "ignored"))
    ]
    groups = {"sound": "10s", "ignored": "10s"}
    meter = DeviceProfile.model_validate({"profile": "meter", "groups": groups, "points": rows})
    polls, source = await world.polls(Peer(lacking(5, code=None)), 40, meter=meter, period=10)
    last = [bad(poll) for poll in polls[-10:]]
    assert last.count({"p5": "illegal_address"}) == last.count({}) == 5
    assert source.stats.offline == set()
