"""Messages that wait for the store, live ones first, edges in turn, and the batches written together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cloud.acks import StreamKey
from cloud.fair_queue import FairQueue
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import DataError
from qilu.contract.limits import MAX_MESSAGE_BYTES
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import Poll
from qilu.contract.record_codec import Head, decode_record, read_head, split_body
from qilu.contract.topics import Lane

OVERHEAD = 500
"""Bytes of memory that a message takes beside its own: without them, many tiny ones would take a multiple."""


MAX_COUNTED = 10_000
"""Edges whose dropped messages are counted: strangers may invent names."""


class _Message(NamedTuple):
    named: StreamKey
    head: Head
    payload: bytes
    """Empty where it is too long."""

    @property
    def size(self) -> int:
        """Bytes of the room."""
        return len(self.payload) + OVERHEAD


@dataclass(slots=True)
class Batch:
    """Polls to write together, each with its name; `rejected` are those that were not given to the store."""

    polls: list[Poll] = field(default_factory=list)
    names: list[tuple[StreamKey, int]] = field(default_factory=list)
    rejected: dict[StreamKey, dict[int, Refusal]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records it has, the rejected ones included."""
        return len(self.polls) + sum(map(len, self.rejected.values()))

    def first(self, count: int) -> Batch:
        """The first polls, to be written without the others."""
        return Batch(self.polls[:count], self.names[:count])

    def rest(self, count: int) -> Batch:
        """What follows the first polls."""
        return Batch(self.polls[count:], self.names[count:])

    def stored(self, refused: Mapping[int, Refusal]) -> dict[StreamKey, IntervalSet]:
        """The offsets that the store took, where `refused` is what its `write` returned."""
        offsets: dict[StreamKey, IntervalSet] = {}
        for index, (named, offset) in enumerate(self.names):
            if index not in refused:
                offsets.setdefault(named, IntervalSet()).add(offset)
        return offsets

    def refused(self, refused: Mapping[int, Refusal]) -> dict[StreamKey, dict[int, Refusal]]:
        """The offsets that it did not take, with the reasons."""
        refusals: dict[StreamKey, dict[int, Refusal]] = {}
        for index, reason in refused.items():
            named, offset = self.names[index]
            refusals.setdefault(named, {})[offset] = reason
        return refusals

    def add(self, named: StreamKey, head: Head, payload: bytes) -> None:
        """Decode one message into the batch; what cannot be decoded is rejected by its name."""
        try:
            if not payload:
                raise DataError(f"message: longer than {MAX_MESSAGE_BYTES} bytes")
            records = split_body(payload, head)
        except DataError as error:
            problem = Refusal(AckCode.BAD_MESSAGE, str(error))
            self.rejected.setdefault(named, {}).update(dict.fromkeys(head.offsets, problem))
            return
        for offset, record in zip(head.offsets, records, strict=True):
            try:
                poll = decode_record(record, edge=named.edge)
            except RefusalError as error:
                self.rejected.setdefault(named, {})[offset] = error.refusal
            except DataError as error:
                self.rejected.setdefault(named, {})[offset] = Refusal(AckCode.MALFORMED, str(error))
            else:
                self.polls.append(poll)
                self.names.append((named, offset))


class IngestQueue:
    """At most `room` bytes of messages: half of them live, half of the backlog.

    In each half the edges share the room and take turns (`FairQueue`). A batch ends with the live message in
    which `records` records or `batch_bytes` bytes are reached. With each goes one message of the backlog, or
    several that have `backlog_bytes` together: a live message that comes while they are written waits for no
    more.
    """

    def __init__(self, *, records: int, batch_bytes: int, backlog_bytes: int, room: int) -> None:
        self._batch_records = records
        self._batch_bytes = batch_bytes
        self._backlog_bytes = backlog_bytes
        self._lanes: dict[Lane, FairQueue[_Message]] = {lane: FairQueue(room // 2) for lane in Lane}
        self._bytes = dict.fromkeys(Lane, 0)
        self._count = 0
        self._arrived = asyncio.Event()
        self.dropped = 0
        """Messages that found no room, or made room for those of another edge."""
        self.dropped_of: Counter[str] = Counter()
        """The same by edge, of MAX_COUNTED edges."""
        self.max_dropped_edge = ""
        """The edge of which most were dropped."""

    @property
    def pending(self) -> bool:
        return any(self._lanes.values())

    @property
    def waiting_records(self) -> int:
        return self._count

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the room that are taken."""
        return sum(lane.bytes for lane in self._lanes.values())

    @property
    def batch_ready(self) -> bool:
        """Whether a whole batch is there, or all of the backlog that one may have."""
        return (
            self._count >= self._batch_records
            or self._bytes[Lane.LIVE] >= self._batch_bytes
            or self._bytes[Lane.BACKLOG] >= self._backlog_bytes
        )

    def add(self, lane: Lane, edge: str, payload: bytes) -> bool:
        """Keep a message; False when it, or others, had to be dropped. DataError when its head is none."""
        head = read_head(payload)
        message = _Message(
            StreamKey(edge, head.stream, head.epoch),
            head,
            payload if len(payload) <= MAX_MESSAGE_BYTES else b"",
        )
        self._note(lane, message, 1)
        dropped = self._lanes[lane].add(edge, message)
        for evicted in dropped:
            self._note(lane, evicted, -1)
            self._count_dropped(evicted.named.edge)
        self.dropped += len(dropped)
        self._arrived.set()
        return not dropped

    def _count_dropped(self, edge: str) -> None:
        if edge in self.dropped_of or len(self.dropped_of) < MAX_COUNTED:
            self.dropped_of[edge] += 1
            if self.dropped_of[edge] >= self.dropped_of[self.max_dropped_edge]:
                self.max_dropped_edge = edge

    async def wait_nonempty(self) -> None:
        await self._arrived.wait()

    def take(self) -> Batch:
        """The next batch: all live records before any of the backlog, and a little of that in any case."""
        batch, live, backlog = Batch(), self._lanes[Lane.LIVE], self._lanes[Lane.BACKLOG]
        size = 0
        while live and batch.records < self._batch_records and size < self._batch_bytes:
            size += self._move(Lane.LIVE, batch)
        size = 0
        while backlog and (not size or size + len(backlog.next().payload) <= self._backlog_bytes):
            size += self._move(Lane.BACKLOG, batch)
        if not live and not backlog:
            self._arrived.clear()
        return batch

    def _move(self, lane: Lane, batch: Batch) -> int:
        """The next message of a lane into the batch; returns its bytes."""
        message = self._lanes[lane].take()
        self._note(lane, message, -1)
        batch.add(message.named, message.head, message.payload)
        return len(message.payload) or MAX_MESSAGE_BYTES

    def _note(self, lane: Lane, message: _Message, sign: int) -> None:
        self._bytes[lane] += sign * len(message.payload)
        self._count += sign * len(message.head.offsets)
