"""The order of the requests of one poll cycle, and the bisection of blocks that the device refuses."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.circuit_breaker import CircuitBreaker
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.evidence import Evidence
from gateway.sources.modbus.planning.plan import Block
from qilu.contract.reading import Reason

MAX_REFUSED = 150
MAX_TIMEOUT_REFUSALS = 16
"""Refusals, and timeouts that count as such, of one cycle; the next one goes on. Each timeout keeps the other
units of the endpoint waiting."""

GOLDEN_RATIO = 0.618
"""Step, in lengths of a block, between the points that a unit out of service is probed with."""

REPEATS, REPEATED_POINTS = 2, 4
"""Repeats of a single point that times out, and how many points of a cycle are repeated where no frame was
lost before."""


class RequestOrder:
    """Made for one cycle. Blocks that are refused are read in halves, down to single points."""

    __slots__ = (
        "_blocks",
        "_evidence",
        "_halved",
        "_must_not_close",
        "_refused_left",
        "_repeats",
        "_timeout_refusals",
        "_timeouts_left",
        "last_read",
        "search",
    )  # fmt: skip

    def __init__(self, blocks: Sequence[Block], evidence: Evidence) -> None:
        self.search: Bisection | None = None
        """What the device refused; None while it refused nothing."""
        self.last_read: Block | None = None
        """The block whose values came last."""
        self._blocks = blocks
        self._evidence = evidence
        self._refused_left, self._timeouts_left = MAX_REFUSED, MAX_TIMEOUT_REFUSALS
        self._must_not_close = False  # a request of this cycle ended a new connection
        self._timeout_refusals: set[bytes] = set()  # requests whose timeout is a refusal
        self._halved: set[bytes] = set()  # requests for a half of what was refused
        self._repeats: dict[bytes, int] = {}  # of single points that timed out

    # What to request.

    def first(self, unit: CircuitBreaker, retested: frozenset[str] | None) -> Sequence[Block]:
        """All blocks. `retested`: points that were refused by timeouts, while all limits are retested.

        A unit out of service gets another block first in each cycle, and in between a single point of one:
        it may be alive and ignore some of its points, or blocks of this length.
        """
        blocks = self._blocks
        if self._evidence.closing:
            blocks = [blocks[at] for at in self._evidence.order([block.request for block in blocks])]
        if unit.in_service and retested is not None:
            return self._point_beside(blocks, retested)
        if unit.in_service or not unit.timeouts:
            return blocks
        around, place = divmod(max(unit.probes, len(blocks) == 1), len(blocks) + 1)
        if place < len(blocks):
            return (*blocks[place:], *blocks[:place])
        position, at = divmod(around, len(blocks))
        point = int(position * GOLDEN_RATIO % 1 * len(blocks[at].columns.points))
        return (*self._point_first(blocks[at], point), *blocks[:at], *blocks[at + 1 :])

    def _point_beside(self, blocks: Sequence[Block], retested: frozenset[str]) -> Sequence[Block]:
        """A point that was good comes first: once it is answered, a timeout is the refusal that it was."""
        for at, block in enumerate(blocks):
            for place, name in enumerate(block.columns.points):
                if name not in retested:
                    self._timeout_refusals.update(block.request for block in blocks)
                    return (*self._point_first(block, place), *blocks[:at], *blocks[at + 1 :])
        return blocks

    def _point_first(self, block: Block, place: int) -> Sequence[Block]:
        """One point of the block, then the others, whose timeout is a refusal once that is answered."""
        parts = [block.part(span) for span in block.span.isolate(place)]
        self._timeout_refusals.update(part.request for part in parts[1:])
        return parts

    def next(self, waiting: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block]]:
        """The blocks to request now, and those to request later: first all whole blocks, which show that the
        device is alive, then halves one by one. Requests that end connections are sent one by one, too."""
        if not self._halved and not self._evidence.closing:
            return waiting, ()
        alone = self._halved.union(self._evidence.closing)
        if whole := [block for block in waiting if block.request not in alone]:
            return whole, [block for block in waiting if block.request in alone]
        return waiting[:1], waiting[1:]

    def over_budget(self, waiting: Sequence[Block]) -> Sequence[tuple[Block, Reason]]:
        """The blocks that would cost this cycle one timeout, or one connection, too many."""
        over: dict[bytes, Reason] = {}
        if self._must_not_close:
            over |= dict.fromkeys(self._evidence.closing, Reason.UNREACHABLE)
        if self._timeouts_left <= 0:
            over |= dict.fromkeys(self._timeout_refusals, Reason.ILLEGAL_ADDRESS)
        return [(block, over[block.request]) for block in waiting if block.request in over] if over else ()

    # What came of it.

    def replied(self, block: Block) -> None:
        """The device gave the values of this block."""
        self.last_read = block
        self._evidence.replied(block.request)
        if self.search is not None:
            self.search.good(block.span)

    def refused(self, block: Block, reason: Reason) -> Sequence[Block]:
        """The device refused the block: its halves; nothing for a single point, or over the budget."""
        self._evidence.refused(block.request, by_timeout=False)
        if not self._refused_left:
            return ()
        self._refused_left -= 1
        return self._halves(block, reason)

    def is_refusal(self, block: Block, *, replied: bool) -> bool:
        """Whether a timeout of the block is a refusal. `replied`: the device replied in this cycle."""
        known = replied and block.request in self._timeout_refusals
        return known or self._evidence.is_unsupported(block.request)

    def refused_by_timeout(self, block: Block) -> Sequence[Block]:
        """As `refused`; a single point is repeated before it is given up."""
        self._evidence.refused(block.request, by_timeout=True)
        self._bisection().by_timeout = True
        if block.span.is_indivisible and self._repeat(block.request):
            return (block,)
        self._timeouts_left -= 1
        halves = self._halves(block, Reason.ILLEGAL_ADDRESS)
        self._timeout_refusals.update(half.request for half in halves)
        return halves

    def disconnected(self, block: Block, at: float) -> None:
        """The request ended a connection that had brought no reply."""
        self._must_not_close = True
        self._evidence.disconnected(block.request, at)

    def finish(self, *, replied: bool) -> bool:
        """The cycle is over; whether it found all that the device refuses."""
        self._evidence.cycle_ended(replied=replied)
        return replied and self._timeouts_left > 0

    def _repeat(self, request: bytes) -> bool:
        """Whether a point is requested again: a wrong refusal costs it an hour."""
        repeats = self._repeats.get(request, 0)
        self._repeats[request] = repeats + 1
        self._timeouts_left -= self._evidence.losses > 0
        return repeats < REPEATS and (len(self._repeats) <= REPEATED_POINTS or self._evidence.losses > 0)

    def _halves(self, block: Block, reason: Reason) -> Sequence[Block]:
        halves = [block.part(half) for half in self._bisection().refused(block.span, reason)]
        self._halved.update(half.request for half in halves)
        return halves

    def _bisection(self) -> Bisection:
        if self.search is None:
            self.search = Bisection()
        return self.search
