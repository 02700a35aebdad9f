"""What a published message costs: our client beside aiomqtt by its public interface, in one run.

    python -m benchmarks.mqtt_client [--messages 20000] [--bytes 1000] [--rounds 3]

Both publish with QoS 1 to a real mosquitto, with the same number of messages in flight, in turns. The
figure is CPU time of this process per message. Then it prints what each reports of a message that the broker
refuses.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt

from qilu.contract.errors import QiluError
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto

IN_FLIGHT = 16
Publish = Callable[[str, bytes], Awaitable[object]]


async def cost(publish: Publish, count: int, size: int) -> float:
    """CPU microseconds per message."""
    payload, numbers = b"x" * size, iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await publish("bench", payload)

    before = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.create_task(worker())
    return (time.process_time() - before) / count * 1e6


async def refusal(publish: Publish) -> str:
    """What a publisher learns of a topic that it may not write."""
    try:
        await publish("denied/x", b"")
    except (QiluError, aiomqtt.MqttError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def public(client: aiomqtt.Client) -> Publish:
    return lambda topic, payload: client.publish(topic, payload, qos=1)


async def main(args: argparse.Namespace) -> None:
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        with Mosquitto(Path(folder)) as server:
            ours: list[float] = []
            theirs: list[float] = []
            for _ in range(args.rounds):
                async with BrokerConnection(MqttSettings(port=server.port), "ours") as link:
                    ours.append(await cost(link.publish, args.messages, args.bytes))
                async with aiomqtt.Client(
                    "127.0.0.1",
                    server.port,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    max_inflight_messages=IN_FLIGHT,
                ) as client:
                    theirs.append(await cost(public(client), args.messages, args.bytes))
        mine, other = statistics.median(ours), statistics.median(theirs)
        print(f"CPU per message of {args.bytes} bytes: ours {mine:.0f} µs, public interface {other:.0f} µs")
        print(f"ratio public / ours: {other / mine:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        with Mosquitto(Path(folder), acl="topic readwrite allowed/#\n") as server:
            async with BrokerConnection(MqttSettings(port=server.port), "ours") as link:
                print(f"refused publish: ours reports {await refusal(link.publish)}")
            async with aiomqtt.Client(
                "127.0.0.1", server.port, protocol=aiomqtt.ProtocolVersion.V5
            ) as client:
                print(f"refused publish: public interface reports {await refusal(public(client))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
