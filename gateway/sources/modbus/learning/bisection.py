"""Finds what a device refuses by halving the blocks that it refuses, and remembers it as a narrower plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.sources.modbus.learning.block_limit import BlockLimitSearch
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import LearnedLimits
from qilu.contract.profile import AddressRange, Table
from qilu.contract.reading import Reason

MAX_NAMED = 20
"""Refused points that one line of the log names."""


class Bisection:
    """What one turn found out about the spans that were asked. Pure."""

    def __init__(self) -> None:
        self.by_timeout = False
        """Whether silence was taken for a refusal."""
        self._good: set[Span] = set()
        self._halved: list[tuple[Span, Span, Span]] = []
        self._refused_points: dict[Span, Reason] = {}
        self._measured: dict[Table, BlockLimitSearch] = {}

    def good(self, span: Span) -> None:
        """The device answered with the values of this span."""
        self._good.add(span)

    def refused(self, span: Span, reason: Reason) -> tuple[Span, ...]:
        """The device refused this span: the halves to request instead, or none of a single point."""
        if span.is_indivisible:
            self._refused_points[span] = reason
            return ()
        middle = len(span.points) // 2
        lower, upper = span.split(middle)
        self._halved.append((span, lower, upper))
        return lower, upper

    def to_measure(self) -> list[BlockLimitSearch]:
        """Of each table, the shortest block that was refused while both of its halves were answered."""
        explained = sorted(self._explained(), key=lambda halved: halved[0].count)
        for span, lower, upper in explained:
            if span.table in self._measured:
                continue
            good = max(
                good_span.count
                for good_span in self._good
                if good_span.table is span.table and good_span.count < span.count
            )
            self._measured[span.table] = BlockLimitSearch(span, lower, upper, good)
        return list(self._measured.values())

    def with_good_halves(self) -> list[Span]:
        """The spans that were refused while both of their halves were answered, the shortest first."""
        return sorted((span for span, _, _ in self._explained()), key=lambda span: span.count)

    def failed_points(self) -> list[Span]:
        """The single points that the device failed to read: it may have been busy only."""
        return [span for span, reason in self._refused_points.items() if reason is Reason.DEVICE_FAILURE]

    def discard(self, refused: Span) -> None:
        """That it was refused is not to be believed."""
        self._halved = [halved for halved in self._halved if halved[0] is not refused]
        self._refused_points.pop(refused, None)

    def _explained(self) -> Iterator[tuple[Span, Span, Span]]:
        for span, lower, upper in self._halved:
            if lower in self._good and upper in self._good:
                yield span, lower, upper

    def added_to(self, learned: LearnedLimits) -> LearnedLimits:
        """What is known after this turn: `learned` itself where it brought nothing new."""
        if not self._halved and not self._refused_points:
            return learned
        gaps, limits = self._explain_the_halved(learned)
        return replace(
            learned,
            refused_points={
                **learned.refused_points,
                **{point.name: r for span, r in self._refused_points.items() for point in span.points},
            },
            unreadable=(*learned.unreadable, *(_range(refused) for refused in self._refused_points), *gaps),
            max_block=limits,
            by_timeout=learned.by_timeout or self.by_timeout,
        )

    def _explain_the_halved(self, learned: LearnedLimits) -> tuple[list[AddressRange], dict[Table, int]]:
        """A refused span whose halves are both good has no bad point. Then its length is at fault, or the
        addresses between the halves."""
        gaps: list[AddressRange] = []
        limits = dict(learned.max_block)
        for table, measured in self._measured.items():
            if measured.by_length:
                limits[table] = min(limits.get(table, measured.longest), measured.longest)
        for span, lower, upper in self._explained():
            if span.count > limits.get(span.table, span.count):
                continue
            if upper.first > lower.last + 1:
                gaps.append(AddressRange(table=span.table, first=lower.last + 1, last=upper.first - 1))
            else:
                longest = max(lower.count, upper.count)
                limits[span.table] = min(limits.get(span.table, longest), longest)
        return gaps, limits


def _range(span: Span) -> AddressRange:
    return AddressRange(table=span.table, first=span.first, last=span.last)


def describe(before: LearnedLimits, after: LearnedLimits) -> str:
    """What was learned, for a line in a log."""
    texts = []
    if new := sorted(after.refused_points.keys() - before.refused_points.keys()):
        more = f" and {len(new) - MAX_NAMED} more" if len(new) > MAX_NAMED else ""
        texts.append(f"refuses {', '.join(new[:MAX_NAMED])}{more}")
    for table, limit in after.max_block.items():
        if before.max_block.get(table) != limit:
            texts.append(f"answers at most {limit} addresses of {table} at once")
    if not texts and len(after.unreadable) > len(before.unreadable):
        gaps = ", ".join(
            f"{gap.table} {gap.first} to {gap.last}" for gap in after.unreadable[len(before.unreadable) :]
        )
        texts.append(f"lets nobody read through {gaps}")
    return "; ".join(texts)
