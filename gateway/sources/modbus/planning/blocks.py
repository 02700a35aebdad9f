"""Cuts the points of one table into cheapest blocks: the optimum of a cost model, by dynamic programme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from qilu.contract.profile import AddressRange, Point, Table

BITS_IN_A_BYTE = 8
REGISTER_BYTES = 2


class FrameOverhead(NamedTuple):
    """Bytes that a read costs besides its data: in the request, and in the reply."""

    request: int
    reply: int


TCP_FRAMED = FrameOverhead(request=12, reply=9)
RTU_FRAMED = FrameOverhead(request=8, reply=5)
ASCII_FRAMED = FrameOverhead(request=9, reply=6)
"""Half of the characters: an ASCII frame has two for each byte."""

REQUEST_OVERHEAD_BYTES = 60
"""What a further request costs besides its own bytes, in bytes: the time until the device answers.

20 ms on a line of 9600 baud, which many Modbus TCP gateways end in, are 20 bytes; 1 ms and the work of a
round trip on a network are some hundreds. 60 bytes are 30 registers: a gap that costs little on the one
and is worth reading through on the other.
"""
DIVISION_COST = 10_000
"""Bytes that are worth reading so that a value and its scale factor come in one reply."""


def data_bytes(table: Table, count: int) -> int:
    """The bytes that `count` addresses of `table` take in a reply."""
    return -(-count // BITS_IN_A_BYTE) if table.holds_bits else REGISTER_BYTES * count


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Points that one request reads, in the order of their addresses. Each span is equal to itself only."""

    table: Table
    points: tuple[Point, ...]
    whole: AddressRange | None = None
    """The device answers a read of just these addresses right, and no other read of them."""

    @property
    def first(self) -> int:
        return self.points[0].address if self.whole is None else self.whole.first

    @property
    def last(self) -> int:
        return max(point.last for point in self.points) if self.whole is None else self.whole.last

    @property
    def is_indivisible(self) -> bool:
        return self.whole is not None or len(self.points) == 1

    @property
    def count(self) -> int:
        """Addresses read."""
        return self.last - self.first + 1

    @property
    def wasted(self) -> int:
        """Addresses read that belong to no point."""
        used, end = 0, self.first
        for point in self.points:
            used += max(0, point.last + 1 - max(point.address, end))
            end = max(end, point.last + 1)
        return self.count - used

    def split(self, place: int) -> tuple[Span, Span]:
        """Two spans, the first with so many of the points."""
        return Span(self.table, self.points[:place]), Span(self.table, self.points[place:])

    def isolate(self, place: int) -> tuple[Span, ...]:
        """The point at this place alone, then those before and behind it, as far as there are any; the span
        itself where it is read whole."""
        if self.whole is not None:
            return (self,)
        points = self.points
        spans = points[place : place + 1], points[:place], points[place + 1 :]
        return tuple(Span(self.table, part) for part in spans if part)

    def cost(self, overhead: int) -> int:
        """Bytes on the wire, where a request costs `overhead` besides its data."""
        return overhead + data_bytes(self.table, self.count)


def optimal_spans(
    table: Table,
    points: Iterable[Point],
    max_block: int,
    unreadable: Sequence[AddressRange],
    overhead: int,
    factors: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Span, ...]:
    """The cheapest spans that read every point: no point is split, none reads more than `max_block` addresses
    or any address of `unreadable`. Of equally cheap ones, the one with the fewest requests.

    `factors`: point -> the point with its scale factor. As few of these as possible are read by two requests.

    Each point alone must be readable under these limits (ValueError names the first that is not).
    """
    order = sorted(points, key=lambda point: (point.address, point.last))
    # In an optimum each span is a run of this order: of two spans that interleave, either one lies within the
    # other and they can be one, or the later points of the lower one can move to the higher one for nothing.
    firsts, lasts = [point.address for point in order], [point.last for point in order]
    gaps = [(gap.first, gap.last) for gap in unreadable if gap.table is table]
    divided = _divided(order, factors)
    best: list[tuple[int, int]] = [(0, 0)]  # cost and requests of the first n points
    starts: list[int] = []
    for end in range(1, len(order) + 1):
        choice: tuple[int, int] | None = None
        last, best_start = 0, 0
        for start in range(end - 1, -1, -1):
            first, last = firsts[start], max(last, lasts[start])
            if last - first >= max_block or any(low <= last and first <= high for low, high in gaps):
                break
            cost, requests = best[start]
            cost += overhead + data_bytes(table, last - first + 1) + DIVISION_COST * divided[start]
            candidate = (cost, requests + 1)
            if choice is None or candidate < choice:
                choice, best_start = candidate, start
        if choice is None:
            raise ValueError(f"point {order[end - 1].name} cannot be read in one request")
        best.append(choice)
        starts.append(best_start)
    bounds = [len(order)]
    while bounds[-1] > 0:
        bounds.append(starts[bounds[-1] - 1])
    return tuple(Span(table, tuple(order[start:end])) for start, end in pairwise(reversed(bounds)))


def _divided(order: Sequence[Point], factors: Mapping[str, str]) -> Counter[int]:
    """Place in the order -> how many points a cut before it divides from their scale factors."""
    places = {point.name: place for place, point in enumerate(order)} if factors else {}
    divided: Counter[int] = Counter()
    for name, factor in factors.items():
        if name in places and factor in places:
            low, high = sorted((places[name], places[factor]))
            divided.update(range(low + 1, high + 1))
    return divided
