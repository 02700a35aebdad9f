"""Devices whose replies carry wrong ids, and what is forgiven without taking one reply for another."""

from __future__ import annotations

import pytest

from tests.gateway.sources.everywhere import everywhere, on_virtual_time, with_transactions
from tests.gateway.sources.peer import Asked, Line, Peer, World, normal, profile, reasons

TWO_BLOCKS = profile([0, 1, 200, 201])


def without_ids(after: float, again: float = 0.8) -> Peer:
    """All replies carry id 0; the third comes `after` seconds on whatever connection there is then."""

    def behave(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), transaction=0)
        if len(line.peer.asked) == 3:
            line.loop.call_later(after, lambda: line.peer.lines[-1].say(answer))
        else:
            line.say(answer, again if len(line.peer.asked) == 4 else 0.0)

    return Peer(behave)


@pytest.mark.parametrize("after", [1.1, 1.5, 1.8])
@with_transactions
async def test_a_late_reply_without_an_id_is_never_taken_for_the_next_one(world: World, after: float) -> None:
    """Faults 9 and 10: a new connection, and silence on it until the reply cannot come any more."""
    polls, source = await world.polls(
        without_ids(after * world.unit, 0.8 * world.unit),
        3,
        meter=TWO_BLOCKS,
        period=6,
        quirks={"ignore_transaction_id": True},
    )
    assert reasons(polls) == ["good"] * 3, "asked again"
    assert source.stats.timeouts == 1


@on_virtual_time
async def test_a_reply_that_comes_twice_is_not_taken_for_the_next_one(world: World) -> None:
    """Fault 10: what follows a reply at once is read and dropped before the next request."""

    def twice(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), transaction=0)
        line.say(answer)
        line.say(answer, 0.004)

    polls, source = await world.polls(
        Peer(twice), 3, meter=TWO_BLOCKS, period=3, quirks={"ignore_transaction_id": True}
    )
    assert reasons(polls) == ["good"] * 3
    assert source.stats.rejected_replies >= 5


@with_transactions
async def test_half_a_frame_that_came_unasked_is_not_completed_by_the_next_reply(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        normal(line, asked)
        if len(line.peer.asked) == 3:
            line.say(line.answer(asked)[:9], 0.002)

    polls, source = await world.polls(
        Peer(behave), 3, meter=TWO_BLOCKS, period=3, quirks={"ignore_transaction_id": True}
    )
    assert reasons(polls) == ["good"] * 3
    assert source.stats.connects == 2


@everywhere
async def test_a_late_reply_that_names_nobody_is_not_taken_for_that_of_a_neighbour(world: World) -> None:
    """Faults 9 and 11: every unit answers as 0, the fifth reply is late."""

    def behave(line: Line, asked: Asked) -> None:
        answer = line.frame(asked, line.pdu(asked), unit=0)
        if len(line.peer.asked) == 5:
            line.loop.call_later(1.2 * world.unit, lambda: line.peer.lines[-1].say(answer))
        else:
            line.say(answer, 0.1 * world.unit)

    polls, source = await world.polls(
        Peer(behave), 12, units=[2, 3], period=3, quirks={"accepted_unit_ids": [0]}
    )
    assert reasons(polls) == ["good"] * 12
    assert source.stats.timeouts == 1
