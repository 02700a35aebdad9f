"""With `ack: broker` the PUBACK is the answer, unless it says that nobody got the message."""

from contextlib import aclosing
from pathlib import Path

from gateway.components import Record
from gateway.sinks.mqtt import BROKER, MqttSink
from qilu.contract.notices import Answer
from qilu.contract.ranges import Ranges
from qilu.contract.topics import Lane
from qilu.mqtt.client import Link
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto


async def test_a_record_that_nobody_subscribes_to_is_not_acknowledged(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        settings = MqttSettings(port=server.port)
        sink = MqttSink(settings, "edge-1", "boot", lambda: 0, ack_by_broker=True)
        async with sink, Link(settings, "consumer") as consumer, aclosing(sink.answers()) as answers:
            await sink.send(Lane.LIVE, [Record(1, 0, b"{}")])
            await consumer.subscribe(["qilu/live/#"])
            await sink.send(Lane.LIVE, [Record(1, 1, b"{}")])
            assert await anext(answers) == Answer(BROKER, BROKER, 1, durable=Ranges.of([1]))
