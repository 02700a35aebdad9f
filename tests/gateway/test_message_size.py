"""A broker that ends the link at each long message, and does not say why, gets shorter ones."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from random import Random

import pytest

from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.delivery.size_limit import MAX_TRIES, MessageSize
from gateway.sinks.mqtt import BROKER, MqttSink
from qilu.contract.ack_codes import AckCode
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from tests.servers import Mosquitto
from tests.support.memory_spool import MemorySpool

LIVE, BACKLOG = Lane


def lost_with(size: MessageSize, length: int, now: float = 0.0, *, slow: bool = False) -> int | None:
    """A link that ends while a message of this length, of one record, is on its way."""
    size.started(BACKLOG, length, f"record of {length}")
    return size.link_lost(now, slow=slow)


def take(size: MessageSize, length: int, lane: Lane = BACKLOG) -> None:
    """The broker takes a message of this length."""
    size.started(lane, length)
    size.acknowledged(lane)


def test_one_lost_link_is_laid_to_the_network() -> None:
    size = MessageSize(1000)
    assert lost_with(size, 1000) is None
    size.started(BACKLOG, 1000)
    size.acknowledged(BACKLOG)
    assert lost_with(size, 1000) is None
    assert size.limit(0) == 1000


def test_a_second_one_halves_the_messages_and_each_further_one_halves_them_again() -> None:
    size = MessageSize(1000)
    assert [lost_with(size, length) for length in (1000, 1000, 500, 250)] == [None, 500, 250, 125]
    size.started(BACKLOG, 125)
    size.acknowledged(BACKLOG)
    assert lost_with(size, 125) is None
    assert size.limit(0) == 125


def test_links_that_end_with_nothing_on_its_way_say_nothing_of_messages() -> None:
    size = MessageSize(1000)
    for _ in range(5):
        assert size.link_lost(0) is None
    size.started(LIVE, 10)
    size.acknowledged(LIVE)
    assert size.link_lost(0) is None
    assert size.limit(0) == 1000


def test_longer_messages_are_tried_again_now_and_then() -> None:
    size = MessageSize(1000)
    for length in (1000, 1000, 500):
        lost_with(size, length)
    assert [size.limit(now) for now in (0, 299, 301, 302, 601, 602, 2000)] == [
        250,
        250,
        500,
        500,
        1000,
        1000,
        1000,
    ]


def test_a_record_that_is_longer_than_messages_may_be_is_not_sent_after_some_tries() -> None:
    size, record = MessageSize(1000), "record of 5000"
    for _ in range(20):
        assert not size.exceeds_retry_limit(record, 5000), "nothing shows that it is the length"
        lost_with(size, 5000)
    lost_with(size, 1000)
    lost_with(size, 1000)
    for _ in range(MAX_TRIES):
        assert not size.exceeds_retry_limit(record, 5000)
        take(size, 100)
        lost_with(size, 5000)
    assert size.exceeds_retry_limit(record, 5000)
    assert not size.exceeds_retry_limit("short", 400)
    size.forget(record)
    assert not size.exceeds_retry_limit(record, 5000)


def test_no_record_is_given_up_where_the_line_is_slow_or_the_broker_takes_nothing_at_all() -> None:
    for passed, slow in ((100, True), (0, False)):
        size = MessageSize(1000)
        for _ in range(50):
            if passed:
                take(size, passed)
            lost_with(size, 1000, slow=slow)
            lost_with(size, 5000, slow=slow)
        lost_with(size, 1000, slow=slow)
        lost_with(size, 1000, slow=slow)
        assert size.limit(0) < 1000
        assert not size.exceeds_retry_limit("record of 5000", 5000)


def test_a_link_that_ended_for_a_known_reason_says_nothing_of_lengths() -> None:
    size = MessageSize(1000)
    for _ in range(5):
        size.started(BACKLOG, 1000)
        size.ended()
    assert size.link_lost(0) is None
    assert size.limit(0) == 1000


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_backlog_passes_a_broker_that_takes_only_short_messages_and_cannot_say_it(
    protocol: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, lines=["message_size_limit 9000"]) as server:
        mqtt = MqttSettings.model_validate({"port": server.port, "protocol": protocol})
        sink = MqttSink(mqtt, "edge-1", "boot", lambda: 0, ack_by_broker=True)
        outbox = Outbox([BROKER], Random(0))
        quick = Backoff(Random(0), first=0.001, max_s=0.001)
        async with MemorySpool() as spool, BrokerConnection(mqtt, "consumer") as consumer:
            await consumer.subscribe(["qilu/backlog/#"])
            for number in range(200):
                assert spool.append(b'{"number":%d,"x":"%s"}' % (number, b"x" * (1000 if number else 20_000)))
            delivery = Delivery(
                spool,
                sink,
                outbox,
                linger=0.01,
                backoff=quick,
                clock=time.monotonic,
                connect_interval_s=0,
            )
            running = asyncio.create_task(delivery.run())
            # With 3.1.1 this broker acknowledges what is too long alone, and drops it.
            kept = IntervalSet([(0, 0)]) if protocol == "5" else IntervalSet()
            async with asyncio.timeout(60):
                while spool.pending()[spool.stream] != kept or outbox.unacknowledged:
                    await asyncio.sleep(0.01)
            running.cancel()
            assert outbox.deferred(spool.pending()) == ({AckCode.TOO_LARGE: 1} if kept else {})
            assert not spool.quarantined
            assert bool(re.search(r"20\d\d\d bytes ended the link", caplog.text)) == bool(kept)
