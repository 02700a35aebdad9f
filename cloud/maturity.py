"""Writes between `stored` and `durable`: a horizon after each, the store confirms them or they are in doubt.

written ──horizon──▶ asked ──▶ confirmed: durable
                      │  ╲──▶ the store was restarted: nothing is answered, the edge sends again
                      ╰──▶ in doubt, asked again each horizon ──three horizons──▶ deferred
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.acks import StreamKey
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.ranges import IntervalSet
from qilu.stores.confirmation import Confirmation, Trace, Write

MAX_DURABILITY_DELAYS = 3
"""Horizons after a write at which what is still in doubt is deferred."""
MAX_DOUBTFUL = 100_000
"""Records that may be in doubt together; beyond that the oldest are deferred at once."""


@dataclass(slots=True)
class PendingWrite:
    write: Write
    names: Sequence[tuple[StreamKey, int]]
    written: float
    ask_at: float


@dataclass(slots=True)
class Settlement:
    """What can be answered now."""

    durable: dict[StreamKey, IntervalSet] = field(default_factory=dict)
    deferred: dict[StreamKey, dict[int, Refusal]] = field(default_factory=dict)
    doubtful: int = 0
    """Records that were found in doubt in this round."""
    example: Refusal | None = None
    """Why one of them is in doubt."""


class ConfirmationQueue:
    """Pure: times are seconds of a monotonic clock, handed in."""

    def __init__(self, durability_delay: float) -> None:
        self._durability_delay = durability_delay
        self._young: deque[PendingWrite] = deque()
        self._doubtful: deque[PendingWrite] = deque()

    @property
    def records(self) -> int:
        """Records that are stored and not known to be durable."""
        return sum(len(pending.names) for pending in (*self._young, *self._doubtful))

    def add(self, write: Write, names: Sequence[tuple[StreamKey, int]], now: float) -> None:
        """The store took this write, not later than `now`; `names` are those of its polls."""
        self._young.append(PendingWrite(write, names, now, now + self._durability_delay))

    def take_due(self, now: float) -> list[PendingWrite]:
        """The writes about which the store is to be asked now; each comes back in `settle`."""
        due = [pending for pending in self._doubtful if pending.ask_at <= now]
        while self._young and self._young[0].ask_at <= now:
            due.append(self._young.popleft())
        self._doubtful = deque(pending for pending in self._doubtful if pending.ask_at > now)
        return due

    def settle(
        self, asked: Sequence[PendingWrite], confirmations: Sequence[Confirmation], now: float
    ) -> Settlement:
        """What follows from what the store found about each of the writes."""
        settled = Settlement()
        for pending, confirmation in zip(asked, confirmations, strict=True):
            if not confirmation.restarted:
                self._settle(pending, confirmation.doubtful, now, settled)
        self._bound(settled)
        return settled

    def postpone(self, asked: Sequence[PendingWrite], why: Refusal, now: float) -> Settlement:
        """The store could not be asked about them; the next round does it."""
        settled = Settlement()
        for pending in asked:
            if self._over(pending, now):
                _defer(pending.names, dict.fromkeys(range(len(pending.names)), why), settled)
            else:
                self._doubtful.append(pending)
        self._bound(settled)
        return settled

    def _over(self, pending: PendingWrite, now: float) -> bool:
        return now >= pending.written + MAX_DURABILITY_DELAYS * self._durability_delay

    def _settle(
        self, pending: PendingWrite, doubtful: Mapping[int, Refusal], now: float, settled: Settlement
    ) -> None:
        for index, (named, offset) in enumerate(pending.names):
            if index not in doubtful:
                settled.durable.setdefault(named, IntervalSet()).add(offset)
        if not doubtful:
            return
        settled.doubtful += len(doubtful)
        settled.example = settled.example or next(iter(doubtful.values()))
        if self._over(pending, now):
            _defer(pending.names, doubtful, settled)
        else:
            self._doubtful.append(_part(pending, doubtful, now + self._durability_delay))

    def _bound(self, settled: Settlement) -> None:
        count = sum(len(pending.names) for pending in self._doubtful)
        while count > MAX_DOUBTFUL:
            oldest = self._doubtful.popleft()
            count -= len(oldest.names)
            _defer(oldest.names, dict.fromkeys(range(len(oldest.names)), _TOO_MANY), settled)


_TOO_MANY = Refusal(AckCode.STORE_IN_DOUBT, f"more than {MAX_DOUBTFUL} records are in doubt")


def _part(pending: PendingWrite, indexes: Iterable[int], ask_at: float) -> PendingWrite:
    """What is in doubt of a write; every sample of it has to be read back from now on."""
    kept = sorted(indexes)
    polls: list[tuple[Trace, ...]] = [pending.write.polls[index] for index in kept]
    write = Write(pending.write.mark, polls, every_sample=True)
    return PendingWrite(write, [pending.names[index] for index in kept], pending.written, ask_at)


def _defer(
    names: Sequence[tuple[StreamKey, int]], doubtful: Mapping[int, Refusal], settled: Settlement
) -> None:
    for index, refusal in doubtful.items():
        named, offset = names[index]
        settled.deferred.setdefault(named, {})[offset] = refusal
