"""Devices whose replies carry wrong ids, and what is forgiven without taking one reply for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.sources.everywhere import everywhere, with_transactions
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, normal, profile, reasons

TWO_BLOCKS = profile([0, 1, 200, 201])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda transaction: transaction + 1 & 0xFFFF,
        lambda transaction: (transaction & 0xFF) << 8 | transaction >> 8,
        lambda transaction: transaction - 1 & 0xFFFF,
        lambda transaction: 0,
        lambda transaction: 0xFFFF,
    ],
    ids=["next", "swapped", "previous", "zero", "constant"],
)
@with_transactions
async def test_transaction_ids_can_be_ignored(world: World, wrong: Callable[[int], int]) -> None:
    """Fault 10."""
    peer = Peer(
        lambda line, asked: line.say(line.frame(asked, line.pdu(asked), transaction=wrong(asked.transaction)))
    )
    polls, source = await world.polls(peer, 3, meter=TWO_BLOCKS, period=2, quirks={"ignore_tid": True})
    assert reasons(polls) == ["good"] * 3
    assert source.stats.rejected_replies == 0


def without_ids(after: float, again: float = 0.8) -> Peer:
    """All replies carry id 0; the third comes `after` seconds on whatever connection there is then."""

    def behave(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), transaction=0)
        if len(line.peer.asked) == 3:
            line.loop.call_later(after, lambda: line.peer.lines[-1].say(answer))
        else:
            line.say(answer, again if len(line.peer.asked) == 4 else 0.0)

    return Peer(behave)


@pytest.mark.parametrize("after", [1.05, 1.5, 1.99])
@with_transactions
async def test_a_late_reply_without_an_id_is_never_taken_for_the_next_one(world: World, after: float) -> None:
    """Faults 9 and 10: a new connection, and silence on it until the reply cannot come any more."""
    polls, _ = await world.polls(
        without_ids(after * world.unit, 0.8 * world.unit),
        3,
        meter=TWO_BLOCKS,
        period=6,
        quirks={"ignore_tid": True},
    )
    assert reasons(polls) == ["good", "timeout", "good"]
    assert flat(polls)[1] == {"p0": "timeout", "p1": "timeout", "p200": 1200, "p201": 1201}


@with_transactions
async def test_a_reply_that_comes_twice_is_not_taken_for_the_next_one(world: World) -> None:
    """Fault 10: what follows a reply at once is read and dropped before the next request."""

    def twice(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), transaction=0)
        line.say(answer)
        line.say(answer, 0.004)

    polls, source = await world.polls(Peer(twice), 3, meter=TWO_BLOCKS, period=3, quirks={"ignore_tid": True})
    assert reasons(polls) == ["good"] * 3
    assert source.stats.rejected_replies >= 5


@with_transactions
async def test_half_a_frame_that_came_unasked_is_not_completed_by_the_next_reply(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        normal(line, asked)
        if len(line.peer.asked) == 3:
            line.say(line.answer(asked)[:9], 0.002)

    polls, source = await world.polls(
        Peer(behave), 3, meter=TWO_BLOCKS, period=3, quirks={"ignore_tid": True}
    )
    assert reasons(polls) == ["good"] * 3
    assert source.stats.connects == 2


@pytest.mark.parametrize("claimed", [0, 1, 255])
@everywhere
async def test_replies_of_other_unit_ids_can_be_accepted(world: World, claimed: int) -> None:
    """Fault 11: a device that answers as 0, 1 or 255, whatever it was asked as."""
    peer = Peer(lambda line, asked: line.say(line.frame(asked, line.pdu(asked), unit=claimed)))
    quirks: dict[str, Any] = {"accept_unit": [0, 1, 255]}
    polls, _ = await world.polls(peer, 3, meter=TWO_BLOCKS, units=[2], period=2, quirks=quirks)
    assert reasons(polls) == ["good"] * 3


@everywhere
async def test_no_other_unit_id_than_those_is_accepted(world: World) -> None:
    """Fault 11."""
    peer = Peer(lambda line, asked: line.say(line.frame(asked, line.pdu(asked), unit=3)))
    polls, source = await world.polls(peer, 3, units=[2], quirks={"accept_unit": [0, 1]})
    assert set(reasons(polls)) <= {"protocol_error", "timeout"}
    assert source.stats.good_points == 0


@everywhere
async def test_a_late_reply_that_names_nobody_is_not_taken_for_that_of_a_neighbour(world: World) -> None:
    """Faults 9 and 11: every unit answers as 0, the fifth reply is late."""

    def behave(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), unit=0)
        if len(line.peer.asked) == 5:
            line.loop.call_later(1.2 * world.unit, lambda: line.peer.lines[-1].say(answer))
        else:
            line.say(answer, 0.1 * world.unit)

    polls, _ = await world.polls(Peer(behave), 12, units=[2, 3], period=3, quirks={"accept_unit": [0]})
    assert Counter(reasons(polls)) == {"good": 11, "timeout": 1}
