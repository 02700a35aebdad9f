"""What a console with ten pages costs a gateway: CPU with them as a ratio of the CPU without, in one run.

    python -m benchmarks.console [--devices 1000] [--points 100] [--period 10] [--clients 10]
        [--seconds 15] [--rounds 2]

The gateway polls a server of fixed replies, keeps its spool on disk and delivers to mosquitto, which frees
the records. Its console is open all the time; stretches without and with clients take turns, so that the
speed of the machine is the same for both. Each client follows two topics as a page does: the overview with
the sentence, and the table of devices, one device or the delivery.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import tempfile
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.source import FixedReplyProtocol
from gateway.settings import ConsoleSettings, DeliverySettings, GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.contract.profile import DeviceProfile
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto

PORTS = 10
VIEWS = ("devices", "device/meter-1", "delivery", "device/meter-2")
_TOPIC = '{"topic":"'
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def serve(pipe: Pipe) -> None:
    """Serve on PORTS ports until killed, after sending them."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(FixedReplyProtocol, "127.0.0.1", 0, backlog=256) for _ in range(PORTS)
        ]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


def profile(points: int) -> DeviceProfile:
    """Floats one after another; the first one is the key value of the device."""
    rows = [
        {"name": f"p{number}", "table": "holding", "address": 2 * number, "type": "float32", "unit": "bar"}
        for number in range(points)
    ]
    return DeviceProfile.model_validate({"profile": "meter", "points": rows})


def settings(args: argparse.Namespace, ports: list[int], broker: int, folder: Path) -> GatewaySettings:
    """So many devices behind PORTS endpoints, with a console."""
    devices = [
        DeviceSettings.model_validate(
            {
                "device": f"meter-{number}",
                "label": {"zh": f"电表 {number}", "en": f"Meter {number}"},
                "place": f"H1-{number}",
                "line": f"line-{number % PORTS}",
                "unit_id": 1 + number // PORTS,
                "profile": "meter",
                "poll_periods": {"default": args.period},
            }
        )
        for number in range(args.devices)
    ]
    return GatewaySettings(
        edge="edge-1",
        spool=SpoolSettings(directory=folder / "spool"),
        mqtt=MqttSettings(port=broker),
        delivery=DeliverySettings(free_on="broker"),
        console=ConsoleSettings(listen="127.0.0.1:0"),
        sources=tuple(
            ModbusSettings(
                type="modbus",
                url=f"tcp://127.0.0.1:{port}",
                max_in_flight=4,
                devices=tuple(devices[number::PORTS]),
            )
            for number, port in enumerate(ports)
        ),
    )


def collect(pipe: Pipe, args: argparse.Namespace, ports: list[int], broker: int, folder: Path) -> None:
    """Run the gateway until the other side closes the pipe; sends its address, and polls at every message."""
    from gateway.console.app import Console

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        wanted = settings(args, ports, broker, folder)
        async with Console(wanted, {"meter": profile(args.points)}, version="0", page=None) as console:
            running = asyncio.create_task(console.gateway.run(stop))
            pipe.send(console.server.url)
            while await loop.run_in_executor(None, pipe.recv):
                counted = console.gateway.health.read()
                pipe.send((counted["polls"], counted["skipped_polls"], counted["durable_records"]))
            stop.set()
            await running

    asyncio.run(main())


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


async def follow(session: aiohttp.ClientSession, url: str, topics: list[str], sizes: dict[str, int]) -> None:
    """One page: reads what comes and notes the largest messages."""
    async with session.ws_connect(f"{url}api/v1/live", max_msg_size=0) as live:
        await live.send_json({"subscribe": topics})
        async for message in live:
            text: str = message.data if isinstance(message.data, str) else message.data.decode()
            kind = "snapshot" if '"snapshot":' in text[:80] else "changes"
            if text.startswith(_TOPIC):
                key = f"{text[len(_TOPIC) :].partition(chr(34))[0].partition('/')[0]} {kind}"
                sizes[key] = max(sizes.get(key, 0), len(text))


async def drain(port: int) -> None:
    """Receive the records, since a broker acknowledges only what somebody has subscribed to."""
    async with BrokerConnection(MqttSettings(port=port), "consumer") as consumer:
        await consumer.subscribe(["qilu/live/#", "qilu/backlog/#"])
        async for _ in consumer.messages():
            pass


async def measure(args: argparse.Namespace, url: str, pid: int, pipe: Pipe, broker: int) -> dict[str, Any]:
    """CPU seconds per second, without and with clients."""
    consumer = asyncio.create_task(drain(broker))
    shares: dict[int, list[float]] = {0: [], args.clients: []}
    sizes: dict[str, int] = {}
    await asyncio.sleep(max(2 * args.period, 5.0))
    for _ in range(args.rounds):
        for clients, cpu in shares.items():
            async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
                pages = [
                    tasks.create_task(follow(session, url, ["overview", VIEWS[page % len(VIEWS)]], sizes))
                    for page in range(clients)
                ]
                await asyncio.sleep(2.0)
                before = cpu_s(pid)
                await asyncio.sleep(args.seconds)
                cpu.append((cpu_s(pid) - before) / args.seconds)
                for page in pages:
                    page.cancel()
    consumer.cancel()
    pipe.send(True)
    polls, skipped, durable = pipe.recv()
    without, with_clients = median(shares[0]), median(shares[args.clients])
    return {
        "cpu_without": round(without, 4),
        "cpu_with": round(with_clients, 4),
        "ratio": round(with_clients / without, 3),
        "polls": polls,
        "skipped_polls": skipped,
        "durable_records": durable,
        "largest_message_bytes": sizes,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--period", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder) / "broker") as broker:
        near, far = spawn.Pipe()
        server = spawn.Process(target=serve, args=(far,), daemon=True)
        server.start()
        ports = near.recv()
        ours, theirs = spawn.Pipe()
        gateway = spawn.Process(
            target=collect, args=(theirs, args, ports, broker.port, Path(folder)), daemon=True
        )
        gateway.start()
        url = ours.recv()
        assert gateway.pid is not None
        print(
            json.dumps(asyncio.run(measure(args, url, gateway.pid, ours, broker.port)), indent=1), flush=True
        )
        ours.send(False)
        gateway.join(20)
        server.kill()


if __name__ == "__main__":
    main()
