"""Whatever a device that answers in order does, every value comes once in each turn, and none is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from qilu.modbus.pdu import exception_response
from tests.gateway.sources.peer import Asked, Line, Peer, World, flat, profile
from tests.support.virtual_time import run

WORLDS = [World("memory"), World("memory", "rtu"), World("memory", "rtu", serial=True)]
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


def hostile(it: Hostile, random: Random, *, numbered: bool) -> Peer:
    """A device like this; it answers one request after the other, to whoever is connected then."""
    free = 0.0

    def say(line: Line, answer: bytes, after: float) -> None:
        nonlocal free
        free = max(free, line.loop.time()) + after
        line.loop.call_at(free, lambda: (line if numbered else peer.lines[-1]).say(answer))

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

    peer = Peer(behave, echo=echo)
    return peer


@pytest.mark.parametrize("seed", range(60))
def test_every_value_is_there_once_and_none_is_wrong(seed: int) -> None:
    random = Random(seed)
    world = WORLDS[seed % len(WORLDS)]
    blocks, size = random.choice([1, 2, 3, 5]), random.choice([1, 2, 5, 30])
    points = [200 * block + place for block in range(blocks) for place in range(size)]
    units = range(1, random.choice([1, 1, 2, 4]) + 1)
    peer = hostile(Hostile.of(random, units, points), random, numbered=world.framing == "tcp")
    settings: dict[str, Any] = {"in_flight": random.choice([1, 4])} if world.framing == "tcp" else {}
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
