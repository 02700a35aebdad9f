"""Messages that wait for the store, live ones first, and the batches that are written together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cloud.answers import Named
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import DataError
from qilu.contract.ranges import Ranges
from qilu.contract.reading import Poll
from qilu.contract.topics import Lane
from qilu.contract.wire import Head, decode_record, read_head, split_body


class _Message(NamedTuple):
    named: Named
    head: Head
    payload: bytes


@dataclass(slots=True)
class Batch:
    """Polls to write together, each with its name; `rejected` are those that were not given to the store."""

    polls: list[Poll] = field(default_factory=list)
    names: list[tuple[Named, int]] = field(default_factory=list)
    rejected: dict[Named, dict[int, Refusal]] = field(default_factory=dict)

    def first(self, count: int) -> Batch:
        """The first polls, to be written without the others."""
        return Batch(self.polls[:count], self.names[:count])

    def rest(self, count: int) -> Batch:
        """What follows the first polls."""
        return Batch(self.polls[count:], self.names[count:])

    def stored(self, refused: Mapping[int, Refusal]) -> dict[Named, Ranges]:
        """The offsets that the store took, where `refused` is what its `write` returned."""
        found: dict[Named, Ranges] = {}
        for index, (named, offset) in enumerate(self.names):
            if index not in refused:
                found.setdefault(named, Ranges()).add(offset)
        return found

    def refused(self, refused: Mapping[int, Refusal]) -> dict[Named, dict[int, Refusal]]:
        """The offsets that it did not take, with the reasons."""
        found: dict[Named, dict[int, Refusal]] = {}
        for index, reason in refused.items():
            named, offset = self.names[index]
            found.setdefault(named, {})[offset] = reason
        return found

    def add(self, named: Named, head: Head, payload: bytes) -> None:
        """Decode one message into the batch; what cannot be decoded is rejected by its name."""
        try:
            records = split_body(payload, head)
        except DataError as error:
            problem = Refusal(AckCode.BAD_MESSAGE, str(error))
            self.rejected.setdefault(named, {}).update(dict.fromkeys(head.offsets.head(_NAMED), problem))
            return
        for offset, record in zip(head.offsets, records, strict=True):
            try:
                poll = decode_record(record)
                if poll.origin.edge != named.edge:
                    text = f"record: of edge {poll.origin.edge!r}, sent by {named.edge!r}"
                    raise RefusalError(Refusal(AckCode.WRONG_EDGE, text))
            except RefusalError as error:
                self.rejected.setdefault(named, {})[offset] = error.refusal
            except DataError as error:
                self.rejected.setdefault(named, {})[offset] = Refusal(AckCode.MALFORMED, str(error))
            else:
                self.polls.append(poll)
                self.names.append((named, offset))


_NAMED = 1000
"""Offsets answered for one undecodable body; a forged head could name more than there are."""


class Waiting:
    """At most `room` bytes of messages, of which the backlog may take half.

    A batch ends with the live message in which `records` records or `batch_bytes` bytes are reached. With
    each goes one message of the backlog, or several that have `backlog_bytes` together: a live message that
    comes while they are written waits for no more.
    """

    def __init__(self, *, records: int, batch_bytes: int, backlog_bytes: int, room: int) -> None:
        self._records = records
        self._batch_bytes = batch_bytes
        self._backlog_bytes = backlog_bytes
        self._room = {Lane.LIVE: room, Lane.BACKLOG: room // 2}
        self._lanes: dict[Lane, deque[_Message]] = {lane: deque() for lane in Lane}
        self._bytes = dict.fromkeys(Lane, 0)
        self._count = 0
        self._arrived = asyncio.Event()

    @property
    def enough(self) -> bool:
        """Whether a whole batch is there, or all of the backlog that one may have."""
        return (
            self._count >= self._records
            or self._bytes[Lane.LIVE] >= self._batch_bytes
            or self._bytes[Lane.BACKLOG] >= self._backlog_bytes
        )

    def add(self, lane: Lane, edge: str, payload: bytes) -> bool:
        """Keep a message; False when there is no room. DataError when its head cannot be read."""
        head = read_head(payload)
        if sum(self._bytes.values()) + len(payload) > self._room[lane]:
            return False
        self._lanes[lane].append(_Message(Named(edge, head.stream), head, payload))
        self._bytes[lane] += len(payload)
        self._count += len(head.offsets)
        self._arrived.set()
        return True

    async def some(self) -> None:
        """Return when there is a message."""
        await self._arrived.wait()

    def take(self) -> Batch:
        """The next batch: all live records before any of the backlog, and a little of that in any case."""
        batch, live, backlog = Batch(), self._lanes[Lane.LIVE], self._lanes[Lane.BACKLOG]
        size = 0
        while live and len(batch.polls) < self._records and size < self._batch_bytes:
            size += self._move(Lane.LIVE, batch)
        size = 0
        while backlog and (not size or size + len(backlog[0].payload) <= self._backlog_bytes):
            size += self._move(Lane.BACKLOG, batch)
        if not live and not backlog:
            self._arrived.clear()
        return batch

    def _move(self, lane: Lane, batch: Batch) -> int:
        """The oldest message of a lane into the batch; returns its bytes."""
        named, head, payload = self._lanes[lane].popleft()
        self._bytes[lane] -= len(payload)
        self._count -= len(head.offsets)
        batch.add(named, head, payload)
        return len(payload)
