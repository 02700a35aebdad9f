"""The reports of the edge that wait to be polled, in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence

from gateway.accounting.account import own
from qilu.contract.accounting import EVENT_POINTS, EVENTS, EventKind
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, Value

_log = logging.getLogger(__name__)

_MAX_QUEUED = 10_000
"""Reports that wait for their turn; the spool takes them within milliseconds unless it blocks."""


class EventQueue:
    """`stamp` gives the time (ms, UTC) of a new reading of a series, `tag` its epoch."""

    def __init__(
        self,
        edge: Origin,
        devices: Mapping[str, Origin],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None],
    ) -> None:
        self.edge = BlockSchema(edge, EVENTS, EVENT_POINTS)
        self.devices = event_columns(devices)
        self.stamp = stamp
        self.tag = tag
        self._waiting: deque[Poll] = deque(maxlen=_MAX_QUEUED)
        self._filled = asyncio.Event()

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                yield self._waiting.popleft()

    def drain(self) -> Sequence[Poll]:
        """What waits, taken out."""
        drained = list(self._waiting)
        self._waiting.clear()
        return drained

    def add(
        self,
        columns: BlockSchema,
        time_ms: int,
        kind: EventKind,
        text: str,
        *,
        start_ago_s: float = 0.0,
        duration_s: float = 0.0,
        records: int = 0,
        values: int = 0,
        in_flight: int = 0,
        unread: int = 0,
        code: int = 0,
    ) -> Poll:
        """Report an event; the poll that reports it."""
        row = (int(kind), start_ago_s, duration_s, records, values, in_flight, unread, int(code), text)
        return self.enqueue(columns, time_ms, row)

    def enqueue(self, columns: BlockSchema, time_ms: int, values: tuple[Value, ...]) -> Poll:
        poll = Poll(time_ms, (Reading(columns, time_ms, values),), epoch=self.tag())
        self.put(poll)
        return poll

    def put(self, poll: Poll) -> None:
        if len(self._waiting) == _MAX_QUEUED:
            _log.error(
                "events: %d wait for the spool, the oldest is dropped; see why the spool blocks", _MAX_QUEUED
            )
        self._waiting.append(poll)
        self._filled.set()


def event_columns(devices: Mapping[str, Origin]) -> dict[str, BlockSchema]:
    """The columns of the events of each device."""
    return {name: BlockSchema(own(origin), EVENTS, EVENT_POINTS) for name, origin in devices.items()}
