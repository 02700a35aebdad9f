"""A store in memory that a test can make fail, refuse and forget; an edge that sends until it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack, Announcement, decode_ack, decode_announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_message, encode_record
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.stores.confirmation import Confirmation, Mark, Write, same_incarnation

Sample = tuple[str, str, int]
"""Device, point, time: what identifies a sample."""


@dataclass
class MemoryStore:
    """Keeps samples in `kept`; `down` makes it unreachable, `refuses` names devices it will not take."""

    identity: str = "memory"
    durability_delay: float = 0.0
    kept: dict[Sample, object] = field(default_factory=dict)
    writes: list[list[Poll]] = field(default_factory=list)
    tries: int = 0
    down: bool = False
    run: int = 1
    refuses: frozenset[str] = frozenset()
    wrote: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def mark(self) -> Mark:
        if self.down:
            raise UnreachableError("down, as the test wants it")
        return Mark(f"run {self.run}")

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        return same_incarnation(writes, await self.mark())

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        self.tries += 1
        if self.down:
            raise UnreachableError("down, as the test wants it", retry_after=0.01)
        refused = {}
        for index, poll in enumerate(polls):
            if poll.origin.device in self.refuses:
                refused[index] = Refusal(AckCode.BAD_NAME, f"device {poll.origin.device} is not wanted")
                continue
            for reading in poll.readings:
                for point, value in zip(reading.columns.points, reading.values, strict=True):
                    self.kept[poll.origin.device, point, reading.time_ms] = value
        self.writes.append(list(polls))
        self.wrote.set()
        return refused

    def times(self, device: str) -> list[int]:
        """The times of a device's samples, rising."""
        return sorted({time for known, _, time in self.kept if known == device})


def record(edge: str, device: str, time_ms: int, *values: float) -> bytes:
    """One record of one reading."""
    points = tuple(f"point_{number}" for number in range(len(values) or 1))
    columns = BlockSchema(Origin(edge, device, "press"), "fast", points)
    return encode_record(Poll(time_ms, (Reading(columns, time_ms, values or (1.0,)),)))


class Edge:
    """A small edge: publishes records and hears the answers; sends again whatever is not durable."""

    def __init__(self, settings: MqttSettings, name: str = "edge-1", stream: int = 0xED6E) -> None:
        self.settings = settings
        self.topics = settings.topics
        self.name = name
        self.stream = stream
        self.answers: list[Ack] = []
        self.announcements: dict[str, Announcement | None] = {}
        self.stored = IntervalSet()
        self.durable = IntervalSet()
        self.rejected: dict[int, Refusal] = {}
        self.deferred: dict[AckCode, IntervalSet] = {}
        self._news = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.link = await stack.enter_async_context(BrokerConnection(self.settings, self.name))
            await self.link.subscribe([self.topics.ack(self.name), self.topics.ingesters_filter()])
            listening = asyncio.create_task(self._listen())
            stack.callback(listening.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _listen(self) -> None:
        async for message in self.link.messages():
            if message.topic == self.topics.ack(self.name):
                answer = decode_ack(message.payload)
                self.answers.append(answer)
                self.stored.update(answer.stored)
                self.durable.update(answer.durable)
                self.rejected.update(answer.rejected)
                for code, offsets in answer.deferred.items():
                    self.deferred.setdefault(code, IntervalSet()).update(offsets)
            else:
                who = message.topic.rpartition("/")[2]
                payload = message.payload
                self.announcements[who] = decode_announcement(payload) if payload else None
            self._news.set()

    async def send(self, offsets: IntervalSet, records: Sequence[bytes], lane: Lane = Lane.LIVE) -> None:
        """Publish one message."""
        await self.raw(encode_message(self.stream, offsets, records), lane)

    async def raw(self, payload: bytes, lane: Lane = Lane.LIVE) -> None:
        """Publish any bytes where records are expected."""
        await self.link.publish(self.topics.records(lane, self.name), payload)

    async def until(
        self, *, durable: int = 0, stored: int = 0, rejected: int = 0, deferred: int = 0, within: float = 60
    ) -> None:
        """Return when at least so many records were answered in each way."""
        async with asyncio.timeout(within):
            while (
                len(self.durable) < durable
                or len(self.stored) < stored
                or len(self.rejected) < rejected
                or sum(map(len, self.deferred.values())) < deferred
            ):
                self._news.clear()
                await self._news.wait()

    async def until_announced(self, *ingesters: str) -> None:
        """Return when these ingesters, and no others, stand announced."""
        async with asyncio.timeout(60):
            while {name for name, known in self.announcements.items() if known} != set(ingesters):
                self._news.clear()
                await self._news.wait()

    async def deliver(self, records: Mapping[int, bytes], *, patience: float = 0.5) -> None:
        """Send, and send again, until every record is durable."""
        async with asyncio.timeout(90):
            while missing := [offset for offset in records if offset not in self.durable]:
                for start in range(0, len(missing), 20):
                    some = missing[start : start + 20]
                    await self.send(IntervalSet.of(some), [records[offset] for offset in some], Lane.BACKLOG)
                try:
                    async with asyncio.timeout(patience):
                        while not all(offset in self.durable for offset in records):
                            self._news.clear()
                            await self._news.wait()
                except TimeoutError:
                    pass
