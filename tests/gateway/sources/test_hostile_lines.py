"""Whatever a device that answers in order does, every value comes once in each turn, and none is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

import pytest

from qilu.modbus.pdu import exception_response
from qilu.modbus_client.endpoint_state import TransactionIds
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, profile, reasons
from tests.support.virtual_time import run

ALIKE = profile([block + place for block in (0, 200, 400) for place in range(10)])
"""Blocks whose replies have one shape."""
WORLDS = [World("memory"), World("memory", "rtu"), World("memory", "rtu", serial=True)]
ASCII = World("memory", "ascii")
PLAYS = [
    *((seed, WORLDS[seed % len(WORLDS)]) for seed in range(60)),
    *((seed, ASCII) for seed in range(60, 80)),
    *((seed, WORLDS[2]) for seed in (21, 110)),  # many late replies at once, of a unit without loopbacks
]
EXCEPTIONS = (1, 2, 3, 4, 6, 10, 11)


@dataclass(frozen=True)
class Hostile:
    """What one seed makes of a device. Shares are of the requests; a code of None is silence."""

    silent: float
    late: float
    excepted: float
    ended: float
    lateness: float
    holes: frozenset[tuple[int, int]]
    hole_code: int | None
    longest: int
    longest_code: int | None
    off: Sequence[tuple[float, float, int]]
    """From, until, unit: when somebody is switched off."""

    def is_off(self, asked: Asked) -> bool:
        return any(begin <= asked.time - 1000 < end and unit == asked.unit for begin, end, unit in self.off)

    def lacks(self, asked: Asked) -> bool:
        _, first, count = asked.read
        return any(unit == asked.unit and first <= hole < first + count for unit, hole in self.holes)

    @classmethod
    def of(cls, random: Random, units: Sequence[int], points: Sequence[int]) -> Hostile:
        begins = [random.uniform(0, 200) for _ in range(random.choice([0, 1, 3]))]
        return cls(
            silent=random.choice([0, 0.05, 0.2]),
            late=random.choice([0, 0.05, 0.2]),
            excepted=random.choice([0, 0, 0.03]),
            ended=random.choice([0, 0, 0.03]),
            lateness=random.choice([1.05, 1.5, 2.5, 4, 6]),
            holes=frozenset((unit, random.choice(points)) for unit in units if random.random() < 0.5),
            hole_code=random.choice([2, 3, None]),
            longest=random.choice([125, 125, 10, 3]),
            longest_code=random.choice([2, None]),
            off=[(begin, begin + random.uniform(1, 60), random.choice(units)) for begin in begins],
        )


Route = Literal["own", "newest", "all"]
"""The connections that a reply is sent to: the one of its request, the newest, or all."""


def replies_by(route: Route) -> Callable[[Line, bytes, float], None]:
    """What sends a reply so many seconds after the one before it."""
    free = 0.0

    def send(line: Line, answer: bytes) -> None:
        for to in {"own": [line], "newest": line.peer.lines[-1:], "all": line.peer.lines}[route]:
            to.say(answer)

    def say(line: Line, answer: bytes, after: float) -> None:
        nonlocal free
        free = max(free, line.loop.time()) + after
        line.loop.call_at(free, send, line, answer)

    return say


def hostile(it: Hostile, random: Random, route: Route) -> Peer:
    """A device like this; it answers one request after the other."""
    say = replies_by(route)

    def refuse(line: Line, asked: Asked, code: int | None) -> None:
        if code is not None:
            say(line, line.frame(asked, exception_response(asked.read.function, code)), 0.01)

    def behave(line: Line, asked: Asked) -> None:
        chance = random.random()
        if it.is_off(asked) or chance < it.silent:
            return
        if chance < it.silent + it.ended:
            line.end()
        elif chance < it.silent + it.ended + it.excepted:
            refuse(line, asked, random.choice(EXCEPTIONS))
        elif it.lacks(asked):
            refuse(line, asked, it.hole_code)
        elif asked.read.quantity > it.longest:
            refuse(line, asked, it.longest_code)
        else:
            say(line, line.answer(asked), it.lateness if random.random() < it.late else 0.01)

    def echo(line: Line, answer: bytes) -> None:
        if random.random() >= it.silent:
            say(line, answer, 0.01)

    return Peer(behave, echo=echo)


@pytest.mark.parametrize(("seed", "world"), PLAYS, ids=[f"{seed}-{world.framing}" for seed, world in PLAYS])
def test_every_value_is_there_once_and_none_is_wrong(seed: int, world: World) -> None:
    random = Random(seed)
    blocks, size = random.choice([1, 2, 3, 5]), random.choice([1, 2, 5, 30])
    points = [200 * block + place for block in range(blocks) for place in range(size)]
    units = range(1, random.choice([1, 1, 2, 4]) + 1)
    peer = hostile(Hostile.of(random, units, points), random, "own" if world.framing == "tcp" else "newest")
    settings: dict[str, Any] = {"max_in_flight": random.choice([1, 4])} if world.framing == "tcp" else {}
    polls, _ = run(
        world.polls(
            peer,
            120,
            meter=profile(points),
            units=units,
            period=random.choice([0.5, 1, 5, 20]),
            retries=random.choice([0, 0, 1, 2]),
            **settings,
        )
    )
    assert all(set(seen) == {f"p{point}" for point in points} for seen in flat(polls))


def other_master(peer: Peer, random: Random, *, transaction: int) -> None:
    """The converter sends all connections what another master reads: it has other values, and its ids count
    up from `transaction`, twice as fast as ours. Replies are cut short now and then."""

    def behave(line: Line, asked: Asked) -> None:
        nonlocal transaction
        for _ in range(2):
            transaction = transaction % 0xFFFF + 1
            count = random.choice([1, asked.read.quantity])
            read = asked.read._replace(address=asked.read.address + 1, quantity=count)
            other = asked._replace(read=read)
            for to in peer.lines:
                to.say(
                    to.frame(other, to.pdu(other), transaction=transaction), random.choice([0, 0.001, 0.02])
                )
        answer = line.answer(asked)
        line.say(answer[: -random.choice([1, 2, 11])] if random.random() < 0.1 else answer, 0.01)

    peer.behave = behave


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("route", ["newest", "all"])
def test_a_reply_to_a_request_of_another_connection_is_never_taken_for_another(
    seed: int, route: Route
) -> None:
    """Modbus TCP: a converter keeps its backlog, and sends it to whoever is connected then."""
    random = Random(seed)
    points = [200 * block + place for block in range(random.choice([2, 5])) for place in range(2)]
    backlog = Hostile.of(random, [1, 2], points)
    peer = hostile(replace(backlog, late=0.2, silent=0.1, lateness=6.0, ended=0.05), random, route)
    polls, source = run(
        World("memory").polls(
            peer,
            120,
            meter=profile(points),
            units=[1, 2],
            close_after_poll=random.random() < 0.5,
            max_in_flight=random.choice([1, 4]),
        )
    )
    flat(polls)
    assert source.stats.reconnects > 0


@pytest.mark.parametrize("start", ["one", "ours"])
@pytest.mark.parametrize("seed", range(6))
def test_a_reply_to_another_master_is_never_taken_for_ours(seed: int, start: str) -> None:
    """Also where its ids pass ours, and where a reply that was cut short is completed by the next one."""
    peer = Peer()
    first: list[int] = []

    def opened(line: Line) -> None:
        if not first:
            ids = TransactionIds(Random(7))
            first.append(0 if start == "one" else ids.next() - 20)
            other_master(peer, Random(seed), transaction=first[0])

    peer.opened = opened
    polls, source = run(World("memory").polls(peer, 200, meter=ALIKE, max_in_flight=1 + 3 * (seed % 2)))
    assert reasons(polls).count("good") > 50
    assert source.stats.rejected_replies > 200
