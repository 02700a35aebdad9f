"""Collects what ingesters acknowledge: stored now, durable after the horizon, rejected or deferred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.messages import Answer
from qilu.contract.ranges import Ranges

MOST_REFUSED = 1000
"""Rejected and deferred records in one answer."""
MOST_BYTES = 32_000
"""Bytes of them: a broker that takes the messages of a gateway must take the answers too."""
MAX_PENDING = 5_000
"""Rejected and deferred records of one edge that wait to be answered; what comes on top is sent again."""
_BESIDE = 28  # bytes of a rejection beside its reason: offset, code, quotes
_LONGEST = 1000  # characters of a reason


class Named(NamedTuple):
    """Whose records: those of one stream of one edge."""

    edge: str
    stream: int


class Answers:
    """What one ingester has to acknowledge. Pure. What a store with horizon 0 took is durable at once."""

    def __init__(self, store: str, ingester: str, horizon: float) -> None:
        self._store = store
        self._ingester = ingester
        self._horizon = horizon
        self._stored: dict[Named, Ranges] = {}
        self._durable: dict[Named, Ranges] = {}
        self._refused: dict[Named, dict[int, Refusal]] = {}
        self._pending: Counter[str] = Counter()

    def stored(self, named: Named, offsets: Ranges) -> None:
        """These are in the store."""
        if offsets:
            into = self._durable if self._horizon == 0 else self._stored
            into.setdefault(named, Ranges()).update(offsets)

    def durable(self, named: Named, offsets: Ranges) -> None:
        """These survive a crash of the store."""
        if offsets:
            self._durable.setdefault(named, Ranges()).update(offsets)

    def refused(self, named: Named, refused: Mapping[int, Refusal]) -> None:
        """These are not in the store: offset -> why. Of one edge MAX_PENDING wait to be answered."""
        room = MAX_PENDING - self._pending[named.edge]
        short = {
            offset: Refusal(one.code, one.text[:_LONGEST], one.values)
            for offset, one in islice(refused.items(), max(room, 0))
        }
        if short:
            pending = self._refused.setdefault(named, {})
            self._pending[named.edge] -= len(pending)
            pending.update(short)
            self._pending[named.edge] += len(pending)

    def due(self) -> list[tuple[str, Answer]]:
        """Everything to be answered now: edge and answer, one for each stream; then it counts as answered."""
        said = []
        for named in {**self._stored, **self._durable, **self._refused}:
            refused = self._some_refused(named)
            answer = Answer(
                self._store,
                self._ingester,
                named.stream,
                self._stored.pop(named, Ranges()),
                self._durable.pop(named, Ranges()),
                {offset: one for offset, one in refused.items() if one.family is Family.REJECTED},
                _by_code(refused),
            )
            said.append((named.edge, answer))
        return said

    def _some_refused(self, named: Named) -> dict[int, Refusal]:
        """As many as fit into a message of moderate size; the others keep until the next round."""
        refused = self._refused.pop(named, {})
        size = count = 0
        for one in islice(refused.values(), MOST_REFUSED):
            # Of one that is deferred only the code is sent: the log of the ingester has the text.
            text = one.text if one.family is Family.REJECTED else ""
            size += len(text.encode(errors="replace")) + _BESIDE
            if count and size > MOST_BYTES:
                break
            count += 1
        if count < len(refused):
            self._refused[named] = dict(islice(refused.items(), count, None))
            refused = dict(islice(refused.items(), count))
        self._pending[named.edge] -= len(refused)
        if not self._pending[named.edge]:
            del self._pending[named.edge]
        return refused


def _by_code(refused: Mapping[int, Refusal]) -> dict[AckCode, Ranges]:
    """The deferred ones."""
    found: dict[AckCode, Ranges] = {}
    for offset, one in refused.items():
        if one.family is Family.DEFERRED:
            found.setdefault(one.code, Ranges()).add(offset)
    return found
