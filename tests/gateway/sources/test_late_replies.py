"""Replies that come long after their time, where none says what it answers: never taken for another one."""

from __future__ import annotations

import pytest

from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, profile, reasons
from tests.support.virtual_time import run

ALIKE = profile([0, 200, 400])
"""Three blocks whose replies have one shape: only their values tell them apart."""


def in_order(late: float) -> Peer:
    """A device that answers one request after the other, every seventh after `late` seconds. What it says
    goes to whoever is connected then, as a serial device server does it."""
    free = 0.0

    def behave(line: Line, asked: Asked) -> None:
        nonlocal free
        slow = len(peer.asked) % 7 == 0
        free = max(free, asked.time) + (late if slow else 0.02)
        answer = line.answer(asked)
        line.loop.call_at(free, lambda: peer.lines[-1].say(answer))

    def echo(line: Line, answer: bytes) -> None:
        nonlocal free
        free = max(free, line.loop.time()) + 0.02
        line.loop.call_at(free, lambda: peer.lines[-1].say(answer))

    peer = Peer(behave, echo=echo)
    return peer


@pytest.mark.parametrize("late", [1.05, 1.5, 1.99, 2.01, 2.05, 2.5, 3, 4, 5, 7.3])
@pytest.mark.parametrize(
    "world", [World("memory", "rtu", serial=True), World("memory", "rtu")], ids=["line", "server"]
)
def test_however_late_a_reply_is_it_is_never_taken_for_another_one(world: World, late: float) -> None:
    """Fault 9; `flat` compares every good value with the true one. The time-out is 1 s."""
    polls, source = run(world.polls(in_order(late), 100, meter=ALIKE))
    flat(polls)
    assert reasons(polls).count("good") > 20
    assert source.stats.timeouts > 0


@pytest.mark.parametrize("late", [2.01, 2.05])
def test_a_late_reply_that_comes_beside_the_right_one_has_both_asked_again(late: float) -> None:
    """Also where it comes after it, which no device does that answers in order, but a network may."""

    def behave(line: Line, asked: Asked) -> None:
        line.say(line.answer(asked), late if len(peer.asked) == 8 else 0.02)

    peer = Peer(behave)
    world = World("memory", "rtu", serial=True)
    polls, source = run(world.polls(peer, 12, meter=ALIKE))
    assert set(reasons(polls)) == {"good"}
    assert (source.stats.timeouts, source.stats.late_replies) == (1, 1)


def test_the_reply_after_one_that_never_came_is_good_after_a_moment() -> None:
    """Some time-outs are losses: then nothing follows."""

    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) != 8:
            line.say(line.answer(asked), 0.02)

    peer = Peer(behave)
    polls, source = run(World("memory", "rtu", serial=True).polls(peer, 12, meter=ALIKE))
    assert set(reasons(polls)) == {"good"}
    assert (source.stats.timeouts, source.stats.late_replies) == (1, 0)
