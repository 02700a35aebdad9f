"""Connections that are refused, reset, closed or dead; the numbers are those of the list of Modbus faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from gateway.sources.modbus import ModbusSource
from qilu.contract.reading import Poll
from tests.gateway.sources.everywhere import everywhere, for_hours, through_networks
from tests.gateway.sources.peer import Asked, Line, Peer, World, normal, profile, reasons

TWO_BLOCKS = profile([0, 1, 200, 201])


def silent(line: Line, asked: Asked) -> None:
    """Does not answer."""


@everywhere
async def test_a_refused_connection_makes_every_value_unreachable_at_every_turn(world: World) -> None:
    """Faults 18 and 21."""
    peer = Peer(refuses=lambda: True, opened=lambda line: line.reset())
    polls, source = await world.polls(peer, 5, meter=TWO_BLOCKS)
    assert reasons(polls) == ["unreachable"] * 5
    assert [poll.size for poll in polls] == [4] * 5
    assert source.stats.failed_connects >= 1
    assert [event.kind for event in source.stats.events] == ["offline"]


@for_hours
async def test_attempts_to_connect_back_off_and_the_turns_go_on(world: World) -> None:
    """Fault 18: no storm of attempts, none of lines in the log."""
    attempts = Counter[str]()

    def refuses() -> bool:
        attempts["made"] += 1
        return True

    polls, source = await world.polls(Peer(refuses=refuses), 600)
    assert reasons(polls) == ["unreachable"] * 600
    assert 40 < attempts["made"] < 200
    assert source.stats.missed_turns == 0


@everywhere
async def test_a_device_that_comes_back_is_read_again(world: World) -> None:
    """Fault 31, the first part of it: refusals, then service."""
    down = [True]
    peer = Peer(refuses=lambda: down[0], opened=lambda line: line.reset() if down[0] else None)

    def repair(source: ModbusSource, poll: Poll) -> None:
        down[0] = len(peer.connects) < 1 and source.stats.polls < 2

    polls, source = await world.polls(peer, 20, meanwhile=repair)
    assert reasons(polls)[0] == "unreachable"
    assert reasons(polls)[-1] == "good"
    assert [event.kind for event in source.stats.events] == ["offline", "online"]


@pytest.mark.parametrize("trust_after", [0, 2])
@everywhere
async def test_a_device_that_came_back_is_trusted_after_so_many_turns(world: World, trust_after: int) -> None:
    """Fault 31, the second part: until then its values are bad, and what it refuses is not learnt."""
    polled = [0]

    def behave(line: Line, asked: Asked) -> None:
        if 2 <= polled[0] < 5:
            return
        starting = 5 <= polled[0] < 5 + trust_after
        if starting and asked.read.address <= 2 < asked.read.address + asked.read.quantity:
            line.refuse(asked, 2)
        else:
            normal(line, asked)

    def count(source: ModbusSource, poll: Poll) -> None:
        polled[0] = source.stats.polls

    polls, source = await world.polls(
        Peer(behave), 9, meter=profile(range(4)), period=1.5, meanwhile=count, trust_after=trust_after
    )
    starting = ["illegal_address+restarted"] * trust_after
    expected = ["good", "good", "timeout", "timeout", "timeout", *starting]
    assert reasons(polls) == expected + ["good"] * (9 - len(expected))
    assert [event.kind for event in source.stats.events] == ["online", "offline", "online"]


@everywhere
async def test_a_reset_instead_of_a_reply_fails_the_request_at_once(world: World) -> None:
    """Fault 18: RST in the middle of a request, on a connection that never served."""
    polls, source = await world.polls(Peer(lambda line, asked: line.reset()), 3)
    assert reasons(polls) == ["unreachable"] * 3
    assert source.stats.timeouts == 0


@everywhere
async def test_a_reset_in_the_middle_of_a_reply_costs_no_other_block(world: World) -> None:
    """Fault 18: RST in the middle of the reply to the second request of the second turn."""

    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) == 4:
            line.say(line.answer(asked)[:5])
            line.end()
        else:
            normal(line, asked)

    peer = Peer(behave)
    polls, _ = await world.polls(peer, 3, meter=TWO_BLOCKS)
    assert reasons(polls) == ["good"] * 3
    assert len(peer.connects) == 2


@everywhere
async def test_an_idle_connection_that_the_device_closed_is_no_error(world: World) -> None:
    """Fault 20: closed between two turns, and just as the next request arrives."""

    def close_between(line: Line, asked: Asked) -> None:
        normal(line, asked)
        line.loop.call_later(0.2 * world.unit, line.end)

    polls, source = await world.polls(Peer(close_between), 4)
    assert reasons(polls) == ["good"] * 4
    assert source.stats.reconnects == 3
    assert [event.kind for event in source.stats.events] == ["online"]

    def close_on_the_third(line: Line, asked: Asked) -> None:
        if len(peer.asked) == 3:
            line.end()
        else:
            normal(line, asked)

    peer = Peer(close_on_the_third)
    polls, source = await world.polls(peer, 4)
    assert reasons(polls) == ["good"] * 4
    assert source.stats.reconnects == 1


@through_networks
async def test_a_connection_that_swallows_everything_is_replaced(world: World) -> None:
    """Fault 19: half open; after three requests without any reply, a new connection."""
    peer = Peer(lambda line, asked: normal(line, asked) if len(peer.lines) > 1 else None)
    polls, source = await world.polls(peer, 10, period=2)
    assert "good" in reasons(polls)
    assert reasons(polls)[0] == "timeout"
    assert source.stats.timeouts <= 3


@everywhere
async def test_a_device_for_one_client_gets_its_connection_back_after_each_turn(world: World) -> None:
    """Fault 21."""
    open_at_once = Counter[str]()

    def opened(line: Line) -> None:
        open_at_once["most"] = max(
            open_at_once["most"], sum(not other.transport.is_closing() for other in peer.lines)
        )

    peer = Peer(opened=opened)
    polls, source = await world.polls(peer, 4, meter=TWO_BLOCKS, close_after_poll=True)
    assert reasons(polls) == ["good"] * 4
    assert len(peer.connects) == 4
    assert open_at_once["most"] == 1
    assert source.stats.connects == 4


@everywhere
async def test_all_units_of_an_endpoint_share_one_connection(world: World) -> None:
    """Faults 21 and 22."""
    peer = Peer()
    polls, _ = await world.polls(peer, 12, units=[1, 2, 3, 247, 0, 255])
    assert reasons(polls) == ["good"] * 12
    assert len(peer.connects) == 1


@everywhere
async def test_requests_keep_the_gap_and_never_overlap(world: World) -> None:
    """Fault 22: a gateway that mixes replies when it is asked too soon."""
    busy_until = [0.0]
    overlapped: list[Asked] = []

    def behave(line: Line, asked: Asked) -> None:
        if asked.time < busy_until[0]:
            overlapped.append(asked)
        # what the far side sees of the gap is up to a millisecond shorter
        busy_until[0] = asked.time + 0.1 * world.unit + 0.3 * world.unit * 0.8
        line.say(line.answer(asked), 0.1 * world.unit)

    polls, _ = await world.polls(Peer(behave), 6, meter=TWO_BLOCKS, units=[1, 2], period=4, request_gap=0.3)
    assert reasons(polls) == ["good"] * 6
    assert overlapped == []


@everywhere
async def test_a_device_is_given_time_after_the_connection(world: World) -> None:
    peer = Peer()
    polls, _ = await world.polls(peer, 2, after_connect=0.5, period=3)
    assert reasons(polls) == ["good", "good"]
    assert peer.asked[0].time - peer.connects[0] >= 0.49 * world.unit


@for_hours
async def test_ten_dead_units_of_twenty_do_not_slow_the_others(world: World) -> None:
    """Fault 23: time-out 1 s, turns every second, for ten minutes, dead from the start."""
    dead = set(range(2, 21, 2))
    polls, source = await world.polls(
        Peer(lambda line, asked: None if asked.unit in dead else normal(line, asked)),
        20 * 600,
        units=range(1, 21),
    )
    said = Counter((poll.origin.device, reason) for poll, reason in zip(polls, reasons(polls), strict=True))
    for unit in range(1, 21):
        device = f"meter-{unit}"
        if unit in dead:
            assert said[device, "good"] == 0
        else:
            assert said[device, "good"] >= 0.9 * 600
            assert said[device, "timeout"] == 0
    assert source.stats.offline == {f"meter-{unit}" for unit in dead}
    assert source.stats.timeouts > 60, "the dead ones are probed all the time"


@pytest.mark.parametrize("others", [0, 1, 9])
@for_hours
async def test_a_unit_that_comes_back_is_in_service_soon(world: World, others: int) -> None:
    """Fault 23: with none, one or nine dead units beside it, and one that is sound."""
    dead = set(range(2, 3 + others))
    back_at: list[float] = []
    first_good: list[float] = []

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit not in dead:
            normal(line, asked)

    def revive(source: ModbusSource, poll: Poll) -> None:
        now = poll.due_ms / 1000
        if source.stats.polls == 400 * (2 + others):
            dead.discard(2)
            back_at.append(now)
        good = not any(reading.reasons for reading in poll.readings)
        if poll.origin.device == "meter-2" and good and not first_good:
            first_good.append(now)

    _, source = await world.polls(
        Peer(behave), 800 * (2 + others), units=range(1, 3 + others), meanwhile=revive
    )
    assert first_good[0] - back_at[0] < 70
    assert "meter-2" not in source.stats.offline


@for_hours
async def test_a_gateway_that_waits_long_for_a_dead_unit_does_not_starve_the_others(
    world: World,
) -> None:
    """Fault 23: the endpoint is a serial line; it does nothing else for 0.8 s when a dead unit is asked."""
    free_at = [0.0]

    def behave(line: Line, asked: Asked) -> None:
        free_at[0] = max(free_at[0], asked.time) + (0.8 if asked.unit > 3 else 0.02)
        if asked.unit <= 3:
            line.say(line.answer(asked), free_at[0] - asked.time)

    polls, source = await world.polls(Peer(behave), 6 * 600, units=range(1, 7))
    said = Counter((poll.origin.device, why) for poll, why in zip(polls, reasons(polls), strict=True))
    for unit in (1, 2, 3):
        assert said[f"meter-{unit}", "good"] >= 0.9 * 600
    assert source.stats.offline == {"meter-4", "meter-5", "meter-6"}


@for_hours
async def test_a_unit_that_falls_silent_is_offline_after_two_requests(world: World) -> None:
    """Fault 23: bad from its first silence, and reported once."""
    peer = Peer(lambda line, asked: normal(line, asked) if line.loop.time() < 1010 else None)
    polls, source = await world.polls(peer, 30, meter=TWO_BLOCKS)
    first_bad = reasons(polls).index("timeout")
    assert set(reasons(polls)[:first_bad]) == {"good"}
    assert set(reasons(polls)[first_bad:]) == {"timeout"}
    assert [event.kind for event in source.stats.events] == ["online", "offline"]


@pytest.mark.parametrize("refusing", [True, False])
@everywhere
async def test_leaving_a_source_leaves_no_connection_and_no_task(world: World, refusing: bool) -> None:
    peer = Peer(refuses=lambda: refusing)
    _, source = await world.polls(peer, 1)
    again: Callable[[], object] = source.columns
    assert again()
    assert source._link is None
    assert source._tasks is None
