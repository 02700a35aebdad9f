"""In which order one turn asks, so that it finds what its device refuses, or ignores, for little."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.planning.plan import Block
from gateway.sources.modbus.unit_availability import Unit
from qilu.contract.reading import Reason

MAX_REFUSED = 150
MAX_TIMEOUT_REFUSALS = 16
"""Refusals, told and by silence, that one turn may spend on the search; it goes on in the next. Each silence
costs a time-out, for which the other units of the endpoint wait."""

GOLDEN_RATIO = 0.618
"""Of a block, from one point that a silent unit is asked for alone to the next: soon they were everywhere."""

ASKED_AGAIN, FIRST_ONES = 2, 4
"""How often a silent point is asked again in one turn; where the device is not known to lose frames only so
many points are: a lone one may be a loss, a long range of them is none."""

TIMEOUT_CYCLES_TO_REFUSAL, MAX_LOSSES = 3, 7
"""Turns in a row in which a block was met with silence while others were answered: then it is refused. One
more for each time that this was a loss, up to so many."""


class BisectionStrategy:
    """The search of one turn. Blocks that were refused are asked in halves, down to single points."""

    __slots__ = (
        "_asked_again",
        "_connection_closed",
        "_group",
        "_halved",
        "_refused_left",
        "_timeout_refusals",
        "_timeout_refusals_left",
        "_timeouts",
        "search",
    )  # fmt: skip

    def __init__(self, group: Group) -> None:
        self.search: Bisection | None = None
        """What was found out; None while nothing was refused."""
        self._group = group
        self._refused_left, self._timeout_refusals_left = MAX_REFUSED, MAX_TIMEOUT_REFUSALS
        self._connection_closed = False  # whether a request of this turn ended a new connection
        self._timeouts: list[Block] = []  # met with silence
        self._timeout_refusals: set[bytes] = set()  # requests whose silence is taken for a refusal
        self._halved: set[bytes] = set()  # requests for a half of what was refused
        self._asked_again: dict[bytes, int] = {}  # how often, requests for one point that were silent

    # What to ask.

    def order(self, blocks: Sequence[Block], unit: Unit) -> Sequence[Block]:
        """A unit out of service is asked for another block each time, and in between for one point alone,
        another each time: it may be alive and ignore just what it does not have, or blocks of this length."""
        if closing := self._group.connection_closing_requests:
            places = {request: place for place, request in enumerate(closing)}
            blocks = sorted(blocks, key=lambda block: places.get(block.request, -1))
        if unit.in_service and self._group.points_under_retest is not None:
            return self._beside(blocks, self._group.points_under_retest)
        if unit.in_service or not unit.probes:
            return blocks
        around, place = divmod(unit.probes, len(blocks) + 1)
        if place < len(blocks):
            return (*blocks[place:], *blocks[:place])
        position, at = divmod(around, len(blocks))
        alone = self._alone(blocks[at], int(position * GOLDEN_RATIO % 1 * len(blocks[at].columns.points)))
        return (*alone, *blocks[:at], *blocks[at + 1 :])

    def _beside(self, blocks: Sequence[Block], doubted: frozenset[str]) -> Sequence[Block]:
        """A point that was good comes first: when that is answered, silence is the refusal that it was."""
        for at, block in enumerate(blocks):
            for place, name in enumerate(block.columns.points):
                if name not in doubted:
                    self._timeout_refusals.update(block.request for block in blocks)
                    return (*self._alone(block, place), *blocks[:at], *blocks[at + 1 :])
        return blocks

    def _alone(self, block: Block, place: int) -> Sequence[Block]:
        """One of its points, then the others, whose silence is a refusal when that is answered."""
        return (block.point(place), *self.rest(block, place, by_timeout=True))

    def rest(self, block: Block, place: int, *, by_timeout: bool) -> Sequence[Block]:
        """All of it but one point. `by_timeout`: whether a timeout of it is a refusal."""
        rest = [block.part(span) for span in block.span.isolate(place)[1:]]
        if by_timeout:
            self._timeout_refusals.update(part.request for part in rest)
        return rest

    def next(self, waiting: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block]]:
        """What to ask now, and what later: first all whole blocks, which show that the device is alive, then
        halves one by one, down to single points, so that a turn that ends early has found some. What ended a
        connection is asked one by one, too."""
        if not self._halved and not self._group.connection_closing_requests:
            return waiting, ()
        alone = self._halved.union(self._group.connection_closing_requests)
        whole = [block for block in waiting if block.request not in alone]
        if whole:
            return whole, [block for block in waiting if block.request in alone]
        return waiting[:1], waiting[1:]

    def over_timeout_budget(self, waiting: Sequence[Block]) -> Sequence[Block]:
        """Those that are parts of what was silent, where the turn has no time for more silences."""
        if self._timeout_refusals_left > 0:
            return ()
        return [block for block in waiting if block.request in self._timeout_refusals]

    def over_disconnect_budget(self, waiting: Sequence[Block]) -> Sequence[Block]:
        """Those known to end connections, where the turn has met one: a second one would have the next turn
        wait for its connection."""
        if not self._connection_closed:
            return ()
        return [block for block in waiting if block.request in self._group.connection_closing_requests]

    # What came of it.

    def refused(self, block: Block, reason: Reason) -> Sequence[Block]:
        """The device refused it: its halves; none of a single point, or where the turn has met enough."""
        if not self._refused_left:
            return ()
        self._refused_left -= 1
        return self._halves(block, reason)

    def may_suspect(self) -> bool:
        """Whether this turn may look into one more silence, which costs a time-out or two."""
        self._timeout_refusals_left -= self._timeout_refusals_left > 0
        return self._timeout_refusals_left > 0

    def timed_out(self, block: Block, at: float, replied: bool) -> Sequence[Block] | None:
        """As `refused`, of a block that was met with silence; None where that is no refusal.

        `replied`: whether the device has replied to a request of this turn.
        """
        group = self._group
        often = group.timeout_counts.get(block.request, 0) >= TIMEOUT_CYCLES_TO_REFUSAL + group.losses
        if not often and not (replied and block.request in self._timeout_refusals):
            return None
        return self.treat_as_refused(block, at)

    def treat_as_refused(self, block: Block, at: float) -> Sequence[Block]:
        """Its silence was a refusal: its halves, the same once more, or nothing, as `refused`."""
        self._bisection().by_timeout = True
        if block.span.is_indivisible and self._again(block.request, at):
            return (block,)
        self._timeout_refusals_left -= 1
        halves = self._halves(block, Reason.ILLEGAL_ADDRESS)
        self._timeout_refusals.update(half.request for half in halves)
        return halves

    @property
    def first_timeout(self) -> bool:
        """Whether no block of this turn was given up for silence yet."""
        return not self._timeouts

    def record_timeout(self, block: Block) -> None:
        """It was met with silence, and that is no refusal yet."""
        self._timeouts.append(block)

    def ended_the_connection(self, block: Block, at: float) -> None:
        """It was asked for over one that had brought nothing, and then ended."""
        self._connection_closed = True
        self._group.last_closed_at = at
        if block.request in self._group.connection_closing_requests:
            self._group.connection_closing_requests.remove(block.request)
        self._group.connection_closing_requests.append(block.request)

    def replied(self, block: Block, at: float, in_service: bool) -> None:
        """The device gave its values. Where it was silent about them before, that was a loss.

        `in_service`: whether it was all the time; else it may have been switched off.
        """
        group = self._group
        if block.request in group.connection_closing_requests:
            group.connection_closing_requests.remove(block.request)
        if block.request in group.timed_out_requests:
            group.timed_out_requests.discard(block.request)
            if in_service:
                group.device.last_loss_at = at
        if self.search is not None:
            self.search.good(block.span)
        if block.request in group.timeout_counts:
            del group.timeout_counts[block.request]
            group.losses = min(group.losses + 1, MAX_LOSSES)

    def finish(self, replied: bool) -> None:
        """The turn has ended."""
        group, spent = self._group, self._timeout_refusals_left <= 0
        group.diagnosis_cooldown = (
            TIMEOUT_CYCLES_TO_REFUSAL if spent else max(0, group.diagnosis_cooldown - 1)
        )
        if replied and not spent:
            group.points_under_retest = None
        if replied and (self._timeouts or group.timeout_counts):
            before = group.timeout_counts
            group.timeout_counts = {
                block.request: before.get(block.request, 0) + 1 for block in self._timeouts
            }

    def _again(self, request: bytes, at: float) -> bool:
        """Whether one point that is silent is asked again: what is believed of it costs it an hour."""
        times = self._asked_again.get(request, 0)
        self._asked_again[request] = times + 1
        if self._group.device.loses_frames(at):
            self._timeout_refusals_left -= times < ASKED_AGAIN
            return times < ASKED_AGAIN
        return times < ASKED_AGAIN and len(self._asked_again) <= FIRST_ONES

    def _halves(self, block: Block, reason: Reason) -> Sequence[Block]:
        halves = [block.part(half) for half in self._bisection().refused(block.span, reason)]
        self._halved.update(half.request for half in halves)
        return halves

    def _bisection(self) -> Bisection:
        if self.search is None:
            self.search = Bisection()
        return self.search
