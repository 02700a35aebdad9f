"""Collects what ingesters acknowledge: stored now, durable after the horizon, rejected or deferred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import NamedTuple

from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.messages import Ack
from qilu.contract.ranges import IntervalSet

MAX_REFUSED = 1000
"""Rejected and deferred records in one answer."""
MAX_REFUSED_BYTES = 32_000
"""Bytes of them: a broker that takes the messages of a gateway must take the answers too."""
MAX_RUNS = 1000
"""Runs of stored offsets in one answer, and of durable ones; the others keep until the next round."""
MAX_STREAMS = 100
"""Streams of one edge that wait to be answered; records of further ones are sent again."""
MAX_PENDING = 5_000
"""Rejected and deferred records of one edge that wait to be answered; what comes on top is sent again."""
_BESIDE = 28  # bytes of a rejection beside its reason: offset, code, quotes
_LONGEST = 1000  # characters of a reason


class StreamKey(NamedTuple):
    """Whose records: those of one stream of one edge, in one epoch of its spool."""

    edge: str
    stream: int
    epoch: int = 0


class AckBuffer:
    """What one ingester has to acknowledge. Pure. What a store with horizon 0 took is durable at once."""

    def __init__(self, store: str, ingester: str, durability_delay: float) -> None:
        self._store = store
        self._ingester = ingester
        self._durability_delay = durability_delay
        self._stored: dict[StreamKey, IntervalSet] = {}
        self._durable: dict[StreamKey, IntervalSet] = {}
        self._refused: dict[StreamKey, dict[int, Refusal]] = {}
        self._pending: Counter[str] = Counter()
        self._waiting: dict[str, set[StreamKey]] = {}

    def stored(self, named: StreamKey, offsets: IntervalSet) -> None:
        if offsets and self._has_room(named):
            into = self._durable if self._durability_delay == 0 else self._stored
            into.setdefault(named, IntervalSet()).update(offsets)

    def durable(self, named: StreamKey, offsets: IntervalSet) -> None:
        """These survive a crash of the store."""
        if offsets and self._has_room(named):
            self._durable.setdefault(named, IntervalSet()).update(offsets)

    def refused(self, named: StreamKey, refused: Mapping[int, Refusal]) -> None:
        """These are not in the store: offset -> why. Of one edge MAX_PENDING wait to be answered."""
        if not self._has_room(named):
            return
        room = MAX_PENDING - self._pending[named.edge]
        short = {
            offset: Refusal(refusal.code, refusal.text[:_LONGEST], refusal.values)
            for offset, refusal in islice(refused.items(), max(room, 0))
        }
        if short:
            pending = self._refused.setdefault(named, {})
            self._pending[named.edge] -= len(pending)
            pending.update(short)
            self._pending[named.edge] += len(pending)

    def _has_room(self, named: StreamKey) -> bool:
        """Whether another stream of this edge may wait: each costs a message, also where it is invented."""
        waiting = self._waiting.setdefault(named.edge, set())
        if named not in waiting and len(waiting) >= MAX_STREAMS:
            return False
        waiting.add(named)
        return True

    def take_due(self, wanted: Callable[[str], bool] = lambda _: True) -> list[tuple[str, Ack]]:
        """What is to be answered now: edge and answer, one for each stream; then it counts as answered.

        `wanted`: of which edges; the answers of the other ones keep.
        """
        acks = []
        self._waiting.clear()
        for named in {**self._stored, **self._durable, **self._refused}:
            if not wanted(named.edge):
                continue
            refused = self._take_refused(named)
            ack = Ack(
                self._store,
                self._ingester,
                named.stream,
                _take_runs(self._stored, named),
                _take_runs(self._durable, named),
                {offset: refusal for offset, refusal in refused.items() if refusal.family is Family.REJECTED},
                _by_code(refused),
                named.epoch,
            )
            acks.append((named.edge, ack))
        for named in {**self._stored, **self._durable, **self._refused}:  # what is left for the next round
            self._waiting.setdefault(named.edge, set()).add(named)
        return acks

    def _take_refused(self, named: StreamKey) -> dict[int, Refusal]:
        """As many as fit into a message of moderate size; the others keep until the next round."""
        refused = self._refused.pop(named, {})
        size = count = 0
        for refusal in islice(refused.values(), MAX_REFUSED):
            # Of one that is deferred only the code is sent: the log of the ingester has the text.
            text = refusal.text if refusal.family is Family.REJECTED else ""
            size += len(text.encode(errors="replace")) + _BESIDE
            if count and size > MAX_REFUSED_BYTES:
                break
            count += 1
        if count < len(refused):
            self._refused[named] = dict(islice(refused.items(), count, None))
            refused = dict(islice(refused.items(), count))
        self._pending[named.edge] -= len(refused)
        if not self._pending[named.edge]:
            del self._pending[named.edge]
        return refused


def _take_runs(waiting: dict[StreamKey, IntervalSet], named: StreamKey) -> IntervalSet:
    offsets = waiting.pop(named, IntervalSet())
    runs = list(offsets.runs())
    if len(runs) <= MAX_RUNS:
        return offsets
    waiting[named] = IntervalSet(runs[MAX_RUNS:])
    return IntervalSet(runs[:MAX_RUNS])


def _by_code(refused: Mapping[int, Refusal]) -> dict[AckCode, IntervalSet]:
    offsets: dict[AckCode, IntervalSet] = {}
    for offset, refusal in refused.items():
        if refusal.family is Family.DEFERRED:
            offsets.setdefault(refusal.code, IntervalSet()).add(offset)
    return offsets
