"""Which records were deferred, for which code, and when each of them is sent again: pure state, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from qilu.contract.ack_codes import AckCode
from qilu.contract.ranges import IntervalSet

_GRID = 8
"""Times to send again are rounded up to a delay's eighth, so that few groups hold any number of records."""


_DUE = -math.inf
"""When all were due that are."""


class DeferralGroup(NamedTuple):
    """What the records of one group have in common: they wait `delay_s` seconds, until `due`."""

    stream: int
    code: AckCode
    delay_s: float
    due: float


class Deferral:
    """The records that wait to be sent again; each is in one group. Memory grows with the runs of offsets.

    A record waits for `first_s` seconds, and twice as long after each further deferral, up to `max_s`.
    """

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._groups: dict[DeferralGroup, IntervalSet] = {}

    def add(
        self,
        stream: int,
        code: AckCode,
        offsets: IntervalSet,
        now: float,
        before: DeferralGroup | None = None,
    ) -> None:
        """These were deferred, after they had been sent out of the group `before`, if they were in one."""
        if offsets:
            delay = self._first_s if before is None else min(2 * before.delay_s, self._max_s)
            grid = delay / _GRID
            self._join(DeferralGroup(stream, code, delay, math.ceil((now + delay) / grid) * grid), offsets)

    def requeue(self, wait: DeferralGroup, offset: int) -> None:
        """One that was taken was not answered: it is still due."""
        self._join(wait, IntervalSet([(offset, offset)]))

    def take(self, stream: int, offset: int) -> DeferralGroup | None:
        """Take out one that is sent; None when it does not wait here."""
        for wait, offsets in self._of(stream):
            if offset in offsets:
                offsets.remove(offset)
                return wait
        return None

    def remove(self, stream: int, offsets: IntervalSet) -> None:
        """These need not be sent again."""
        for _, waiting in self._of(stream):
            waiting.subtract(offsets)

    @property
    def waiting(self) -> bool:
        """Whether there are such that are not due yet."""
        return any(wait.due > _DUE for wait in self._groups)

    def hasten(self) -> None:
        self._gather_due(math.inf)

    def next_due(
        self, pending: Mapping[int, IntervalSet], now: float, count: int
    ) -> tuple[int, IntervalSet] | None:
        """Stream and the first offsets of a group that is due, at most `count`."""
        self._gather_due(now)
        for wait in [wait for wait in self._groups if wait.due == _DUE]:
            kept, offsets = pending.get(wait.stream, IntervalSet()), self._groups[wait]
            while candidates := offsets.take(count):
                if sendable := kept.intersection(candidates):
                    return wait.stream, sendable
                offsets.subtract(candidates)
            del self._groups[wait]
        return None

    def _gather_due(self, now: float) -> None:
        """Join the groups that are due: what cannot be sent in time must not become ever more groups."""
        due = sorted((wait for wait in self._groups if _DUE < wait.due <= now), key=lambda wait: wait.due)
        for wait in due:
            self._join(wait._replace(due=_DUE), self._groups.pop(wait))

    def among(self, stream: int, offsets: IntervalSet) -> IntervalSet:
        """Those of `offsets` that wait here."""
        deferred = IntervalSet()
        for _, waiting in self._of(stream):
            deferred.update(waiting.intersection(offsets))
        return deferred

    def counts(self, pending: Mapping[int, IntervalSet]) -> dict[AckCode, int]:
        """Code -> how many records wait for it, without those that the spool gave up as its oldest."""
        counts: dict[AckCode, int] = {}
        for wait, offsets in self._groups.items():
            kept = pending.get(wait.stream)
            if kept and offsets:
                has_dropped = kept.first() > offsets.first()
                count = len(offsets.tail(kept.first()) if has_dropped else offsets)
                counts[wait.code] = counts.get(wait.code, 0) + count
        return {code: count for code, count in counts.items() if count}

    def _of(self, stream: int) -> Iterator[tuple[DeferralGroup, IntervalSet]]:
        return ((wait, offsets) for wait, offsets in self._groups.items() if wait.stream == stream)

    def _join(self, wait: DeferralGroup, offsets: IntervalSet) -> None:
        self._groups.setdefault(wait, IntervalSet()).update(offsets)
