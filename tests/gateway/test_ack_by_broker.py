"""With `free_on: broker` the PUBACK is the answer, unless it says that nobody got the message."""

import asyncio
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.interfaces import Record
from gateway.settings import GatewaySettings
from gateway.sinks.mqtt import BROKER, MqttSink
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto

DEVICE = {"device": "press-1", "profile": "press", "unit_id": 1}


async def test_a_record_that_nobody_subscribes_to_is_not_acknowledged(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        settings = MqttSettings(port=server.port)
        sink = MqttSink(settings, "edge-1", "boot", lambda: 0, ack_by_broker=True)
        async with sink, BrokerConnection(settings, "consumer") as consumer, aclosing(sink.acks()) as answers:
            await sink.send(Lane.LIVE, [Record(1, 0, b"{}")])
            await consumer.subscribe(["qilu/live/#"])
            await sink.send(Lane.LIVE, [Record(1, 1, b"{}")])
            assert await anext(answers) == Ack(BROKER, BROKER, 1, durable=IntervalSet.of([1]))


async def test_the_first_acknowledgement_of_a_new_link_is_heard(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        settings = MqttSettings(port=server.port)
        sink = MqttSink(settings, "edge-1", "boot", lambda: 0, ack_by_broker=True)
        async with BrokerConnection(settings, "consumer") as consumer:
            await consumer.subscribe(["qilu/live/#"])
            async with sink:
                await listen_in_vain(sink)
            async with sink, aclosing(sink.acks()) as answers:
                await sink.send(Lane.LIVE, [Record(1, 0, b"{}")])
                async with asyncio.timeout(60):
                    assert await anext(answers) == Ack(BROKER, BROKER, 1, durable=IntervalSet.of([0]))


async def listen_in_vain(sink: MqttSink) -> None:
    """Wait for an answer until the link is given up."""
    answers = sink.acks()
    waiting = asyncio.ensure_future(anext(answers))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await answers.aclose()


async def test_mosquitto_acknowledges_by_mqtt_3_a_message_that_it_refuses(tmp_path: Path) -> None:
    """So `free_on: broker` is refused with it."""
    with Mosquitto(tmp_path, lines=["message_size_limit 200"]) as server:
        three = MqttSettings(port=server.port, protocol="3.1.1")
        async with BrokerConnection(three, "three") as link:
            assert await link.publish("x", bytes(1000))
        async with BrokerConnection(MqttSettings(port=server.port), "five") as link:
            with pytest.raises(UnreachableError, match="0x82"):
                await link.publish("x", bytes(1000))


@pytest.mark.parametrize(("protocol", "refused"), [("3.1.1", True), ("5", False)])
def test_records_are_freed_by_a_broker_with_mqtt_5_only(protocol: str, refused: bool, tmp_path: Path) -> None:
    settings = {
        "edge": "edge-1",
        "spool": {"directory": tmp_path},
        "mqtt": {"protocol": protocol},
        "delivery": {"free_on": "broker"},
        "sources": [{"type": "modbus", "url": "tcp://127.0.0.1:502", "devices": [DEVICE]}],
    }
    if not refused:
        assert GatewaySettings.model_validate(settings).delivery.free_on == "broker"
        return
    with pytest.raises(ValidationError, match="also a message that it refuses"):
        GatewaySettings.model_validate(settings)
