"""In which order one turn asks, so that it finds what its device refuses, or ignores, for little."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.plans.learning import Search
from gateway.sources.modbus.plans.plan import Block
from gateway.sources.modbus.service import Unit

MOST_REFUSED = 150
MOST_HUSHED = 16
"""Refusals, told and by silence, that one turn may spend on the search; it goes on in the next. Each silence
costs a time-out, for which the other units of the endpoint wait."""

SPREAD = 0.618
"""Of a block, from one point that a silent unit is asked for alone to the next: soon they were everywhere."""

ASKED_AGAIN, FIRST_ONES = 2, 4
"""How often a silent point is asked again in one turn; where the device is not known to lose frames only so
many points are: a lone one may be a loss, a long range of them is none."""

HUSHED, MOST_LOSSES = 3, 7
"""Turns in a row in which a block was met with silence while others were answered: then it is refused. One
more for each time that this was a loss, up to so many."""


class Seeking:
    """The search of one turn. Blocks that were refused are asked in halves, down to single points."""

    __slots__ = (
        "_asked_again", "_ended_one", "_group", "_halved", "_hushed", "_hushed_left", "_refused_left",
        "_silent", "search",
    )  # fmt: skip

    def __init__(self, group: Group) -> None:
        self.search: Search | None = None
        """What was found out; None while nothing was refused."""
        self._group = group
        self._refused_left, self._hushed_left = MOST_REFUSED, MOST_HUSHED
        self._ended_one = False  # whether a request of this turn ended a new connection
        self._silent: list[Block] = []  # met with silence
        self._hushed: set[bytes] = set()  # requests whose silence is taken for a refusal
        self._halved: set[bytes] = set()  # requests for a half of what was refused
        self._asked_again: dict[bytes, int] = {}  # how often, requests for one point that were silent

    # What to ask.

    def in_order(self, blocks: Sequence[Block], unit: Unit) -> Sequence[Block]:
        """A unit out of service is asked for another block each time, and in between for one point alone,
        another each time: it may be alive and ignore just what it does not have, or blocks of this length."""
        if enders := self._group.enders:
            places = {request: place for place, request in enumerate(enders)}
            blocks = sorted(blocks, key=lambda block: places.get(block.request, -1))
        if unit.known and self._group.doubted is not None:
            return self._beside(blocks, self._group.doubted)
        if unit.known or not unit.probes:
            return blocks
        around, place = divmod(unit.probes, len(blocks) + 1)
        if place < len(blocks):
            return (*blocks[place:], *blocks[:place])
        turn, at = divmod(around, len(blocks))
        alone = self._alone(blocks[at], int(turn * SPREAD % 1 * len(blocks[at].columns.points)))
        return (*alone, *blocks[:at], *blocks[at + 1 :])

    def _beside(self, blocks: Sequence[Block], doubted: frozenset[str]) -> Sequence[Block]:
        """A point that was good comes first: when that is answered, silence is the refusal that it was."""
        for at, block in enumerate(blocks):
            for place, name in enumerate(block.columns.points):
                if name not in doubted:
                    self._hushed.update(block.request for block in blocks)
                    return (*self._alone(block, place), *blocks[:at], *blocks[at + 1 :])
        return blocks

    def _alone(self, block: Block, place: int) -> Sequence[Block]:
        """One of its points, then the others, whose silence is a refusal when that is answered."""
        return (block.point(place), *self.rest(block, place, hushed=True))

    def rest(self, block: Block, place: int, *, hushed: bool) -> Sequence[Block]:
        """All of it but one point. `hushed`: whether silence about it is a refusal."""
        rest = [block.part(span) for span in block.span.around(place)[1:]]
        if hushed:
            self._hushed.update(part.request for part in rest)
        return rest

    def next(self, waiting: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block]]:
        """What to ask now, and what later: first all whole blocks, which show that the device is alive, then
        halves one by one, down to single points, so that a turn that ends early has found some. What ended a
        connection is asked one by one, too."""
        if not self._halved and not self._group.enders:
            return waiting, ()
        alone = self._halved.union(self._group.enders)
        whole = [block for block in waiting if block.request not in alone]
        if whole:
            return whole, [block for block in waiting if block.request in alone]
        return waiting[:1], waiting[1:]

    def too_silent(self, waiting: Sequence[Block]) -> Sequence[Block]:
        """Those that are parts of what was silent, where the turn has no time for more silences."""
        if self._hushed_left > 0:
            return ()
        return [block for block in waiting if block.request in self._hushed]

    def too_ending(self, waiting: Sequence[Block]) -> Sequence[Block]:
        """Those known to end connections, where the turn has met one: a second one would have the next turn
        wait for its connection."""
        if not self._ended_one:
            return ()
        return [block for block in waiting if block.request in self._group.enders]

    # What came of it.

    def refused(self, block: Block) -> Sequence[Block]:
        """The device refused it: its halves; none of a single point, or where the turn has met enough."""
        if not self._refused_left:
            return ()
        self._refused_left -= 1
        return self._halves(block)

    def may_suspect(self) -> bool:
        """Whether this turn may look into one more silence, which costs a time-out or two."""
        self._hushed_left -= self._hushed_left > 0
        return self._hushed_left > 0

    def silent(self, block: Block, at: float, answered: bool) -> Sequence[Block] | None:
        """As `refused`, of a block that was met with silence; None where that is no refusal.

        `answered`: whether the device has answered anything in this turn.
        """
        group = self._group
        often = group.silences.get(block.request, 0) >= HUSHED + group.losses
        if not often and not (answered and block.request in self._hushed):
            return None
        return self.ignored(block, at)

    def ignored(self, block: Block, at: float) -> Sequence[Block]:
        """Its silence was a refusal: its halves, the same once more, or nothing, as `refused`."""
        self._found().by_silence = True
        if len(block.columns.points) == 1 and self._again(block.request, at):
            return (block,)
        self._hushed_left -= 1
        halves = self._halves(block)
        self._hushed.update(half.request for half in halves)
        return halves

    @property
    def first_silence(self) -> bool:
        """Whether no block of this turn was given up for silence yet."""
        return not self._silent

    def kept_silent(self, block: Block) -> None:
        """It was met with silence, and that is no refusal yet."""
        self._silent.append(block)

    def ended_the_connection(self, block: Block, at: float) -> None:
        """It was asked for over one that had brought nothing, and then ended."""
        self._ended_one = True
        self._group.ended_at = at
        if block.request in self._group.enders:
            self._group.enders.remove(block.request)
        self._group.enders.append(block.request)

    def answered(self, block: Block, at: float, in_service: bool) -> None:
        """The device gave its values. Where it was silent about them before, that was a loss.

        `in_service`: whether it was all the time; else it may have been switched off.
        """
        group = self._group
        if block.request in group.enders:
            group.enders.remove(block.request)
        if block.request in group.unheard:
            group.unheard.discard(block.request)
            if in_service:
                group.device.lost_at = at
        if self.search is not None:
            self.search.good(block.span)
        if block.request in group.silences:
            del group.silences[block.request]
            group.losses = min(group.losses + 1, MOST_LOSSES)

    def no_function(self, block: Block) -> None:
        """The device has no function to read it; believed where it never gave a value of this table."""
        if block.span.table not in self._group.device.spoken:
            self._found().no_function(block.span)

    def over(self, answered: bool) -> None:
        """The turn has ended."""
        group, spent = self._group, self._hushed_left <= 0
        group.resting = HUSHED if spent else max(0, group.resting - 1)
        if answered and not spent:
            group.doubted = None
        if answered and (self._silent or group.silences):
            before = group.silences
            group.silences = {block.request: before.get(block.request, 0) + 1 for block in self._silent}

    def _again(self, request: bytes, at: float) -> bool:
        """Whether one point that is silent is asked again: what is believed of it costs it an hour."""
        times = self._asked_again.get(request, 0)
        self._asked_again[request] = times + 1
        if self._group.device.loses_frames(at):
            self._hushed_left -= times < ASKED_AGAIN
            return times < ASKED_AGAIN
        return times < ASKED_AGAIN and len(self._asked_again) <= FIRST_ONES

    def _halves(self, block: Block) -> Sequence[Block]:
        halves = [block.part(half) for half in self._found().refused(block.span)]
        self._halved.update(half.request for half in halves)
        return halves

    def _found(self) -> Search:
        if self.search is None:
            self.search = Search()
        return self.search
