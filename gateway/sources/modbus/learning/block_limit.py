"""Tells why a block is refused whose halves are answered: for its length, or for what lies between them."""

from __future__ import annotations

from gateway.sources.modbus.planning.blocks import Span
from qilu.contract.profile import AddressRange

_MAX_PIECES = 8


class BlockLimitSearch:
    """What to ask of one table, after another, and what the answers mean. Pure.

    First the addresses between the halves: when those can be read, the length is at fault. Then beginnings of
    the block, none of which ends inside a value, until the longest that is answered is known.
    """

    def __init__(self, refused: Span, lower: Span, upper: Span, longest: int) -> None:
        """`longest`: so many addresses were answered at once, of this table."""
        self.refused = refused
        self.longest = longest
        self.by_length: bool | None = None
        """Whether the length is at fault; None where that is not known."""
        between = range(lower.last + 1, upper.first)
        self._between = [between[at : at + longest] for at in range(0, len(between), longest)]
        ends = {point.last - refused.first + 1 for point in refused.points}
        self._lengths = sorted(end for end in ends if longest < end < refused.count)
        self._asked = 0
        if not self._between:
            self.by_length = True
        elif len(self._between) > _MAX_PIECES:
            self._between = []

    def next(self) -> AddressRange | None:
        """The addresses to ask for now; None when there is nothing to find out any more."""
        table, first = self.refused.table, self.refused.first
        if self.by_length is None and self._between:
            piece = self._between[0]
            return AddressRange(table=table, first=piece[0], last=piece[-1])
        if not self.by_length or not self._lengths:
            return None
        self._asked = self._lengths[len(self._lengths) // 2]
        return AddressRange(table=table, first=first, last=first + self._asked - 1)

    def record(self, replied: bool) -> None:
        """Whether the device answered with values what `next` said."""
        if self.by_length is None:
            del self._between[0]
            if not replied:
                self.by_length = False
            elif not self._between:
                self.by_length = True
        elif replied:
            self.longest = self._asked
            self._lengths = [length for length in self._lengths if length > self._asked]
        else:
            self._lengths = [length for length in self._lengths if length < self._asked]
