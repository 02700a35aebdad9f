"""A gateway whose link is lost soon, again and again: few connections, and few lines in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import pytest

from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.interfaces import Record
from gateway.sinks.mqtt import BROKER, MqttSink
from qilu.contract.ack_codes import Refusal
from qilu.contract.errors import LinkEnd, LinkLostError
from qilu.contract.messages import Ack, Announcement, Status, encode_notice
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from qilu.runtime.reconnection import INTERVAL_S
from tests.servers import Mosquitto
from tests.support.memory_spool import MemorySpool
from tests.support.virtual_time import virtual_time

STORE = "store"


class Lines(logging.Handler):
    """Keeps what is logged; virtual time runs without pytest's own fixtures."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Fought:
    """A broker that answers, and gives the id to another client a moment later, without a reason."""

    def __init__(self) -> None:
        self.connects: list[float] = []

    async def __aenter__(self) -> Self:
        self.connects.append(asyncio.get_running_loop().time())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        return {}

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        yield Ack(STORE, "ingester-1", 1, durable=IntervalSet.of([0]))
        await asyncio.sleep(0.2)
        raise LinkLostError("connection lost", LinkEnd.CLOSED)


@virtual_time
async def test_two_clients_of_one_id_do_not_disconnect_each_other_more_often_than_every_ten_seconds() -> None:
    """Though each link brings an answer: only a link that stands for a while is a success."""
    sink, loop = Fought(), asyncio.get_running_loop()
    log = logging.getLogger("gateway.delivery.delivery")
    handler = Lines()
    log.addHandler(handler)
    try:
        async with MemorySpool() as spool:
            outbox = Outbox([STORE], Random(1))
            delivery = Delivery(spool, sink, outbox, linger=0.1, backoff=Backoff(Random(1)), clock=loop.time)
            running = asyncio.create_task(delivery.run())
            await asyncio.sleep(240)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        log.removeHandler(handler)
    gaps = [later - earlier for earlier, later in pairwise(sink.connects)]
    assert all(gap > INTERVAL_S - 0.001 for gap in gaps[1:])
    assert len(handler.lines) <= 5, handler.lines
    assert delivery.lost_links >= len(gaps)


async def test_another_gateway_of_the_name_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "another") as another:
        sink = MqttSink(broker.settings, "edge-1", "boot-2", lambda: 2000)
        for number in range(3):
            async with sink:
                heard = asyncio.create_task(exhaust(sink.acks()))
                await announcing(sink, another, "online", 1000 + number)
                heard.cancel()
            await announcing(None, another, "offline", 1500 + number)
    assert caplog.text.count("another gateway of the name 'edge-1'") == 1
    assert "give each its own `edge`" in caplog.text


async def test_the_run_before_is_no_other_gateway(caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "another") as another:
        await announcing(None, another, "online", 1000)
        sink = MqttSink(broker.settings, "edge-1", "boot-2", lambda: 2000)
        async with sink:
            heard = asyncio.create_task(exhaust(sink.acks()))
            await announcing(sink, another, "offline", 999)
            heard.cancel()
    assert "another gateway" not in caplog.text


async def announcing(sink: MqttSink | None, other: BrokerConnection, state: str, time_ms: int) -> None:
    """A status of another run of edge-1; with a sink, until that one has heard it."""
    status = encode_notice(Status("edge-1", state, "boot-1", time_ms))
    await other.publish("qilu/status/edge-1", status, retain=True)
    if sink is not None:
        await asyncio.sleep(0.2)


async def exhaust(answers: AsyncGenerator[Ack | Announcement]) -> None:
    async for _ in answers:
        pass


@pytest.mark.parametrize("hangs_up", [False, True])
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_refusal_by_the_access_list_is_not_laid_to_the_length_of_messages(
    protocol: str, hangs_up: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With `max_queued_messages 0` mosquitto 2.0.11 closes the link of whoever it refuses a message."""
    lines = [] if hangs_up else ["max_queued_messages 1000000"]
    acl = "topic readwrite qilu/status/#\ntopic read #\n"
    with Mosquitto(tmp_path, acl=acl, lines=lines) as server:
        mqtt = MqttSettings.model_validate({"port": server.port, "protocol": protocol})
        sink = MqttSink(mqtt, "edge-1", "boot", lambda: 0)
        async with MemorySpool() as spool:
            for _ in range(300):
                assert spool.append(b'{"x":"%s"}' % (b"x" * 1000))
            quick = Backoff(Random(0), first=0.01, max_s=0.01)
            delivery = Delivery(
                spool,
                sink,
                Outbox([BROKER], Random(0)),
                linger=0.01,
                backoff=quick,
                clock=time.monotonic,
                connect_interval_s=0,
            )
            running = asyncio.create_task(delivery.run())
            await asyncio.sleep(2)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert not spool.quarantined
            assert sum(map(len, spool.pending().values())) == 300
    of_lengths = [text for text in caplog.messages if "shorter messages" in text]
    assert all("access list (ACL)" in text for text in of_lengths)
    assert not (of_lengths and protocol == "5" and not hangs_up), "the broker gave the reason"
    if protocol == "5" or hangs_up:  # mosquitto acknowledges it to others, and drops it
        assert "access list" in caplog.text
        assert "qilu/backlog/edge-1" in caplog.text
