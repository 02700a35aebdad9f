"""Reads a range of which nobody knows what it holds: halves what is refused until only that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.commissioning.probe.arguments import Range
from qilu.contract.profile import Table

LONGEST = {True: 2000, False: 125}
"""Bits and registers that one request may ask."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a range holds: words (or bits as 0 and 1) by address, and why the others are missing."""

    span: Range
    values: Mapping[int, int]
    missing: Mapping[int, str]

    @property
    def table(self) -> Table:
        return self.span.table

    def words(self, first: int, count: int) -> bytes | None:
        """The bytes of `count` registers as they travelled; None where one of them is missing."""
        words = [self.values.get(address) for address in range(first, first + count)]
        return None if None in words else b"".join(word.to_bytes(2) for word in words if word is not None)


@dataclass(slots=True)
class RangeSearch:
    """Which request to send next. After each `next()` call exactly one of `good` and `refused`."""

    span: Range
    timeouts_left: int = 16
    """How many times silence is taken for a refusal and halved: each of them costs a time-out."""
    values: dict[int, int] = field(default_factory=dict)
    missing: dict[int, str] = field(default_factory=dict)
    _waiting: list[Range] = field(default_factory=list)
    _whole: dict[Range, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._waiting = _cut(self.span, LONGEST[self.span.table.holds_bits])

    def next(self) -> Range | None:
        """The range of the next request; None when everything is known."""
        return self._waiting[0] if self._waiting else None

    @property
    def known(self) -> int:
        """How many addresses are done with."""
        return len(self.values) + len(self.missing)

    def good(self, values: list[int]) -> None:
        span = self._waiting.pop(0)
        self.values |= dict(enumerate(values, span.first))
        self._learn_the_limit(span)

    def refused(self, why: str, *, timed_out: bool = False) -> None:
        """The device does not have all of it, or not in one piece."""
        span = self._waiting.pop(0)
        if timed_out:
            self.timeouts_left -= 1
        if span.size == 1 or self.timeouts_left < 0:
            self.missing |= dict.fromkeys(range(span.first, span.last + 1), why)
            return
        # Halves of even length: values of two registers are often refused when they are cut.
        middle = span.size // 2 + (span.size // 2 % 2 if span.size > 2 else 0)
        halves = [span._replace(last=span.first + middle - 1), span._replace(first=span.first + middle)]
        self._whole |= dict.fromkeys(halves, span.size)
        self._waiting[:0] = halves

    def abandoned(self, why: str) -> None:
        """Nothing more will be asked."""
        for span in self._waiting:
            self.missing |= dict.fromkeys(range(span.first, span.last + 1), why)
        self._waiting.clear()

    def dump(self) -> Dump:
        return Dump(self.span, self.values, self.missing)

    def _learn_the_limit(self, span: Range) -> None:
        """What follows is not asked in longer pieces than this one, if its whole was refused and nothing in
        it is at fault: then the length was."""
        whole = self._whole.pop(span, 0)
        start = span.last - whole + 1
        if whole and all(address in self.values for address in range(start, span.last + 1)):
            longest = max(span.size, whole - span.size)
            rest, self._waiting = self._waiting, []
            for waiting in rest:
                self._waiting += [waiting] if waiting in self._whole else _cut(waiting, longest)


def _cut(span: Range, longest: int) -> list[Range]:
    return [
        span._replace(first=first, last=min(span.last, first + longest - 1))
        for first in range(span.first, span.last + 1, longest)
    ]
