"""Sends records to ingesters over MQTT and receives their answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import groupby
from random import Random, SystemRandom
from types import TracebackType
from typing import Self

import msgspec

from gateway.interfaces import Edges, Record
from gateway.sinks.ack_verifier import AckVerifier
from gateway.sinks.adopted_edges import AdoptedEdges
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import DataError, LinkEnd, LinkLostError, UnreachableError
from qilu.contract.messages import (
    Ack,
    Announcement,
    Status,
    decode_ack,
    decode_announcement,
    decode_status,
    encode_notice,
)
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import encode_message
from qilu.contract.topics import Lane
from qilu.mqtt.client import IN_FLIGHT, BrokerConnection, Message, RefusedError
from qilu.mqtt.hosts import HostChoice
from qilu.mqtt.keepalive import Keepalive
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.log_throttle import LogThrottle
from qilu.runtime.tasks import flatten

_log = logging.getLogger(__name__)

BROKER = "broker"
"""The store id of answers that stand for a PUBACK: with `free_on: broker` the promise ends there."""

MAX_CONCURRENT_PUBLISHES = IN_FLIGHT // 2
"""Messages of one lane, of a device each, on their way together: the other lane has room on the link, too."""

INGESTER_TIMEOUT_S = 60.0
"""Seconds without any sign of an ingester, after which another broker is tried where there is one."""

_MAX_INGESTERS = 1000
_TOO_LARGE = 0x95

_DISCARDED = "what they say comes again, but late: the machine is too slow, or a stranger floods our topics"


class _Device(msgspec.Struct):
    device: str


_device = msgspec.json.Decoder(_Device)


class MqttSink:
    """One edge at its broker; can be entered again after the link was lost.

    `boot` distinguishes this run from the one before: a late will of that one must not leave the edge
    offline. `per_device`: a topic, and so a message, for each device instead of one for the edge. `edges`:
    records of an adopted edge travel on the topics of that one. `random` chooses the first of several
    brokers; `ingester_timeout_s`: seconds without an ingester after which another one is tried.
    """

    def __init__(
        self,
        settings: MqttSettings,
        edge: str,
        boot: str,
        now_ms: Callable[[], int],
        *,
        per_device: bool = False,
        ack_by_broker: bool = False,
        edges: Edges | None = None,
        verifier: AckVerifier | None = None,
        random: Random | None = None,
        ingester_timeout_s: float = INGESTER_TIMEOUT_S,
    ) -> None:
        self._ingester_timeout_s = ingester_timeout_s
        self._hosts = HostChoice(settings, random or SystemRandom())
        self._topics = settings.topics
        self._edge = edge
        self._boot = boot
        self._now_ms = now_ms
        self._per_device = per_device
        self._ack_by_broker = ack_by_broker
        self._edges = edges
        self._verifier = verifier
        self._adopted = None if edges is None or ack_by_broker else AdoptedEdges(edge, edges)
        self._acknowledged: asyncio.Queue[Ack] = asyncio.Queue(maxsize=1000)
        self._keepalive = Keepalive(settings.keepalive)
        self._link: BrokerConnection | None = None
        self._links = 0
        self._linked_at = self._ingester_seen_at = 0.0
        self._no_ingester = ""  # why the link is given up: no ingester was heard
        self._ingesters: set[str] = set()  # topics of those whose announcement stands
        self._discarded = 0
        self._foreign_statuses: list[Status] = []
        self._ack_subscriptions: set[str] = set()
        self._stack = AsyncExitStack()
        self._complaints = LogThrottle(_log)

    async def __aenter__(self) -> Self:
        if self._verifier is not None:
            self._verifier.read_keys()
        will = Message(self._topics.status(self._edge), self._status("offline"), retain=True)
        async with AsyncExitStack() as stack:
            link = await stack.enter_async_context(
                self._hosts.link(f"qilu-{self._edge}", will=will, keepalive=self._keepalive)
            )
            wanted = [self._topics.status(self._edge)]
            if not self._ack_by_broker:
                wanted += [self._topics.ack(self._edge), self._topics.ingesters_filter()]
            await link.subscribe(wanted)
            await self._announce(link)
            self._stack = stack.pop_all()
        self._link, self._ack_subscriptions = link, {self._edge}
        self._ingesters.clear()
        self._linked_at = self._ingester_seen_at = time.monotonic()
        self._no_ingester = ""
        self._links += 1
        return self

    @property
    def unsigned_acks(self) -> int:
        """Acknowledgements without a valid signature, since the start."""
        return 0 if self._verifier is None else self._verifier.unsigned

    @property
    def discarded(self) -> int:
        """Messages of the broker that found no room here, since the start."""
        return self._discarded + (0 if self._link is None else self._link.discarded)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discarded = self.discarded
        if self._adopted is not None:
            self._adopted.link_lost()
        link, self._link = self._link, None
        if isinstance(error, UnreachableError | BaseExceptionGroup):
            if self._no_ingester:
                self._hosts.leave(self._no_ingester)
            else:
                self._hosts.ended(time.monotonic() - self._linked_at)
        try:
            if link is not None and not isinstance(error, UnreachableError | BaseExceptionGroup):
                await self._publish_offline(link)
        finally:
            await self._stack.aclose()

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        rejected: dict[int, Refusal] = {}
        edge = self._edge_of(records[0].stream)
        if self._adopted is not None:
            self._adopted.sent(edge, time.monotonic())
        await self._subscribe_acks(edge)
        messages = self._by_topic(lane, records)
        waiting = iter(messages)

        async def publish() -> None:  # all of one topic one after the other, so each device keeps its order
            for topic, together in waiting:
                await self._publish(topic, together, rejected)

        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(min(MAX_CONCURRENT_PUBLISHES, len(messages))):
                    tasks.create_task(publish(), name=f"publish {lane.value} {number}")
        except* UnreachableError as lost:
            unreachable = next(flatten(lost))
        else:
            return rejected
        raise unreachable

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        link = self._open()
        messages = self._acknowledgements(link) if self._ack_by_broker else self._messages(link)
        async with aclosing(messages):
            async for ack in messages:
                yield ack

    async def _messages(self, link: BrokerConnection) -> AsyncGenerator[Ack | Announcement]:
        discarded = 0
        async for message in link.messages():
            if link.discarded > discarded:
                discarded = link.discarded
                text = f"{self.discarded} messages of the broker found no room since the start; {_DISCARDED}"
                self._complaints.warn("discarded", text, time.monotonic())
            try:
                if message.topic.startswith(self._topics.ack("")):
                    ack = decode_ack(message.payload)
                    if self._is_forged(message, ack):
                        continue
                    self._ingester_seen_at = time.monotonic()
                    if self._adopted is not None:
                        self._adopted.acknowledged(ack.stream, time.monotonic())
                    yield ack
                elif message.topic == self._topics.status(self._edge):
                    await self._reassert_online(link, message)
                elif message.payload:
                    announcement = decode_announcement(message.payload)
                    self._note_ingester(message.topic)
                    yield announcement
                else:
                    self._ingesters.discard(message.topic)
            except DataError as error:
                text = f"{message.topic}: ignored: {error}"
                self._complaints.warn("foreign", text, time.monotonic())

    def check_ingesters(self) -> None:
        """UnreachableError where another broker may have an ingester, and this one had none for a minute."""
        now = time.monotonic()
        if self._ingesters:
            self._ingester_seen_at = now
        absent_s = now - max(self._ingester_seen_at, self._linked_at)
        if self._link is None or self._ack_by_broker or absent_s < self._ingester_timeout_s:
            return
        if self._hosts.several:
            self._no_ingester = f"no ingester was heard there for {absent_s:.0f} s"
            raise UnreachableError(f"MQTT broker {self._hosts.current.address}: {self._no_ingester}")

    def _note_ingester(self, topic: str) -> None:
        if len(self._ingesters) < _MAX_INGESTERS:
            self._ingesters.add(topic)

    def _is_forged(self, message: Message, ack: Ack) -> bool:
        """Whether it has to be ignored; says so once a minute."""
        if self._verifier is None:
            return False
        edge = message.topic.removeprefix(self._topics.ack(""))
        problem = self._verifier.problem(message.payload, ack, edge)
        if problem is not None:
            text = f"{message.topic}: acknowledgements are ignored: {problem}"
            self._complaints.warn("forged", text, time.monotonic())
        return problem is not None

    async def _acknowledgements(self, link: BrokerConnection) -> AsyncGenerator[Ack]:
        """PUBACKs as answers; the link is listened to all the same, or its loss would go unnoticed."""
        listening = asyncio.ensure_future(_drain(self._messages(link)))
        taking = asyncio.ensure_future(self._acknowledged.get())
        try:
            while True:
                await asyncio.wait({taking, listening}, return_when=asyncio.FIRST_COMPLETED)
                if not taking.done():
                    await listening  # raises why the link was lost
                ack, taking = taking.result(), asyncio.ensure_future(self._acknowledged.get())
                yield ack
        finally:
            listening.cancel()
            taking.cancel()  # or it would take the first answer of the next link, which would be lost

    async def _subscribe_acks(self, edge: str) -> None:
        """Subscribe to the answers to an adopted edge, once for each link; a refusal holds its records."""
        if self._edges is None or self._ack_by_broker or edge in self._ack_subscriptions:
            return
        try:
            await self._open().subscribe([self._topics.ack(edge)])
        except LinkLostError as error:
            if error.end is LinkEnd.EXPLAINED:
                self._edges.refused(edge, str(error))
            raise
        self._ack_subscriptions.add(edge)

    def _edge_of(self, stream: int) -> str:
        return self._edge if self._edges is None else self._edges.of(stream)

    def _by_topic(self, lane: Lane, records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
        edge = self._edge_of(records[0].stream)
        if not self._per_device:
            return [(self._topics.records(lane, edge), list(records))]
        named = sorted(
            ((_device.decode(record.body).device, record) for record in records), key=lambda pair: pair[0]
        )
        return [
            (self._topics.records(lane, edge, device), [record for _, record in together])
            for device, together in groupby(named, key=lambda pair: pair[0])
        ]

    async def _publish(self, topic: str, records: list[Record], rejected: dict[int, Refusal]) -> None:
        stream, offsets = records[0].stream, IntervalSet.of(record.offset for record in records)
        epoch = None if self._verifier is None else self._verifier.epoch()
        message = encode_message(stream, offsets, [record.body for record in records], epoch)
        try:
            somebody_has_it = await self._open().publish(topic, message)
        except RefusedError as error:
            if error.reason != _TOO_LARGE:
                edge = self._edge_of(stream)
                if self._edges is not None and edge != self._edge:
                    self._edges.refused(edge, str(error))
                raise UnreachableError(str(error)) from error
            if len(records) == 1:
                rejected[records[0].offset] = Refusal(AckCode.TOO_LARGE, str(error))
                return
            middle = len(records) // 2
            await self._publish(topic, records[:middle], rejected)
            await self._publish(topic, records[middle:], rejected)
        else:
            if self._ack_by_broker and somebody_has_it:
                await self._acknowledged.put(Ack(BROKER, BROKER, stream, durable=offsets))

    async def _announce(self, link: BrokerConnection) -> None:
        try:
            await link.publish(self._topics.status(self._edge), self._status("online"), retain=True)
        except RefusedError as error:  # its readings may be welcome all the same
            self._complaints.warn(
                "status", f"the status `online` of this edge was not published: {error}", time.monotonic()
            )

    async def _reassert_online(self, link: BrokerConnection, message: Message) -> None:
        """Publish again that this edge is online where a late will, or another client, changed it.

        Not where another run of this edge published "online": two gateways would do so for ever.
        """
        status = decode_status(message.payload) if message.payload else None
        if status is not None and status.boot != self._boot:
            self._look_for_namesake(status, retained=message.retain)
        if status is None or status.state != "online":
            await self._announce(link)

    def _look_for_namesake(self, status: Status, *, retained: bool) -> None:
        """Warn of another gateway of this name, whose statuses come where ours should be.

        The run before this one leaves a retained status for our first link, and one will that may be late.
        Another one after these, or one that comes online while we are, is of a gateway that runs now.
        """
        if (retained and self._links == 1) or status in self._foreign_statuses:
            return
        self._foreign_statuses = [*self._foreign_statuses[-1:], status]
        if len(self._foreign_statuses) > 1 or (status.state == "online" and not retained):
            text = (
                f"another gateway of the name {self._edge!r} is connected to this broker: the two disconnect"
                " each other, and their records mix; give each its own `edge`, and stop the copy until then"
            )
            self._complaints.warn("namesake", text, time.monotonic())

    async def _publish_offline(self, link: BrokerConnection) -> None:
        try:
            async with asyncio.timeout(2):
                await link.publish(self._topics.status(self._edge), self._status("offline"), retain=True)
        except (UnreachableError, RefusedError, TimeoutError) as error:
            _log.warning("the status `offline` of this edge was not published: %s", error)

    def _status(self, state: str) -> bytes:
        return encode_notice(Status(self._edge, state, self._boot, self._now_ms()))

    def _open(self) -> BrokerConnection:
        if self._link is None:
            raise RuntimeError("a sink is used inside `async with`")
        return self._link


async def _drain(messages: AsyncGenerator[Ack | Announcement]) -> None:
    async with aclosing(messages):
        async for _ in messages:
            pass
