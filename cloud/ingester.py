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

from cloud.acks import AckBuffer, StreamKey
from cloud.durability_confirmation import Durability
from cloud.edge_brokers import EdgeBrokers
from cloud.isolation import write_isolated
from cloud.owners import Owners
from cloud.queue import Batch, IngestQueue
from cloud.shared_names import SharedNames
from cloud.signer import Signer
from cloud.step_watch import StepWatch
from cloud.write_size import WriteSize
from qilu.contract.ack_codes import AckCode, Family, Refusal
from qilu.contract.errors import DataError, TimedOutError, UnreachableError
from qilu.contract.limits import name_problem
from qilu.contract.messages import Ack, Announcement, encode_ack, encode_notice
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import UnknownVersionError
from qilu.contract.topics import Topics
from qilu.mqtt.client import BrokerConnection, Message, RefusedError
from qilu.runtime.backoff import Backoff
from qilu.runtime.log_throttle import LogThrottle
from qilu.runtime.tasks import run_together
from qilu.stores.interfaces import Store

_log = logging.getLogger(__name__)

ACK_INTERVAL_S = 0.05
"""Seconds between two rounds of answers."""
_MAX_CONCURRENT_ACKS = 20  # answers under way together
_LONGEST_PAUSE = 10.0  # seconds between two tries to write into a store that is away
LONGEST_WRITE_S = 300.0
"""Seconds that one write may take, with the search for a poll at which the store fails; beyond, it hangs."""
LONGEST_ROUND_S = 900.0
"""Seconds that one round of acknowledgements, or of confirmations, may take; beyond, it hangs."""


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
class BatchLimits:
    """How much is written together, and how much may wait for it."""

    linger: float = 0.05
    """Seconds that records may wait for others."""
    max_records_per_write: int = 1000
    max_bytes_per_write: int = 4_000_000
    max_backlog_bytes_per_write: int = 64_000
    max_queue_bytes: int = 64_000_000


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
        limits: BatchLimits | None = None,
        owners: Mapping[str, str] = {},
        master_key: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or BatchLimits()
        self._store = store
        self._topics = topics
        self._ingester = ingester
        self._tally = tally
        self._random = random
        self._run = f"{random.getrandbits(64):016x}"
        self._linger = limits.linger
        self._clock = clock
        self._queue = IngestQueue(
            records=limits.max_records_per_write,
            batch_bytes=limits.max_bytes_per_write,
            backlog_bytes=limits.max_backlog_bytes_per_write,
            room=limits.max_queue_bytes,
        )
        self._acks = AckBuffer(store.identity, ingester, store.durability_delay)
        self._log_throttle = LogThrottle(_log)
        self._shared_names = SharedNames()
        self._owners = Owners(owners)
        self._master_key = master_key
        self._write_size = WriteSize(limits.max_records_per_write)
        self._steps = StepWatch(clock)
        self._durability = Durability(store, self._acks, self._refuse, self._complain, clock)
        self._waiting_since: float | None = None
        self._edge_brokers = EdgeBrokers()
        self.store_error = ""
        """Why the store took nothing at the last try; empty while it does."""

    async def serve(
        self, link: BrokerConnection, filters: Sequence[str], ready: Callable[[], None], broker: str = ""
    ) -> None:
        """Take what comes over `link` and answer there, until cancelled; UnreachableError when it is lost.

        `broker`: one of several that have a link at the same time. An edge is answered over the link to the
        broker from which its last message came.
        """

        signer = self._signer()

        async def start() -> None:
            await link.subscribe(filters)
            await self._announce(link)
            ready()

        await run_together(
            {
                "receive records": self._receive(link, broker),
                "answer": self._send_acks(link, signer, broker),
                "subscribe": start(),
            }
        )

    async def fill(self) -> None:
        """Write what waits into the store, until cancelled, link or not."""
        while True:
            await self._queue.wait_nonempty()
            if self._waiting_since is None:
                self._waiting_since = self._clock()
            if not self._queue.batch_ready:
                await asyncio.sleep(self._linger)
            batch = self._owners.refuse_foreign(self._queue.take())
            for named, refused in batch.rejected.items():
                self._refuse(named, refused)
            if batch.polls:
                await self._write(batch)
            if not self._queue.pending:
                self._waiting_since = None

    def problem(self) -> str | None:
        """Why it does not work: a step that does not end. None while it works or waits for the store."""
        problem = self._steps.problem()
        return None if problem is None else f"store {self._store.identity}: {problem}"

    @property
    def queued_records(self) -> int:
        return self._queue.waiting_records

    def lag_s(self) -> float:
        """For how long records wait for the store without a pause; 0 while none waits."""
        return 0.0 if self._waiting_since is None else self._clock() - self._waiting_since

    @property
    def queued_bytes(self) -> int:
        return self._queue.waiting_bytes

    @property
    def unconfirmed_records(self) -> int:
        """Records that are stored and not known to be durable."""
        return self._durability.records

    async def confirm(self) -> None:
        """Acknowledge as durable what the store has kept for its horizon, until cancelled, link or not."""
        await self._durability.run(lambda: self._steps.step("a confirmation", LONGEST_ROUND_S))

    # Coming in.

    async def _receive(self, link: BrokerConnection, broker: str) -> None:
        discarded = 0
        async for message in link.messages():
            self._tally.messages += 1
            if link.discarded > discarded:
                self._tally.discarded += link.discarded - discarded
                discarded = link.discarded
                text = f"{self._tally.discarded} messages found no room since the start; they come again, but"
                self._complain("discarded", f"{text} late: add an ingester, or a faster machine")
            try:
                self._take(message, broker)
            except UnknownVersionError as error:  # never answered: an ingester that knows it will come
                self._tally.unknown_versions += 1
                self._complain("version", f"{message.topic[:200]}: left for a newer ingester: {error}")
            except DataError as error:
                self._tally.foreign += 1
                self._complain("foreign", f"{message.topic[:200]}: ignored: {error}")

    def _take(self, message: Message, broker: str) -> None:
        lane, edge = self._topics.sender(message.topic)
        if problem := name_problem("an edge", edge):
            raise DataError(problem)
        self._edge_brokers.record(edge, broker)
        if not self._queue.add(lane, edge, message.payload):
            self._tally.overflow = self._queue.dropped
            edge = self._queue.max_dropped_edge
            self._complain(
                "overflow",
                f"messages found no room and are sent again, {self._queue.dropped} since the start, of which"
                f" {self._queue.dropped_of[edge]} are of edge {edge}: the store is too slow or away, or that"
                " edge sends too much",
            )

    # Going into the store.

    async def _write(self, batch: Batch) -> None:
        """Write all of `batch`, after as many tries as it takes and in as many writes."""
        backoff = Backoff(self._random, max_s=_LONGEST_PAUSE)
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
                self.store_error = str(error)
                self._complain("store", f"store {self._store.identity}: {error}")
                await asyncio.sleep(backoff.next(error.retry_after))
            else:
                self.store_error = ""
                self._write_size.fitted(records)
                backoff.reset()
                batch = batch.rest(records)

    async def _write_part(self, part: Batch) -> None:
        with self._steps.step("a write", LONGEST_WRITE_S):
            # Asked before the write: a crash in between then costs a re-send, never a record.
            mark = await self._store.mark()
            started_at = self._clock()
            refused = await write_isolated(self._store, part.polls)
        self._tally.write_seconds += self._clock() - started_at
        for warning in self._shared_names.observe(poll.origin.key for poll in part.polls):
            self._complain("shared names", warning)
        for named, offsets in part.stored(refused).items():
            self._acks.stored(named, offsets)
        self._durability.took(mark, part.polls, part.names, refused)
        for named, refusals in part.refused(refused).items():
            self._refuse(named, refusals)
        self._tally.batches += 1
        self._tally.records += len(part.polls)
        self._tally.points += sum(poll.size for poll in part.polls)

    def _refuse(self, named: StreamKey, refused: Mapping[int, Refusal]) -> None:
        by_code: dict[AckCode, IntervalSet] = {}
        for offset, refusal in refused.items():
            by_code.setdefault(refusal.code, IntervalSet()).add(offset)
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
                f" {code} ({offsets.take(1000)}): {refused[offsets.first()].text}; {code.remedy}",
            )
        self._acks.refused(named, refused)

    # Going out.

    async def _send_acks(self, link: BrokerConnection, signer: Signer | None, broker: str) -> None:
        try:
            while True:
                await asyncio.sleep(ACK_INTERVAL_S)
                due = iter(self._acks.take_due(lambda edge: self._edge_brokers.of(edge, broker)))
                with self._steps.step("a round of acknowledgements", LONGEST_ROUND_S):
                    while batch := list(islice(due, _MAX_CONCURRENT_ACKS)):
                        publishing = (self._publish_ack(link, edge, ack, signer) for edge, ack in batch)
                        await asyncio.gather(*publishing)
        except asyncio.CancelledError:
            await self._clear_announcement(link)
            raise

    def _signer(self) -> Signer | None:
        """With the key as it is now: another link may find another one."""
        master = self._master_key()
        return None if master is None else Signer(master, self._store.identity)

    async def _publish_ack(self, link: BrokerConnection, edge: str, ack: Ack, signer: Signer | None) -> None:
        message = encode_ack(ack)
        try:
            await link.publish(self._topics.ack(edge), message if signer is None else signer(message, edge))
        except RefusedError as error:
            self._complain("answer", f"{edge} cannot be answered, and will send for ever: {error}")

    async def _announce(self, link: BrokerConnection) -> None:
        announcement = Announcement(
            self._ingester, self._store.identity, self._store.durability_delay, self._run
        )
        try:
            await link.publish(
                self._topics.ingester(self._ingester), encode_notice(announcement), retain=True
            )
        except RefusedError as error:  # edges then assume a long horizon
            self._complain("announcement", f"cannot announce this ingester: {error}")

    async def _clear_announcement(self, link: BrokerConnection) -> None:
        """Remove the announcement in good order; where that fails the will does it."""
        try:
            async with asyncio.timeout(1):
                await link.publish(self._topics.ingester(self._ingester), b"", retain=True)
        except (UnreachableError, RefusedError, TimeoutError) as error:
            _log.debug("the announcement stays until the will removes it: %s", error)

    def _complain(self, kind: str, text: str) -> None:
        self._log_throttle.warn(kind, text, self._clock())
