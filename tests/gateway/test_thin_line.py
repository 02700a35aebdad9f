"""A record that does not fit into the keepalive of a thin line is not set aside: it arrives."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.sinks.mqtt import BROKER, MqttSink
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from tests.mqtt.scripted import ThinLine
from tests.servers import Mosquitto
from tests.support.memory_spool import MemorySpool

RATE = 6000.0
SIZE = 21_000  # 3.5 s of the line, where the keepalive is 2 s


async def test_records_that_need_longer_than_the_keepalive_arrive_one_after_the_other(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        async with (
            ThinLine(server.port, RATE) as line,
            MemorySpool() as spool,
            BrokerConnection(MqttSettings(port=server.port), "consumer") as consumer,
        ):
            await consumer.subscribe(["qilu/backlog/#"])
            for number in range(3):
                assert spool.append(b'{"number":%d,"x":"%s"}' % (number, b"x" * SIZE))
            outbox = Outbox([BROKER], Random(0))
            sink = MqttSink(
                MqttSettings(port=line.port, keepalive=2), "edge-1", "boot", lambda: 0, ack_by_broker=True
            )
            quick = Backoff(Random(0), first=0.001, max_s=0.001)
            delivery = Delivery(
                spool, sink, outbox, linger=0.01, backoff=quick, clock=time.monotonic, connect_interval_s=0
            )
            running = asyncio.create_task(delivery.run())
            async with asyncio.timeout(90):
                await delivery.wait_drained()
            links = line.connections
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert not spool.quarantined
        assert outbox.tally.durable == 3
        assert links < 8, "a keepalive that proved to be long enough is kept"
