"""The whole ingester on one screen: messages come in, records go into the store, answers go out.

    link ▶ waiting ▶ store ▶ answers ▶ link

It keeps nothing on disk: what it did not answer, the edges send again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from cloud.acks import Answers, Named
from cloud.durability import Durability
from cloud.isolation import write_isolated
from cloud.owners import Owners
from cloud.queue import Batch, Waiting
from cloud.shared_names import SharedNames
from cloud.write_size import WriteSize
from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.errors import DataError, TimedOutError, UnreachableError
from qilu.contract.limits import name_problem
from qilu.contract.messages import Announcement, Answer, encode_answer, encode_notice
from qilu.contract.ranges import Ranges
from qilu.contract.record_codec import UnknownVersionError
from qilu.contract.topics import Topics
from qilu.mqtt.client import Link, Message, RefusedError
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import Complaints
from qilu.runtime.tasks import run_together
from qilu.stores.interfaces import Store

_log = logging.getLogger(__name__)

ANSWER_EVERY = 0.05
"""Seconds between two rounds of answers."""
_AT_ONCE = 20  # answers under way together
_LONGEST_PAUSE = 10.0  # seconds between two tries to write into a store that is away


@dataclass(slots=True)
class Tally:
    """What was done since the start."""

    messages: int = 0
    records: int = 0
    points: int = 0
    rejected: int = 0
    deferred: int = 0
    not_owner: int = 0
    """Of the deferred ones: records of devices that belong to another edge."""
    lost_values: int = 0
    """Values left out of records that were stored in part."""
    unknown_versions: int = 0
    foreign: int = 0
    """Messages on our topics that are none of ours."""
    overflow: int = 0
    """Messages that found no room; their edges send them again."""
    discarded: int = 0
    """Messages that the link had no room for, before they were read; their edges send them again."""
    batches: int = 0
    write_seconds: float = 0.0
    """Spent in writes that the store took, or partly took."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is written together, and how much may wait for it."""

    linger: float = 0.05
    """Seconds that records may wait for others."""
    batch_records: int = 1000
    batch_bytes: int = 4_000_000
    backlog_bytes: int = 64_000
    waiting_bytes: int = 64_000_000


class Ingester:
    """Fills one store and answers for it, over one link after the other."""

    def __init__(
        self,
        store: Store,
        topics: Topics,
        ingester: str,
        *,
        tally: Tally,
        random: Random,
        bounds: Bounds | None = None,
        owners: Mapping[str, str] = {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        bounds = bounds or Bounds()
        self._store = store
        self._topics = topics
        self._ingester = ingester
        self._tally = tally
        self._random = random
        self._run = f"{random.getrandbits(64):016x}"
        self._linger = bounds.linger
        self._clock = clock
        self._waiting = Waiting(
            records=bounds.batch_records,
            batch_bytes=bounds.batch_bytes,
            backlog_bytes=bounds.backlog_bytes,
            room=bounds.waiting_bytes,
        )
        self._answers = Answers(store.identity, ingester, store.horizon)
        self._complaints = Complaints(_log)
        self._shared_names = SharedNames()
        self._owners = Owners(owners)
        self._write_size = WriteSize(bounds.batch_records)
        self._durability = Durability(store, self._answers, self._refuse, self._complain, clock)

    async def serve(self, link: Link, filters: Sequence[str], ready: Callable[[], None]) -> None:
        """Take what comes over `link` and answer there, until cancelled; UnreachableError when it is lost."""

        async def begin() -> None:
            await link.subscribe(filters)
            await self._announce(link)
            ready()

        await run_together(
            {"receive records": self._receive(link), "answer": self._answer(link), "subscribe": begin()}
        )

    async def fill(self) -> None:
        """Write what waits into the store, until cancelled, link or not."""
        while True:
            await self._waiting.some()
            if not self._waiting.enough:
                await asyncio.sleep(self._linger)
            batch = self._owners.refuse_foreign(self._waiting.take())
            for named, refused in batch.rejected.items():
                self._refuse(named, refused)
            if batch.polls:
                await self._write(batch)

    async def confirm(self) -> None:
        """Acknowledge as durable what the store has kept for its horizon, until cancelled, link or not."""
        await self._durability.run()

    # Coming in.

    async def _receive(self, link: Link) -> None:
        discarded = 0
        async for message in link.messages():
            self._tally.messages += 1
            if link.discarded > discarded:
                self._tally.discarded += link.discarded - discarded
                discarded = link.discarded
                text = f"{self._tally.discarded} messages found no room since the start; they come again, but"
                self._complain("discarded", f"{text} late: add an ingester, or a faster machine")
            try:
                self._take(message)
            except UnknownVersionError as error:  # never answered: an ingester that knows it will come
                self._tally.unknown_versions += 1
                self._complain("version", f"{message.topic[:200]}: left for a newer ingester: {error}")
            except DataError as error:
                self._tally.foreign += 1
                self._complain("foreign", f"{message.topic[:200]}: ignored: {error}")

    def _take(self, message: Message) -> None:
        lane, edge = self._topics.sender(message.topic)
        if problem := name_problem("an edge", edge):
            raise DataError(problem)
        if not self._waiting.add(lane, edge, message.payload):
            self._tally.overflow = self._waiting.dropped
            self._complain("overflow", "the store is too slow, or away: what does not fit will be sent again")

    # Going into the store.

    async def _write(self, batch: Batch) -> None:
        """Write all of `batch`, after as many tries as it takes and in as many writes."""
        backoff = Backoff(self._random, most=_LONGEST_PAUSE)
        while batch.polls:
            part = batch.first(self._write_size.records or len(batch.polls))
            records = len(part.polls)
            try:
                await self._write_part(part)
            except TimedOutError as error:
                self._write_size.too_long(records)
                self._complain(
                    "timeout",
                    f"store {self._store.identity}: {records} records in one write were too many:"
                    f" {self._write_size.records} are tried now: {error}",
                )
                if records == 1:
                    await asyncio.sleep(backoff.next(error.retry_after))
            except UnreachableError as error:
                self._complain("store", f"store {self._store.identity}: {error}")
                await asyncio.sleep(backoff.next(error.retry_after))
            else:
                self._write_size.fitted(records)
                backoff.reset()
                batch = batch.rest(records)

    async def _write_part(self, part: Batch) -> None:
        # Asked before the write: a crash in between then costs a re-send, never a record.
        mark = await self._store.mark()
        began = self._clock()
        refused = await write_isolated(self._store, part.polls)
        self._tally.write_seconds += self._clock() - began
        for warning in self._shared_names.observe(poll.origin.key for poll in part.polls):
            self._complain("shared names", warning)
        for named, offsets in part.stored(refused).items():
            self._answers.stored(named, offsets)
        self._durability.took(mark, part.polls, part.names, refused)
        for named, some in part.refused(refused).items():
            self._refuse(named, some)
        self._tally.batches += 1
        self._tally.records += len(part.polls)
        self._tally.points += sum(poll.size for poll in part.polls)

    def _refuse(self, named: Named, refused: Mapping[int, Refusal]) -> None:
        by_code: dict[AckCode, Ranges] = {}
        for offset, one in refused.items():
            by_code.setdefault(one.code, Ranges()).add(offset)
        for code, offsets in by_code.items():
            if code.family is Family.REJECTED:
                self._tally.rejected += len(offsets)
                self._tally.lost_values += sum(refused[offset].values for offset in offsets)
            else:
                self._tally.deferred += len(offsets)
            if code is AckCode.NOT_OWNER:
                self._tally.not_owner += len(offsets)
            self._complain(
                f"refused {code}",
                f"{named.edge}: {len(offsets)} records of stream {named.stream:016x} {code.family.value} as"
                f" {code} ({offsets.head(1000)}): {refused[offsets.first()].text}; {code.remedy}",
            )
        self._answers.refused(named, refused)

    # Going out.

    async def _answer(self, link: Link) -> None:
        try:
            while True:
                await asyncio.sleep(ANSWER_EVERY)
                due = iter(self._answers.due())
                while some := list(islice(due, _AT_ONCE)):
                    await asyncio.gather(*(self._say(link, edge, answer) for edge, answer in some))
        except asyncio.CancelledError:
            await self._withdraw(link)
            raise

    async def _say(self, link: Link, edge: str, answer: Answer) -> None:
        try:
            await link.publish(self._topics.answer(edge), encode_answer(answer))
        except RefusedError as error:
            self._complain("answer", f"{edge} cannot be answered, and will send for ever: {error}")

    async def _announce(self, link: Link) -> None:
        announcement = Announcement(self._ingester, self._store.identity, self._store.horizon, self._run)
        try:
            await link.publish(
                self._topics.ingester(self._ingester), encode_notice(announcement), retain=True
            )
        except RefusedError as error:  # edges then assume a long horizon
            self._complain("announcement", f"cannot announce this ingester: {error}")

    async def _withdraw(self, link: Link) -> None:
        """Remove the announcement in good order; where that fails the will does it."""
        try:
            async with asyncio.timeout(1):
                await link.publish(self._topics.ingester(self._ingester), b"", retain=True)
        except (UnreachableError, RefusedError, TimeoutError) as error:
            _log.debug("the announcement stays until the will removes it: %s", error)

    def _complain(self, kind: str, text: str) -> None:
        self._complaints.tell(kind, text, self._clock())
