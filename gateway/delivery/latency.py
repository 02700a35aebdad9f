"""How long records take from the spool to being durable, from a bounded number of recent ones."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from gateway.interfaces import Record
from qilu.contract.ranges import IntervalSet


class Latency:
    """Times (s) of the `recent` last durable records; of those that wait, the `watched` newest count."""

    def __init__(self, recent: int = 10_000, watched: int = 10_000) -> None:
        self._since: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._watched = watched
        self._took: deque[float] = deque(maxlen=recent)

    def appended(self, record: Record, now: float) -> None:
        self._since[record.stream, record.offset] = now
        if len(self._since) > self._watched:  # some were dropped or rejected, which is not reported here
            self._since.popitem(last=False)

    def durable(self, stream: int, offsets: IntervalSet, now: float) -> None:
        if len(offsets) > self._watched:  # an old backlog: nothing of it was watched in this run
            return
        for offset in offsets:
            since = self._since.pop((stream, offset), None)
            if since is not None:
                self._took.append(now - since)

    def quantiles(self, *shares: float) -> Sequence[float | None]:
        """The time within which each share of the recent records was durable; None while there is none."""
        ordered = sorted(self._took)
        if not ordered:
            return [None] * len(shares)
        return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in shares]
