"""Finds what a device refuses by halving the blocks that it refuses, and remembers it as a narrower plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import LearnedLimits
from qilu.contract.profile import AddressRange, Table
from qilu.contract.reading import Reason

MAX_NAMED = 20
"""Refused points that one line of the log names."""


class Bisection:
    """What one cycle found out about the spans that were requested. Pure."""

    def __init__(self, *, frames_lost: bool = False) -> None:
        """`frames_lost`: timeouts of this group were lost frames before."""
        self.by_timeout = False
        """Whether a timeout was taken for a refusal."""
        self.frames_lost = frames_lost
        self._good: set[Span] = set()
        self._halved: list[tuple[Span, Span, Span]] = []
        self._refused: dict[Span, Reason] = {}

    def good(self, span: Span) -> None:
        """The device answered with the values of this span."""
        self._good.add(span)

    def refused(self, span: Span, reason: Reason, *, whole: bool = False) -> tuple[Span, ...]:
        """The device refused this span: the halves to request instead, none of a single point. `whole`: its
        parts are not requested either."""
        if whole or span.is_indivisible:
            self._refused[span] = reason
            return ()
        lower, upper = span.split(len(span.points) // 2)
        self._halved.append((span, lower, upper))
        return lower, upper

    def with_good_halves(self) -> list[Span]:
        """The spans that were refused while both of their halves were answered, the shortest first."""
        return sorted((span for span, _, _ in self._explained()), key=lambda span: span.count)

    def doubtful_points(self) -> list[Span]:
        """Single points of which one refusal proves little: the device may have been busy, a frame lost."""
        points = [(span, reason) for span, reason in self._refused.items() if span.is_indivisible]
        return [
            span
            for span, reason in points
            if reason is Reason.DEVICE_FAILURE or (self.by_timeout and reason is Reason.ILLEGAL_ADDRESS)
        ]

    def discard(self, refused: Span) -> None:
        """That it was refused is not to be believed."""
        self._halved = [halved for halved in self._halved if halved[0] is not refused]
        self._refused.pop(refused, None)

    def _explained(self) -> Iterator[tuple[Span, Span, Span]]:
        for span, lower, upper in self._halved:
            if lower in self._good and upper in self._good:
                yield span, lower, upper

    def added_to(self, learned: LearnedLimits) -> LearnedLimits:
        """What is known after this cycle: `learned` itself where it brought nothing new."""
        if not self._halved and not self._refused:
            return learned
        gaps, limits = self._explain_the_halved(learned)
        refused = {point.name: reason for span, reason in self._refused.items() for point in span.points}
        return replace(
            learned,
            refused_points={**learned.refused_points, **refused},
            unreadable=(*learned.unreadable, *map(_range, self._refused), *gaps),
            max_block=limits,
            by_timeout=learned.by_timeout or self.by_timeout,
        )

    def _explain_the_halved(self, learned: LearnedLimits) -> tuple[list[AddressRange], dict[Table, int]]:
        """A refused span whose halves are both good has no bad point. Then the addresses between the halves
        are at fault, or where there are none, its length."""
        gaps: list[AddressRange] = []
        limits = dict(learned.max_block)
        for span, lower, upper in self._explained():
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
