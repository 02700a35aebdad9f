"""What a device refused is asked for again: one point soon, all of it after an hour."""

from __future__ import annotations

import pytest

from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.device_limits import FIRST_TRIAL_S, TRIAL_INTERVAL_S, DeviceLimits
from gateway.sources.modbus.planning.plan import plan
from qilu.contract.reading import Origin, Reason
from tests.gateway.sources.everywhere import for_hours
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, normal, profile, reasons
from tests.gateway.sources.test_learning import without


@pytest.mark.parametrize("code", [1, 2, 3, 4])
@for_hours
async def test_a_device_that_refuses_all_while_it_starts_is_read_again_soon(world: World, code: int) -> None:
    """Fault 31: no offline period shows that it was started anew."""

    def behave(line: Line, asked: Asked) -> None:
        if 100 <= asked.time - 1000 < 110:
            line.refuse(asked, code)
        else:
            normal(line, asked)

    polls, source = await world.polls(Peer(behave), 300, meter=profile([*range(10), 200]))
    bad = [turn for turn, output in enumerate(reasons(polls)) if output != "good"]
    assert bad == list(range(100, 100 + len(bad)))
    assert 10 <= len(bad) <= 10 + 2 * FIRST_TRIAL_S
    assert source.stats.offline == set()


@for_hours
async def test_one_refused_point_is_asked_for_in_the_name_of_all(world: World) -> None:
    """Sixty points that are missing cost nine requests in the first hour."""
    peer = Peer(without(*range(40, 100)))
    polls, source = await world.polls(peer, 700, meter=profile(range(100)), period=5)
    assert {name for name, value in flat(polls)[-1].items() if isinstance(value, str)} == {
        f"p{address}" for address in range(40, 100)
    }
    trials = [asked for asked in peer.asked if asked.read.address >= 40 and asked.time > 1010]
    assert len(trials) <= 9
    assert len({asked.read.address for asked in trials}) > 2, "another one each time"
    assert [event.kind for event in source.stats.events] == ["online", "limits_learned"], "told once"


@for_hours
async def test_a_single_wrong_refusal_of_a_function_costs_nothing(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) == 100:
            line.refuse(asked, 1)
        else:
            normal(line, asked)

    peer = Peer(behave)
    polls, _ = await world.polls(peer, 200, meter=profile(range(10)))
    assert reasons(polls) == ["good"] * 200


@pytest.mark.parametrize("by_timeout", [False, True], ids=["exceptions", "timeouts"])
def test_the_time_to_the_next_trial_doubles_up_to_one_in_an_hour(by_timeout: bool) -> None:
    """For each point. What timeouts taught is tried from then on: a trial costs a timeout."""
    meter = profile([0])
    [block] = plan(meter, "default", Origin("edge-1", "meter-1", "meter")).blocks
    limits, search = DeviceLimits("meter-1", meter, None), Bisection()
    search.by_timeout = by_timeout
    search.refused(block.span, Reason.ILLEGAL_ADDRESS)
    limits.add(search, 0.0)
    trials = []
    for now in range(0, 5 * int(TRIAL_INTERVAL_S), int(FIRST_TRIAL_S)):
        if limits.trial_due(now):
            trials.append(now)
            limits.next_trial([block, block], now)
    steps = [10, 30, 70, 150, 310, 630, 1270, 2550, 5110, 6910, 8710, 10510, 12310, 14110, 15910, 17710]
    assert trials == (list(range(3600, 18000, 1800)) if by_timeout else steps)


@for_hours
async def test_a_trial_whose_reply_is_lost_forgets_nothing(world: World) -> None:
    """All was asked again, told as news, and tried as often as at first: on a bad line each time."""

    def behave(line: Line, asked: Asked) -> None:
        _, first, count = asked.read
        if not first <= 5 < first + count:
            normal(line, asked)
        elif asked.time < 1010 or asked.time > 1070:
            line.refuse(asked, 2)

    polls, source = await world.polls(Peer(behave), 600, meter=profile([5, 200, 400]))
    assert [event.text for event in source.stats.events if event.kind == "limits_learned"] == ["refuses p5"]
    assert set(reasons(polls)) == {"illegal_address"}, "a trial costs no value"
