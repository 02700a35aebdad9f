"""The records that were sent and not acknowledged, with the bytes of each lane: pure state."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from gateway.delivery.deferral import DeferralGroup
from gateway.delivery.limits import Limits
from gateway.interfaces import Record
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane

Name = tuple[int, int]
"""Stream and offset of a record."""


class SentRecord(NamedTuple):
    """When and where a record was sent, and its bytes."""

    at: float
    lane: Lane
    size: int
    wait: DeferralGroup | None
    """Where it waited, if it had been deferred."""


class InFlight:
    """Records in the order of sending. Its lanes are the windows that bound them."""

    def __init__(self, limits: Limits) -> None:
        self.deferred_bytes = 0
        """Bytes of the records that had been deferred."""
        self._limits = limits
        self._sent: dict[Name, SentRecord] = {}
        self._window = dict.fromkeys(Lane, 0)
        self._reached = dict.fromkeys(Lane, float("-inf"))  # when the latest one known to be stored was sent

    def __len__(self) -> int:
        return len(self._sent)

    def __contains__(self, name: Name) -> bool:
        return name in self._sent

    def names(self) -> list[Name]:
        return list(self._sent)

    def offsets(self, stream: int) -> IntervalSet:
        return IntervalSet.of(offset for of, offset in self._sent if of == stream)

    def window(self, lane: Lane) -> tuple[int, int]:
        """Bytes of a lane that are on their way, and how many may be."""
        limits = self._limits
        return self._window[lane], limits.live_window if lane is Lane.LIVE else limits.backlog_window

    def has_room(self, lane: Lane) -> bool:
        """Whether the window of a lane takes one more record, of any size."""
        used, bound = self.window(lane)
        return used < bound

    def add(self, record: Record, lane: Lane, now: float, wait: DeferralGroup | None = None) -> None:
        size = len(record.body)
        self._sent[record.stream, record.offset] = SentRecord(now, lane, size, wait)
        self._window[lane] += size
        if wait is not None:
            self.deferred_bytes += size

    def pop(self, name: Name) -> SentRecord:
        sent = self._sent.pop(name)
        self._window[sent.lane] -= sent.size
        if sent.wait is not None:
            self.deferred_bytes -= sent.size
        return sent

    def arrived(self, stream: int, offsets: IntervalSet) -> None:
        """The store knows these: they leave, and what was sent before them on their lanes is late."""
        for name in matching(self._sent, stream, offsets):
            sent = self.pop(name)
            self._reached[sent.lane] = max(self._reached[sent.lane], sent.at)

    def waits(self, stream: int, offsets: IntervalSet) -> dict[DeferralGroup, IntervalSet]:
        """Of these offsets those that had been deferred, by the group in which they waited."""
        waits: dict[DeferralGroup, IntervalSet] = {}
        for name in matching(self._sent, stream, offsets):
            if (wait := self._sent[name].wait) is not None:
                waits.setdefault(wait, IntervalSet()).add(name[1])
        return waits

    def late(self, now: float) -> list[Name]:
        """Those that waited too long for their acknowledgement."""
        limits, late = self._limits, []
        for name, sent in self._sent.items():
            age = now - sent.at
            if age < min(limits.reorder_timeout, limits.ack_timeout):
                break
            if age >= limits.ack_timeout or (
                age >= limits.reorder_timeout and sent.at < self._reached[sent.lane]
            ):
                late.append(name)
        return late


def matching(names: Collection[Name], stream: int, offsets: IntervalSet) -> list[Name]:
    """Those that an answer speaks of. It may name more than exists: never walk over what it claims."""
    if len(offsets) < len(names):
        return [(stream, offset) for offset in offsets if (stream, offset) in names]
    return [name for name in names if name[0] == stream and name[1] in offsets]
