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


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("late", [1.05, 1.5, 1.99, 2.01, 2.05, 2.5, 3, 4, 4.4, 5, 6.1, 7.3, 9])
@pytest.mark.parametrize(
    "world", [World("memory", "rtu", serial=True), World("memory", "rtu")], ids=["line", "server"]
)
def test_however_late_a_reply_is_it_is_never_taken_for_another_one(
    world: World, late: float, retries: int
) -> None:
    """Fault 9; `flat` compares every good value with the true one. The time-out is 1 s."""
    polls, source = run(world.polls(in_order(late), 100, meter=ALIKE, retries=retries))
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


def test_a_device_that_ignores_echoes_is_read_all_the_same() -> None:
    """It costs three time-outs, once: then it is known."""

    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) not in (8, 40, 70):
            line.say(line.answer(asked), 0.02)

    echoes: list[float] = []
    peer = Peer(behave, echo=lambda line, answer: echoes.append(line.loop.time()))
    polls, _ = run(World("memory", "rtu", serial=True).polls(peer, 60, meter=ALIKE))
    assert len(echoes) == 3
    assert reasons(polls).count("good") > 50
    assert set(reasons(polls)[-10:]) == {"good"}


def test_a_device_that_knows_echoes_is_asked_for_one_after_each_loss() -> None:
    def behave(line: Line, asked: Asked) -> None:
        if len(peer.asked) not in (8, 40):
            line.say(line.answer(asked), 0.02)

    echoes: list[bytes] = []

    def echo(line: Line, answer: bytes) -> None:
        echoes.append(answer)
        line.say(answer, 0.02)

    peer = Peer(behave, echo=echo, echo_reply=bytes)
    polls, _ = run(World("memory", "rtu", serial=True).polls(peer, 30, meter=ALIKE))
    assert set(reasons(polls)) == {"good"}
    assert len(echoes) == 2
    assert len(echoes[0]) == 8


@pytest.mark.parametrize("units", [(1,), (1, 2)], ids=["alone", "shared"])
def test_a_device_that_ends_the_connection_at_an_echo_is_read_all_the_same(units: tuple[int, ...]) -> None:
    lost: list[float] = []

    def behave(line: Line, asked: Asked) -> None:
        if asked.time > 1010 and not lost and asked.unit == 1:
            lost.append(asked.time)
        else:
            line.say(line.answer(asked), 0.02)

    peer = Peer(behave, echo=lambda line, answer: line.end())
    polls, _ = run(World("memory", "rtu").polls(peer, 200 * len(units), units=units))
    assert reasons(polls).count("good") > 190 * len(units)
    assert len(peer.connects) < 10


def test_a_device_that_is_exchanged_for_one_that_ignores_echoes_is_found() -> None:
    """It was off meanwhile, so that a reply of the old one may be late, as far as anybody knows."""

    def behave(line: Line, asked: Asked) -> None:
        if not 1020 < asked.time < 1060 and len(peer.asked) != 8:
            line.say(line.answer(asked), 0.02)

    def echo(line: Line, answer: bytes) -> None:
        if line.loop.time() < 1020:
            line.say(answer, 0.02)

    peer = Peer(behave, echo=echo)
    polls, _ = run(World("memory", "rtu", serial=True).polls(peer, 300, meter=ALIKE))
    assert set(reasons(polls)[-100:]) == {"good"}
