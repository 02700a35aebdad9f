"""What others publish on the topics that a gateway listens to does it no harm, and fills no log."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.sinks.mqtt import MqttSink
from qilu.contract.messages import Ack, Announcement, Status, decode_status, encode_notice
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.client import CAPACITY, BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers import Mosquitto

REJECTED = b'{"qilu":1,"store":"s","ingester":"i","stream":"1","rejected":{"%s":"why"}}'


async def test_garbage_on_its_topics_is_reported_once_and_what_follows_is_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "stranger") as stranger:
        sink = MqttSink(broker.settings, "edge-1", "boot", lambda: time.time_ns() // 1_000_000)
        async with sink:
            caplog.clear()
            for number in range(50):
                await stranger.publish("qilu/ingester/stranger", bytes([number]) * number or b"[")
                await stranger.publish("qilu/ack/edge-1", b"[" * (1 + number * 100))
            for offset in (b"-5", b"3-7", b"", b"9" * 30, b"1_0"):
                await stranger.publish("qilu/ack/edge-1", REJECTED % offset)
            announcement = Announcement("ingester-1", "store-1", 3.0)
            await stranger.publish("qilu/ingester/ingester-1", encode_notice(announcement))
            answers = sink.acks()
            assert await anext(answers) == announcement
            await answers.aclose()
    assert len([record for record in caplog.records if "ignored" in record.getMessage()]) == 1


async def test_a_late_will_of_a_run_before_is_contradicted() -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "another") as another:
        sink = MqttSink(broker.settings, "edge-1", "boot-2", lambda: 2000)
        async with sink, asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(exhaust(sink.acks()), name="listen")
            will = encode_notice(Status("edge-1", "offline", "boot-1", 1000))
            await another.publish("qilu/status/edge-1", will, retain=True)
            await another.subscribe(["qilu/status/edge-1"])
            async for message in another.messages():
                if decode_status(message.payload).state == "online":
                    break
            listening.cancel()
        assert decode_status(message.payload).boot == "boot-2"


async def test_a_status_that_somebody_clears_is_output_again() -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "another") as another:
        sink = MqttSink(broker.settings, "edge-1", "boot-2", lambda: 2000)
        async with sink, asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(exhaust(sink.acks()), name="listen")
            await another.publish("qilu/status/edge-1", b"", retain=True)
            await another.subscribe(["qilu/status/edge-1"])
            async with asyncio.timeout(60):
                async for message in another.messages():
                    if message.payload:
                        break
            listening.cancel()
        assert decode_status(message.payload) == Status("edge-1", "online", "boot-2", 2000)


async def test_two_gateways_of_one_name_do_not_contradict_each_other_for_ever() -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "another") as another:
        sink = MqttSink(broker.settings, "edge-1", "boot-2", lambda: 2000)
        async with sink, aclosing(sink.acks()) as answers:
            await another.subscribe(["qilu/status/edge-1"])
            theirs = encode_notice(Status("edge-1", "online", "boot-1", 1000))
            for payload in (b"", theirs, theirs, theirs):
                await another.publish("qilu/status/edge-1", payload, retain=True)
            last = Announcement("ingester-1", "store-1", 3.0)
            await another.publish("qilu/ingester/ingester-1", encode_notice(last))
            assert await anext(answers) == last  # so all that came before is dealt with
        output = []
        async for message in another.messages():
            output.append(decode_status(message.payload) if message.payload else None)
            if output[-1] is not None and output[-1].state == "offline":
                break
        ours = [one for one in output if one is not None and one.boot == "boot-2"]
        assert [one.state for one in ours] == ["online", "online", "offline"]


async def test_a_broker_that_takes_no_status_is_notified_of_and_ends_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, acl="topic read #\n") as server:
        async with MqttSink(MqttSettings(port=server.port), "edge-1", "boot", lambda: 0):
            pass
    assert "qilu/status/edge-1: refused by the broker: not authorised" in caplog.text


async def exhaust(answers: AsyncGenerator[Ack | Announcement]) -> None:
    async for _ in answers:
        pass


async def test_messages_that_find_no_room_are_counted_over_links_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with EmbeddedBroker() as broker, BrokerConnection(broker.settings, "stranger") as stranger:
        sink = MqttSink(broker.settings, "edge-1", "boot", lambda: 0)
        for links in (1, 2):
            async with sink, aclosing(sink.acks()) as answers:
                for number in range(CAPACITY + 100):
                    payload = encode_notice(Announcement(f"i{number}", "store-1", 3.0, "run"))
                    await stranger.publish("qilu/ingester/stranger", payload, qos=0)
                async with asyncio.timeout(60):
                    while sink.discarded < 100 * links:  # a plain count, nobody announces its change
                        await asyncio.sleep(0.01)
                assert isinstance(await anext(answers), Announcement)
        assert sink.discarded >= 200
    assert caplog.text.count("messages of the broker found no room") == 1
