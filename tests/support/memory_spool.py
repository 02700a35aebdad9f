"""A spool in memory: the second implementation, for tests that need no disk."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

from gateway.interfaces import DropReport, Record, SpoolCounts, StreamOrigin
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet


class MemorySpool:
    """A Spool that a killed process loses; `commit` therefore promises nothing beyond that.

    `max_bytes` bounds the bodies; at the bound `policy` acts as on disk, but by single records. Of what was
    quarantined the newest 1000 stay in `quarantined`.
    """

    stream = 0

    def __init__(
        self,
        max_bytes: int = 64_000_000,
        *,
        policy: Literal["drop_oldest", "block"] = "drop_oldest",
        new_stream: Callable[[], int] = lambda: secrets.randbits(64),
        clock_ms: Callable[[], int] = lambda: 0,
        origin: StreamOrigin | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._policy = policy
        self._new_stream = new_stream
        self._clock_ms = clock_ms
        self._origin = origin or StreamOrigin()
        self._bodies: dict[int, bytes] = {}
        self._pending: dict[int, IntervalSet] = {}
        self._size = 0
        self._next = 0
        self._dropped = IntervalSet()
        self._dropped_ms: list[int] = []
        self._set_aside = 0
        self.quarantined: deque[tuple[Record, str]] = deque(maxlen=1000)

    async def __aenter__(self) -> Self:
        while self.stream == 0:
            self.stream = self._new_stream()
        self._pending = {self.stream: IntervalSet()}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def append(self, body: bytes) -> Record | None:
        """Keep one record; None at the bound when the policy is `block`."""
        if len(body) > self._max_bytes:
            raise DataError(
                f"a record of {len(body)} bytes is longer than the whole spool ({self._max_bytes})"
            )
        while self._size + len(body) > self._max_bytes:
            if self._policy == "block":
                return None
            self._give_up(next(iter(self._bodies)))
        offset = self._next
        self._next += 1
        self._bodies[offset] = body
        self._size += len(body)
        self._pending[self.stream].add(offset)
        return Record(self.stream, offset, body)

    async def commit(self) -> None:
        """Return at once."""

    @property
    def size(self) -> int:
        """Bytes of the records kept."""
        return self._size

    def origin(self, stream: int) -> StreamOrigin:
        """The one that was handed in, for its one stream."""
        return self._origin if stream == self.stream else StreamOrigin()

    def corrected(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records: none of this spool ever waits for a clock."""
        return records

    def sendable(self) -> Mapping[int, IntervalSet]:
        """All of it: records of this spool never wait for a clock."""
        return self._pending

    def pending(self) -> Mapping[int, IntervalSet]:
        """The one stream and what is kept of it."""
        return self._pending

    def counts(self) -> SpoolCounts:
        """What was set aside; it knows no other edge."""
        kept = len(self.quarantined)
        return SpoolCounts(quarantined=kept, quarantine_dropped=self._set_aside - kept)

    def read(self, stream: int, wanted: IntervalSet, max_bytes: int) -> Sequence[Record]:
        """The records of `wanted`, rising, until `max_bytes` is reached, but at least one if any is there."""
        records: list[Record] = []
        for offset in self._pending.get(stream, IntervalSet()).intersection(wanted):
            body = self._bodies[offset]
            if records and len(body) > max_bytes:
                break
            records.append(Record(stream, offset, body))
            max_bytes -= len(body)
            if max_bytes <= 0:
                break
        return records

    def forget(self, stream: int, durable: IntervalSet) -> None:
        """These need not be kept any longer."""
        for offset in self._pending.get(stream, IntervalSet()).intersection(durable):
            self._remove(offset)

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> IntervalSet:
        """Set these aside with their reasons, and forget them."""
        set_aside = IntervalSet()
        for offset in sorted(rejected):
            for record in self.read(stream, IntervalSet([(offset, offset)]), 0):
                self.quarantined.append((record, rejected[offset]))
                self._set_aside += 1
                self._remove(offset)
                set_aside.add(offset)
        return set_aside

    def dropped(self) -> Sequence[DropReport]:
        """What was given up since the last call."""
        if not self._dropped:
            return []
        dropped = DropReport(
            self.stream, self._dropped, "max_bytes", self._dropped_ms[0], self._dropped_ms[-1]
        )
        self._dropped, self._dropped_ms = IntervalSet(), []
        return [dropped]

    def mark_drops_reported(self) -> None:
        """Nothing of it outlives the process anyway."""

    def unreported_drops(self) -> Sequence[DropReport]:
        """Nothing: it knows of no run before."""
        return []

    def requeued(self) -> int:
        """None: it has no quarantine that outlives it."""
        return 0

    def _give_up(self, offset: int) -> None:
        self._remove(offset)
        self._dropped.add(offset)
        self._dropped_ms = [*self._dropped_ms[:1], self._clock_ms()]

    def _remove(self, offset: int) -> None:
        self._size -= len(self._bodies.pop(offset))
        self._pending[self.stream].remove(offset)
