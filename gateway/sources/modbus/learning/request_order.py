"""The order of the requests of one poll cycle, and the bisection of blocks that the device refuses."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.circuit_breaker import CircuitBreaker
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.evidence import Evidence
from gateway.sources.modbus.planning.plan import Block
from qilu.contract.reading import Reason

MAX_REFUSALS, TIMEOUT_COST = 150, 10
"""Refusals of one cycle, and as how many of them a timeout counts, which keeps other units waiting; the next
cycle goes on."""

GOLDEN_RATIO = 0.618
"""Step, in lengths of a block, between the points that a unit out of service is probed with."""


class RequestOrder:
    """Made for one cycle. Blocks that are refused are read in halves, down to single points."""

    __slots__ = ("_blocks", "_evidence", "_halved", "_left", "_timeout_refusals", "last_read", "search")

    def __init__(self, blocks: Sequence[Block], evidence: Evidence) -> None:
        self.search: Bisection | None = None
        """What the device refused; None while it refused nothing."""
        self.last_read: Block | None = None
        """The block whose values came last."""
        self._blocks = blocks
        self._evidence = evidence
        self._left = MAX_REFUSALS
        self._timeout_refusals: set[bytes] = set()  # requests whose timeout is a refusal
        self._halved: set[bytes] = set()  # requests for a half of what was refused

    def first(self, unit: CircuitBreaker) -> Sequence[Block]:
        """All blocks, doubtful ones last: they may end the connection.

        A unit out of service gets another block first in each cycle, and in between a single point of one: it
        may be alive and ignore some of its points, or blocks of this length.
        """
        blocks = sorted(self._blocks, key=lambda block: self._evidence.doubt(block.request))
        if unit.in_service or not unit.timeouts:
            return blocks
        around, place = divmod(max(unit.probes, len(blocks) == 1), len(blocks) + 1)
        if place < len(blocks):
            return (*blocks[place:], *blocks[:place])
        position, at = divmod(around, len(blocks))
        point = int(position * GOLDEN_RATIO % 1 * len(blocks[at].columns.points))
        parts = [blocks[at].part(span) for span in blocks[at].span.isolate(point)]
        self._timeout_refusals.update(part.request for part in parts[1:])
        return (*parts, *blocks[:at], *blocks[at + 1 :])

    def next(self, waiting: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block]]:
        """The blocks to request now, and those to request later: first all whole blocks, which show that the
        device is alive, then halves one by one."""
        if not self._halved:
            return waiting, ()
        if whole := [block for block in waiting if block.request not in self._halved]:
            return whole, [block for block in waiting if block.request in self._halved]
        return waiting[:1], waiting[1:]

    def over_budget(self, waiting: Sequence[Block]) -> Sequence[Block]:
        """The halves that would cost this cycle too much."""
        if self._left > 0:
            return ()
        return [block for block in waiting if block.request in self._halved]

    def replied(self, block: Block) -> None:
        """The device gave the values of this block."""
        self._evidence.replied(block.request)
        self.last_read = block
        if self.search is not None:
            self.search.good(block.span)

    def is_refusal(self, block: Block, *, alive: bool) -> bool:
        """Whether a timeout of the block is a refusal. `alive`: the device replied to other requests."""
        known = alive and block.request in self._timeout_refusals
        return known or self._evidence.is_unsupported(block.request)

    def refused(
        self, block: Block, reason: Reason, *, by_timeout: bool = False, whole: bool = False
    ) -> Sequence[Block]:
        """The blocks to request in place of this one: none of a single point, and none beyond the budget.
        `whole`: no part of it is to be requested."""
        self._evidence.refused(block.request)
        if self._left <= 0:
            return ()
        self._left -= TIMEOUT_COST if by_timeout else 1
        if self.search is None:
            self.search = Bisection(frames_lost=self._evidence.losses > 0)
        self.search.by_timeout = self.search.by_timeout or by_timeout
        halves = [block.part(span) for span in self.search.refused(block.span, reason, whole=whole)]
        requests = {half.request for half in halves}
        self._halved |= requests
        if by_timeout:
            self._timeout_refusals |= requests
        return halves
