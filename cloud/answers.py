"""Gathers what is to be said of records until it is said: stored now, durable after the horizon, rejected."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from qilu.contract.notices import Answer
from qilu.contract.ranges import Ranges

MOST_REJECTED = 1000
"""Rejections in one answer, each of them with its reason."""
MOST_BYTES = 32_000
"""Bytes of them: a broker that takes the messages of a gateway must take the answers too."""
_BESIDE = 24  # bytes of a rejection beside its reason
_LONGEST = 1000  # characters of a reason


class Named(NamedTuple):
    """Whose records: those of one stream of one edge."""

    edge: str
    stream: int


class _Maturing(NamedTuple):
    at: float
    incarnation: str
    named: Named
    offsets: Ranges


class Answers:
    """What one ingester has to say. Pure: times are seconds of a monotonic clock, handed in.

    A store with horizon 0 is durable at once. Otherwise durable is only said when the store is still in the
    same incarnation `horizon` seconds after the write; if not, nothing is said and the edge sends again.
    """

    def __init__(self, store: str, ingester: str, horizon: float) -> None:
        self._store = store
        self._ingester = ingester
        self._horizon = horizon
        self._stored: dict[Named, Ranges] = {}
        self._durable: dict[Named, Ranges] = {}
        self._rejected: dict[Named, dict[int, str]] = {}
        self._maturing: deque[_Maturing] = deque()

    def stored(self, named: Named, offsets: Ranges, incarnation: str, now: float) -> None:
        """These are in the store, written not before `now`."""
        if not offsets:
            return
        if self._horizon == 0:
            self._durable.setdefault(named, Ranges()).update(offsets)
        else:
            self._stored.setdefault(named, Ranges()).update(offsets)
            self._maturing.append(_Maturing(now + self._horizon, incarnation, named, offsets))

    def rejected(self, named: Named, reasons: Mapping[int, str]) -> None:
        """The store will never take these: offset -> why."""
        if reasons:
            short = {offset: reason[:_LONGEST] for offset, reason in reasons.items()}
            self._rejected.setdefault(named, {}).update(short)

    def matures(self, now: float) -> bool:
        """Whether the store's incarnation is needed by `due` now."""
        return bool(self._maturing) and self._maturing[0].at <= now

    def due(self, incarnation: str | None, now: float) -> list[tuple[str, Answer]]:
        """Everything to be said now: edge and answer, one for each stream; then it counts as said.

        `incarnation`: what the store is now, None where that cannot be told: then nothing matures.
        """
        while incarnation is not None and self.matures(now):
            ripe = self._maturing.popleft()
            if ripe.incarnation == incarnation:
                self._durable.setdefault(ripe.named, Ranges()).update(ripe.offsets)
        said = []
        for named in {**self._stored, **self._durable, **self._rejected}:
            answer = Answer(
                self._store,
                self._ingester,
                named.stream,
                self._stored.pop(named, Ranges()),
                self._durable.pop(named, Ranges()),
                self._some_rejected(named),
            )
            said.append((named.edge, answer))
        return said

    def _some_rejected(self, named: Named) -> dict[int, str]:
        """As many as fit into a message of moderate size; the others keep until the next round."""
        reasons = self._rejected.pop(named, {})
        size = count = 0
        for reason in islice(reasons.values(), MOST_REJECTED):
            size += len(reason.encode(errors="replace")) + _BESIDE
            if count and size > MOST_BYTES:
                break
            count += 1
        if count < len(reasons):
            self._rejected[named] = dict(islice(reasons.items(), count, None))
            reasons = dict(islice(reasons.items(), count))
        return reasons
