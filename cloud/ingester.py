"""The whole ingester on one screen: messages come in, records go into the store, answers go out.

    link ▶ waiting ▶ store ▶ answers ▶ link

It keeps nothing on disk: what it did not answer, the edges send again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from cloud.answers import Answers, Named
from cloud.waiting import Batch, Waiting
from qilu.contract.errors import DataError, UnreachableError
from qilu.contract.notices import Announcement, encode_answer, encode_notice
from qilu.contract.ranges import Ranges
from qilu.contract.reading import Poll
from qilu.contract.topics import Lane, Topics
from qilu.contract.wire import UnknownVersionError
from qilu.mqtt.client import Link, Message, RefusedError
from qilu.runtime.backoff import Backoff
from qilu.stores.components import Store

_log = logging.getLogger(__name__)

_ANSWER_EVERY = 0.05
"""Seconds between two rounds of answers."""


@dataclass(slots=True)
class Tally:
    """What was done since the start."""

    messages: int = 0
    records: int = 0
    points: int = 0
    rejected: int = 0
    unknown_versions: int = 0
    foreign: int = 0
    """Messages on our topics that are none of ours."""
    overflow: int = 0
    """Messages that found no room; their edges send them again."""
    batches: int = 0


class Ingester:
    """Fills `store` from one link at a time; lives as long as the link."""

    def __init__(
        self,
        link: Link,
        store: Store,
        topics: Topics,
        ingester: str,
        *,
        filters: list[str],
        linger: float,
        batch_records: int,
        waiting_bytes: int,
        tally: Tally,
        random: Random,
    ) -> None:
        self._link = link
        self._store = store
        self._topics = topics
        self._ingester = ingester
        self._filters = filters
        self._linger = linger
        self._tally = tally
        self._random = random
        self._waiting = Waiting(batch_records, waiting_bytes)
        self._answers = Answers(store.identity, ingester, store.horizon)

    async def run(self) -> None:
        """Until cancelled; UnreachableError when the link is lost."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(), name="receive records")
            tasks.create_task(self._fill(), name="fill the store")
            tasks.create_task(self._answer(), name="answer")
            await self._link.subscribe(self._filters)
            announcement = Announcement(self._ingester, self._store.identity, self._store.horizon)
            await self._link.publish(
                self._topics.ingester(self._ingester), encode_notice(announcement), retain=True
            )

    async def _receive(self) -> None:
        async for message in self._link.messages():
            self._tally.messages += 1
            try:
                self._take(message)
            except UnknownVersionError as error:  # never answered: an ingester that knows it will come
                self._tally.unknown_versions += 1
                _log.warning("%s: left alone: %s", message.topic, error)
            except DataError as error:
                self._tally.foreign += 1
                _log.warning("%s: ignored: %s", message.topic, error)

    def _take(self, message: Message) -> None:
        lane, edge = self._topics.sender(message.topic)
        if not self._waiting.add(lane, edge, message.payload):
            self._tally.overflow += 1

    async def _fill(self) -> None:
        while True:
            await self._waiting.some()
            if not self._waiting.enough:
                await asyncio.sleep(self._linger)
            batch = self._waiting.take()
            for named, reasons in batch.rejected.items():
                self._reject(named, reasons)
            if batch.polls:
                await self._write(batch)

    async def _write(self, batch: Batch) -> None:
        incarnation, refused = await self._stored(batch.polls)
        now = time.monotonic()
        for named, offsets in batch.stored(refused).items():
            self._answers.stored(named, offsets, incarnation, now)
        for named, reasons in batch.refused(refused).items():
            self._reject(named, reasons)
        self._tally.batches += 1
        self._tally.records += len(batch.polls)
        self._tally.points += sum(poll.size for poll in batch.polls)

    async def _stored(self, polls: list[Poll]) -> tuple[str, Mapping[int, str]]:
        """The store's incarnation and what it refused, after as many tries as it takes."""
        backoff = Backoff(self._random)
        while True:
            try:
                incarnation = await self._store.incarnation()
                return incarnation, await self._store.write(polls)
            except UnreachableError as error:
                _log.warning("store %s: %s", self._store.identity, error)
                await asyncio.sleep(backoff.next(error.retry_after))

    def _reject(self, named: Named, reasons: dict[int, str]) -> None:
        self._tally.rejected += len(reasons)
        _log.error(
            "%s: %d records of stream %016x rejected (%s): %s",
            *(named.edge, len(reasons), named.stream, Ranges.of(reasons), next(iter(reasons.values()))),
        )
        self._answers.rejected(named, reasons)

    async def _answer(self) -> None:
        while True:
            await asyncio.sleep(_ANSWER_EVERY)
            now = time.monotonic()
            for edge, answer in self._answers.due(await self._incarnation(now), now):
                try:
                    await self._link.publish(self._topics.answer(edge), encode_answer(answer), qos=0)
                except RefusedError as error:
                    _log.error("%s cannot be answered: %s", edge, error)

    async def _incarnation(self, now: float) -> str | None:
        if not self._answers.matures(now):
            return None
        try:
            return await self._store.incarnation()
        except UnreachableError as error:
            _log.warning("store %s: %s", self._store.identity, error)
            return None


def filters(topics: Topics, share: str | None) -> list[str]:
    """What to subscribe to; `share` names the group that shares the records, None asks for all of them."""
    wanted = [topics.every_record(lane) for lane in Lane]
    return wanted if share is None else [f"$share/{share}/{one}" for one in wanted]
