"""What goes wrong in a campaign and when: a pure function of the seed, so that a bad day can be had again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

What = Literal["kill", "cut", "silence", "slow", "reset", "fill", "step", "join"]

QUIET = 4.0
"""Seconds at the end in which nothing new goes wrong, and at the beginning, in which the first data flow."""
PAUSE = (0.4, 2.2)
"""Seconds between two acts, from and to."""
LEAD = 1.5
FAULTS: Sequence[What] = ("cut", "silence", "reset")
LONGEST_STEP = 900.0
"""Seconds by which the wall clock may be wrong, forth or back."""


class Act(NamedTuple):
    """At `at` seconds something happens to `target`, for so many seconds.

    kill: SIGKILL, and a new start afterwards. cut: connections are reset and refused. silence: half open,
    nothing is carried and nobody is told. slow: every byte takes `size` seconds in each direction. reset:
    connections end, and no more. fill: no byte is free on the disk. step: the wall clock is wrong by `size`
    seconds from now on. join: a foreign client shares the ingesters' work, and does nothing of it.

    A kill, cut, silence or reset with a `size` comes after `LEAD` seconds in which the Modbus links in
    question are so slow that requests are open when it happens.
    """

    at: float
    what: What
    target: str
    lasts: float = 0.0
    size: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.lasts:.1f} s" if self.lasts else ""
        size = f" ({self.size:+.2f} s)" if self.size else ""
        return f"{self.at:7.2f}  {self.what} {self.target}{size}{lasts}"


@dataclass(frozen=True)
class Stage:
    """What there is to go wrong.

    `wires`: links, each with the longest delay it may be given before it counts as lost. `lines`: those of
    them that carry Modbus, and the delay with which no request times out.
    """

    programs: Sequence[str]
    ingesters: Sequence[str]
    wires: Mapping[str, float]
    lines: Sequence[str]
    line_delay: float
    disk: bool
    clock: bool
    ghosts: bool


def write_script(seed: int, seconds: float, stage: Stage) -> list[Act]:
    """Everything that can happen happens about equally often, in random order, for random times.

    Nothing begins while the last thing that happened to the same target goes on; all have ended `QUIET`
    seconds before the end.
    """
    random = Random(seed)
    deck = _deck(stage, random)
    busy: dict[str, float] = {}
    acts = []
    at = QUIET
    while (at := at + random.uniform(*PAUSE)) < seconds - QUIET:
        act = _timed(next(deck), at, random)
        ends = at + act.lasts + (LEAD if act.size and act.what in ("kill", *FAULTS) else 0.0)
        if busy.get(act.target, 0.0) > at or ends > seconds - QUIET:
            continue
        busy[act.target] = ends + 0.5
        acts.append(act)
    return acts


def write_sharing_script(seed: int, seconds: float, ingesters: Sequence[str]) -> list[Act]:
    """A ghost shares the work all the time; of the ingesters one dies every few seconds. The last of them
    joins at half time."""
    random = Random(seed)
    *first, last = ingesters
    acts = [Act(0.0, "kill", last, seconds / 2), Act(1.0, "join", "ghost", seconds - QUIET)]
    at = QUIET
    while (at := at + random.uniform(2.0, 4.0)) < seconds - QUIET:
        alive = first if at < seconds / 2 + 1 else ingesters
        acts.append(Act(at, "kill", random.choice(alive), random.uniform(0.0, 1.5)))
    return acts


def _deck(stage: Stage, random: Random) -> Iterator[Act]:
    """Cards without a time, shuffled each time that all have been dealt."""
    while True:
        cards = [Act(0, "kill", program) for program in stage.programs]
        cards += [Act(0, "kill", random.choice(stage.ingesters)) for _ in range(2)]
        cards.append(Act(0, "kill", "gateway", size=_delay(stage.line_delay, random)))
        for wire, most in stage.wires.items():
            cards += [Act(0, what, wire) for what in FAULTS]
            cards.append(Act(0, "slow", wire, size=_delay(most, random)))
        for what in (*FAULTS, *FAULTS, "slow"):
            line = random.choice(stage.lines)
            cards.append(Act(0, what, line, size=_delay(stage.line_delay, random)))
        if stage.disk:
            cards.append(Act(0, "fill", "disk"))
        if stage.clock:
            cards += [Act(0, "step", "clock", size=_offset(random)) for _ in range(2)]
        if stage.ghosts:
            cards.append(Act(0, "join", "ghost"))
        random.shuffle(cards)
        yield from cards


def _delay(most: float, random: Random) -> float:
    return random.uniform(most / 4, most)


def _offset(random: Random) -> float:
    return random.choice((1, -1)) * random.choice((1.0, 10.0, 100.0, LONGEST_STEP)) * random.uniform(0.3, 1)


def _timed(card: Act, at: float, random: Random) -> Act:
    """The card at its time, with how long it goes on: mostly short, sometimes long."""
    longest = {"kill": 8.0, "cut": 8.0, "silence": 8.0, "slow": 6.0, "fill": 6.0, "join": 12.0}.get(card.what)
    lasts = 0.0 if longest is None else longest * random.choice((0.05, 0.3, 1.0)) * random.uniform(0.5, 1)
    return card._replace(at=at, lasts=lasts)
