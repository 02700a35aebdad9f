"""The embedded broker as a part of a process: its port, its end and the errors it tells."""

import asyncio
import socket

import pytest

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.taking import take


async def test_a_port_in_use_is_reported_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*in use.*another one"):
            async with EmbeddedBroker(port):
                pass


async def test_its_end_ends_every_link_and_frees_the_port() -> None:
    async with EmbeddedBroker() as broker:
        settings = broker.settings
        link = await BrokerConnection(settings, "edge-1").__aenter__()
        reading = asyncio.create_task(take(link, 1))
    with pytest.raises(UnreachableError):
        await reading
    await link.__aexit__(None, None, None)
    async with EmbeddedBroker(settings.port) as broker, BrokerConnection(broker.settings, "edge-1") as link:
        await link.publish("x", b"")


async def test_it_is_found_on_this_machine_only() -> None:
    async with EmbeddedBroker() as broker:
        assert broker.settings.host == "127.0.0.1"


async def test_a_link_that_asks_it_for_mqtt_5_is_reported() -> None:
    async with EmbeddedBroker() as broker:
        with pytest.raises(UnreachableError, match=r"does not speak MQTT 5; .*mqtt\.protocol"):
            async with BrokerConnection(MqttSettings(port=broker.port), "edge-1"):
                pass


async def test_strangers_bytes_do_not_stop_it() -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "edge-1") as link:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\x10\x05\x00", b""):
            _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            writer.write(garbage)
            writer.close()
            await writer.wait_closed()
        await link.subscribe(["x"])
        await link.publish("x", b"still there")
        assert len(await take(link, 1)) == 1
