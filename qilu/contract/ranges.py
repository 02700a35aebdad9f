"""Sets of whole numbers that come in runs: which records were sent, stored, made durable."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from qilu.contract.errors import DataError

_DIGITS = 18
"""So many stay below 2**63, as len() demands, and never cost int() much."""


class IntervalSet:
    """A mutable set of integers >= 0, kept as sorted, disjoint, non-touching runs [first, last].

    Memory and the cost of a change grow with the number of runs, not of members. The text form is
    `"0-41,50"`; the empty set is `""`.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in runs:
            self.add(first, last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> IntervalSet:
        """The set of these numbers, in any order."""
        result = cls()
        for number in numbers:
            result.add(number)
        return result

    @classmethod
    def parse(cls, text: str) -> IntervalSet:
        """The set that `str()` wrote; DataError when it is not one (unsorted, overlapping, not numbers)."""
        result = cls()
        for part in text.split(",") if text else ():
            first_text, dash, last_text = part.partition("-")
            if max(len(first_text), len(last_text)) > _DIGITS:
                raise DataError(f"ranges {text[:80]!r}: {part[:40]!r} is beyond any offset")
            if not (first_text.isdecimal() and first_text.isascii()):
                raise DataError(f"ranges {text[:80]!r}: {part[:40]!r} is not a number or a run like 3-7")
            if dash and not (last_text.isdecimal() and last_text.isascii()):
                raise DataError(f"ranges {text[:80]!r}: {part[:40]!r} is not a run like 3-7")
            first = int(first_text)
            last = int(last_text) if dash else first
            if last < first or (result._lasts and first <= result._lasts[-1]):
                raise DataError(f"ranges {text[:80]!r}: runs must rise and not overlap at {part[:40]!r}")
            result.add(first, last)
        return result

    def add(self, first: int, last: int | None = None) -> None:
        """Put in every number from `first` to `last`, or just `first`."""
        last = first if last is None else last
        if first < 0 or last < first:
            raise ValueError(f"{first}-{last} is not a run of numbers >= 0")
        firsts, lasts = self._firsts, self._lasts
        if lasts and first == lasts[-1] + 1:  # the common case by far: the next number
            lasts[-1] = last
            return
        low = bisect_left(lasts, first - 1)  # the first run that touches or follows
        high = bisect_right(firsts, last + 1)  # one past the last run that touches
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        firsts[low:high] = [first]
        lasts[low:high] = [last]

    def remove(self, first: int, last: int | None = None) -> None:
        """Take out every number from `first` to `last`, or just `first`; absent ones do not matter."""
        last = first if last is None else last
        firsts, lasts = self._firsts, self._lasts
        low, high = bisect_left(lasts, first), bisect_right(firsts, last)
        if low >= high:
            return
        kept = []
        if firsts[low] < first:
            kept.append((firsts[low], first - 1))
        if lasts[high - 1] > last:
            kept.append((last + 1, lasts[high - 1]))
        firsts[low:high] = [run[0] for run in kept]
        lasts[low:high] = [run[1] for run in kept]

    def update(self, other: IntervalSet) -> None:
        """Put in every member of `other`."""
        for first, last in other.runs():
            self.add(first, last)

    def subtract(self, other: IntervalSet) -> None:
        """Take out every member of `other`."""
        for first, last in other.runs():
            self.remove(first, last)

    def runs(self) -> Iterator[tuple[int, int]]:
        """The runs, rising. The set may not be changed meanwhile."""
        return zip(self._firsts, self._lasts, strict=True)

    def intersection(self, other: IntervalSet) -> IntervalSet:
        """A new set: the members of both."""
        result = IntervalSet()
        for first, last in other.runs():
            index = bisect_left(self._lasts, first)
            while index < len(self._firsts) and self._firsts[index] <= last:
                result._firsts.append(max(first, self._firsts[index]))
                result._lasts.append(min(last, self._lasts[index]))
                index += 1
        return result

    def difference(self, other: IntervalSet) -> IntervalSet:
        """A new set: the members of this one that are not in `other`."""
        result = IntervalSet()
        firsts, lasts, index = other._firsts, other._lasts, 0
        for first, last in self.runs():
            index = bisect_left(lasts, first, index)  # the first run of the other that does not end before
            while index < len(firsts) and firsts[index] <= last:
                if firsts[index] > first:
                    result._firsts.append(first)
                    result._lasts.append(firsts[index] - 1)
                first = lasts[index] + 1
                if first > last:
                    break
                index += 1
            if first <= last:
                result._firsts.append(first)
                result._lasts.append(last)
        return result

    def take(self, count: int) -> IntervalSet:
        """A new set: the `count` smallest members, or all when there are fewer."""
        result = IntervalSet()
        for first, last in self.runs():
            if count <= 0:
                break
            result._firsts.append(first)
            result._lasts.append(min(last, first + count - 1))
            count -= last - first + 1
        return result

    def tail(self, first: int) -> IntervalSet:
        """A new set: the members from `first` on."""
        result = IntervalSet()
        index = bisect_left(self._lasts, first)
        result._firsts, result._lasts = self._firsts[index:], self._lasts[index:]
        if result and result._firsts[0] < first:
            result._firsts[0] = first
        return result

    def copy(self) -> IntervalSet:
        result = IntervalSet()
        result._firsts, result._lasts = self._firsts.copy(), self._lasts.copy()
        return result

    def first(self) -> int:
        """The smallest member; ValueError when empty."""
        if not self._firsts:
            raise ValueError("the first of no numbers")
        return self._firsts[0]

    def last(self) -> int:
        """The greatest member; ValueError when empty."""
        if not self._lasts:
            raise ValueError("the last of no numbers")
        return self._lasts[-1]

    def __contains__(self, number: int) -> bool:
        index = bisect_left(self._lasts, number)
        return index < len(self._firsts) and self._firsts[index] <= number

    def __iter__(self) -> Iterator[int]:
        for first, last in self.runs():
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __str__(self) -> str:
        return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in self.runs())

    def __repr__(self) -> str:
        return f"IntervalSet({str(self)!r})"
