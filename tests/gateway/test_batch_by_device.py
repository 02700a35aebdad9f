"""With `batch_by: device` devices do not wait for each other, and each keeps its order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.interfaces import Record
from gateway.sinks.mqtt import MAX_CONCURRENT_PUBLISHES, MqttSink
from qilu.contract.errors import UnreachableError
from qilu.contract.record_codec import read_head
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection, Message
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.proxy import Proxy
from tests.mqtt.taking import take
from tests.servers import Mosquitto

DEVICES = 3 * MAX_CONCURRENT_PUBLISHES


def records(of_each: int, size: int = 0) -> list[Record]:
    """Records of all devices in turns."""
    return [
        Record(1, offset, b'{"device":"device-%d","x":"%s"}' % (offset % DEVICES, b"x" * size))
        for offset in range(of_each * DEVICES)
    ]


@asynccontextmanager
async def sink_through(proxy: Proxy) -> AsyncGenerator[MqttSink]:
    settings = MqttSettings(port=proxy.port)
    async with MqttSink(settings, "edge-1", "boot", lambda: 0, per_device=True) as sink:
        yield sink


def offsets_by_topic(messages: list[Message]) -> dict[str, list[int]]:
    """Topic -> offsets in the order of their arrival."""
    found: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        found[message.topic] += read_head(message.payload).offsets
    return found


def sent(of_each: int) -> dict[str, list[int]]:
    """What must arrive of `records(of_each)`."""
    return {
        f"qilu/live/edge-1/device-{device}": list(range(device, of_each * DEVICES, DEVICES))
        for device in range(DEVICES)
    }


async def test_messages_of_several_devices_are_on_their_way_together(mosquitto: Mosquitto) -> None:
    async with (
        Proxy(mosquitto.port) as proxy,
        BrokerConnection(MqttSettings(port=mosquitto.port), "cloud") as cloud,
    ):
        await cloud.subscribe(["qilu/live/#"])
        async with sink_through(proxy) as sink, asyncio.TaskGroup() as tasks:
            proxy.answering.clear()
            sending = tasks.create_task(sink.send(Lane.LIVE, records(2)), name="send")
            arrived = await take(cloud, MAX_CONCURRENT_PUBLISHES)
            await cloud.publish("qilu/live/no-more", b"")
            assert [message.topic for message in await take(cloud, 1)] == ["qilu/live/no-more"]
            assert not sending.done()
            proxy.answering.set()
            assert await sending == {}
        arrived += await take(cloud, DEVICES - MAX_CONCURRENT_PUBLISHES)
    assert offsets_by_topic(arrived) == sent(2)


async def test_each_device_keeps_its_order_where_the_broker_takes_small_packets_only(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, lines=["max_packet_size 1200"]) as server:
        async with (
            Proxy(server.port) as proxy,
            BrokerConnection(MqttSettings(port=server.port), "cloud") as cloud,
        ):
            await cloud.subscribe(["qilu/live/#"])
            async with sink_through(proxy) as sink:
                assert await sink.send(Lane.LIVE, records(8, size=400)) == {}
            arrived = await take(cloud, 4 * DEVICES)
    assert offsets_by_topic(arrived) == sent(8)


async def test_a_broker_that_ends_meanwhile_is_unreachable(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        async with Proxy(server.port) as proxy:
            async with sink_through(proxy) as sink:
                proxy.answering.clear()
                sending = asyncio.ensure_future(sink.send(Lane.LIVE, records(1)))
                await asyncio.to_thread(server.kill)
                proxy.answering.set()
                with pytest.raises(UnreachableError, match="connection lost"):
                    await sending
