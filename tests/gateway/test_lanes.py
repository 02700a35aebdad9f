"""Live first: the backlog keeps to its rate and its lane, and a live record waits for one message of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from random import Random
from typing import Self

import pytest

from gateway.delivery.delivery import Delivery
from gateway.delivery.limits import Limits
from gateway.delivery.outbox import Outbox
from gateway.interfaces import Record
from gateway.sinks.mqtt import MqttSink
from qilu.contract.ack_codes import Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack, Announcement, encode_ack
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import read_head
from qilu.contract.topics import Lane, Topics
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from tests.gateway.test_pipeline import STORE, Room
from tests.servers import Mosquitto
from tests.support.memory_spool import MemorySpool
from tests.support.virtual_time import virtual_time

RECORD = 1000
TOPICS = Topics("qilu")


def body(number: int) -> bytes:
    """A record of 1 kB as far as delivery looks into it."""
    return (b'{"number":%d,"x":"' % number).ljust(RECORD - 2, b"x") + b'"}'


class Timed(Room):
    """A sink that takes everything at once, has it durable at once, and remembers when it came."""

    def __init__(self) -> None:
        self.sends: list[tuple[float, Lane, int]] = []
        self._answers: asyncio.Queue[Ack | Announcement] = asyncio.Queue(100)

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        now = asyncio.get_running_loop().time()
        self.sends.append((now, lane, sum(len(record.body) for record in records)))
        offsets = read_offsets(records)
        await self._answers.put(Ack(STORE, "i", records[0].stream, durable=offsets))
        return {}

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        while True:
            yield await self._answers.get()


def read_offsets(records: Sequence[Record]) -> IntervalSet:
    return IntervalSet.of(record.offset for record in records)


@virtual_time
async def test_when_only_a_store_that_is_not_trusted_answers_it_is_reported_with_both_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, quick = asyncio.get_running_loop().time, Backoff(Random(0), first=0.001, max_s=0.001)
    async with MemorySpool() as spool:
        outbox = Outbox(["my-stroe"], Random(0))
        delivery = Delivery(spool, Timed(), outbox, linger=0.1, backoff=quick, clock=clock)
        running = asyncio.create_task(delivery.run())
        reported: list[list[str]] = []
        for number in range(50):
            await asyncio.sleep(1)
            record = spool.append(body(number))
            assert record is not None
            delivery.appended(record)
            reported.append([one.message for one in caplog.records if one.levelname == "WARNING"])
        running.cancel()
        await asyncio.wait([running])
    assert reported[25] == [], "the one that counts may only be slow"
    [warning] = reported[-1]
    assert re.search(rf"{STORE} has .*trusts my-stroe alone.*; start its ingester, or correct", warning)


class Unheard(Timed):
    """A broker at which no ingester is: it takes everything, and nobody answers."""

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        await asyncio.Event().wait()
        yield await self._answers.get()


@virtual_time
async def test_when_nobody_answers_it_is_reported_after_a_minute_of_waiting_and_not_after_one_of_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, quick = asyncio.get_running_loop().time, Backoff(Random(0), first=0.001, max_s=0.001)
    async with MemorySpool() as spool:
        delivery = Delivery(
            spool, Unheard(), Outbox([STORE], Random(0)), linger=0.1, backoff=quick, clock=clock
        )
        running = asyncio.create_task(delivery.run())
        await asyncio.sleep(600)
        record = spool.append(body(1))
        assert record is not None
        delivery.appended(record)
        await asyncio.sleep(55)
        assert "no store acknowledged" not in caplog.text
        await asyncio.sleep(10)
        running.cancel()
        await asyncio.wait([running])
    [warning] = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert re.match(
        r"no store acknowledged for 6\d s, and all is kept here: is an ingester connected", warning
    )


@virtual_time
async def test_the_backlog_keeps_to_its_rate_and_live_records_know_nothing_of_it() -> None:
    clock, sink, rate = asyncio.get_running_loop().time, Timed(), 20_000
    quick = Backoff(Random(0), first=0.001, max_s=0.001)
    async with MemorySpool() as spool:
        delivery = Delivery(
            spool, sink, Outbox([STORE], Random(0)), linger=0.1, backoff=quick, clock=clock, backlog_rate=rate
        )
        for number in range(600):
            assert spool.append(body(number))
        begun = clock()
        running = asyncio.create_task(delivery.run())
        appended = []
        for number in range(100):
            await asyncio.sleep(0.25)
            record = spool.append(body(1000 + number))
            assert record is not None
            appended.append(clock())
            delivery.appended(record)
        async with asyncio.timeout(60):
            await delivery.wait_drained()
        running.cancel()
        late = [(when, size) for when, lane, size in sink.sends if lane is Lane.BACKLOG]
        sent = 0
        for when, size in late:
            sent += size
            assert sent <= rate * (when - begun) + rate + RECORD  # a second's worth at once
        assert sent == 600 * RECORD
        assert late[-1][0] - begun >= 600 * RECORD / rate - 2
        live = [when for when, lane, _ in sink.sends if lane is Lane.LIVE]
        assert len(live) == len(appended)
        assert all(abs(when - since - 0.1) < 1e-6 for when, since in zip(live, appended, strict=True))


class Watched(Room):
    """The real sink, with a list of which messages went in and which the broker has taken."""

    def __init__(self, sink: MqttSink) -> None:
        self._sink = sink
        self.handed: list[tuple[Lane, int]] = []
        self.open: set[tuple[Lane, int]] = set()
        self.ahead: list[int] = []
        """For each live message: how many of the backlog were on their way when it was handed over."""

    async def __aenter__(self) -> Self:
        await self._sink.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._sink.__aexit__(None, None, None)

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        name = lane, records[0].offset
        if lane is Lane.LIVE:
            self.ahead.append(sum(one is Lane.BACKLOG for one, _ in self.open))
        self.handed.append(name)
        self.open.add(name)
        try:
            return await self._sink.send(lane, records)
        finally:
            self.open.discard(name)

    def acks(self) -> AsyncGenerator[Ack | Announcement]:
        return self._sink.acks()


async def test_no_live_message_waits_behind_more_than_one_of_the_backlog(mosquitto: Mosquitto) -> None:
    settings = MqttSettings(port=mosquitto.port)
    sink = Watched(MqttSink(settings, "edge-1", "boot", lambda: 0))
    arrived: list[tuple[Lane, int]] = []
    async with (
        MemorySpool() as spool,
        BrokerConnection(settings, "cloud") as cloud,
        BrokerConnection(settings, "answering") as answering,
    ):
        await cloud.subscribe([TOPICS.records_filter(lane) for lane in Lane])

        async def take() -> None:
            async for message in cloud.messages():
                head = read_head(message.payload)
                arrived.append((TOPICS.sender(message.topic)[0], head.offsets.first()))
                answer = Ack(STORE, "i", head.stream, durable=head.offsets)
                await answering.publish(TOPICS.ack("edge-1"), encode_ack(answer))

        for number in range(5000):  # 5 MB, in some 80 messages
            assert spool.append(body(number))
        quick = Backoff(Random(0), first=0.01, max_s=0.01)
        outbox = Outbox([STORE], Random(0), Limits())
        delivery = Delivery(spool, sink, outbox, linger=0.001, backoff=quick, clock=time.monotonic)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(take()), tasks.create_task(delivery.run())]
            while spool.pending()[spool.stream]:
                if outbox.connected:
                    record = spool.append(body(10_000))
                    assert record is not None
                    delivery.appended(record)
                if len(sink.ahead) >= 50:
                    await delivery.wait_drained()
                    break
                await asyncio.sleep(0.002)
            for task in beside:
                task.cancel()

    live = [name for name in arrived if name[0] is Lane.LIVE]
    late = [name for name in arrived if name[0] is Lane.BACKLOG]
    assert len(late) > 70
    assert len(live) >= 5
    assert any(sink.ahead), "no live message ever met one of the backlog, so nothing is proven"
    assert max(sink.ahead) == 1
    # Nobody reorders them on the way, but for one message of each lane at a time.
    place = {name: index for index, name in enumerate(sink.handed)}
    for index, name in enumerate(arrived):
        if name[0] is Lane.LIVE:
            overtaken_by = [one for one in arrived[:index] if place[one] > place[name]]
            assert len(overtaken_by) <= 1, (name, overtaken_by)


class Refusing(Timed):
    """A sink that lets everybody in, has a notice of an ingester, and takes no record."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[float] = []

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        self.refused.append(asyncio.get_running_loop().time())
        raise UnreachableError("not authorised")

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        yield Announcement("i", STORE, 0.0)
        await asyncio.Event().wait()


@virtual_time
async def test_a_broker_that_takes_no_record_is_tried_less_and_less_whatever_it_retains() -> None:
    sink, loop = Refusing(), asyncio.get_running_loop()
    async with MemorySpool() as spool:
        backoff = Backoff(Random(1), first=0.5, max_s=15.0)
        outbox = Outbox([STORE], Random(1))
        delivery = Delivery(spool, sink, outbox, linger=0.1, backoff=backoff, clock=loop.time)
        assert spool.append(body(0)) is not None
        running = asyncio.create_task(delivery.run())
        await asyncio.sleep(600)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(sink.refused) < 600 / 4


class Breaking(Timed):
    """A link that ends when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.end = asyncio.Event()

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        await self.end.wait()
        if self.end.is_set():
            raise UnreachableError("the broker has gone")
        yield await self._answers.get()


@virtual_time
async def test_a_gateway_that_is_stopped_in_the_moment_in_which_its_link_ends_stops() -> None:
    """As with all services of one machine, which are stopped together."""
    clock, quick = asyncio.get_running_loop().time, Backoff(Random(0), first=0.001, max_s=0.001)
    async with MemorySpool() as spool:
        sink = Breaking()
        delivery = Delivery(spool, sink, Outbox([], Random(0)), linger=0.1, backoff=quick, clock=clock)
        running = asyncio.create_task(delivery.run())
        await asyncio.sleep(1)
        sink.end.set()
        await asyncio.sleep(0)  # now it has failed, and those beside it are told to end
        running.cancel()
        await asyncio.wait([running], timeout=60)
        assert running.done()
