"""What ingesting costs: CPU-seconds per million points of the ingester's process, and what a publish costs.

    python -m benchmarks.ingester [--points 1000000] [--records 10] [--pause 0]

Messages of `--records` records of 100 points (about 30 kB at 10) go from here through a real mosquitto
into an ingester in a process of its own, with the SQLite store and with a store that keeps nothing.
`--pause`: seconds between two messages; with 0 they come as fast as they are acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import resource
import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from cloud.app import ingest
from cloud.ingester import Tally
from cloud.settings import IngesterSettings
from qilu.contract.ack_codes import Refusal
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_message, encode_record
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.stores.confirmation import Confirmation, Mark, Write, same_incarnation
from qilu.stores.interfaces import Store
from qilu.stores.settings import SqliteSettings
from qilu.stores.sqlite.writer import SqliteStore
from tests.servers.mosquitto import Mosquitto

POINTS = 100
DEVICES = 100


class NullStore:
    """Takes everything and keeps nothing."""

    identity = "null"
    durability_delay = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def mark(self) -> Mark:
        return Mark("")

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        return same_incarnation(writes, await self.mark())

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:  # noqa: ARG002
        return {}


def messages(count: int, records: int) -> list[bytes]:
    """Messages of polls of 100 points, with numbers as float32 registers give them."""
    chance = random.Random(1)
    names = tuple(f"point_{number}" for number in range(POINTS))
    columns = [
        BlockSchema(Origin("edge-1", f"device-{number}", "machine", "acme", "jinan", "a"), "fast", names)
        for number in range(DEVICES)
    ]
    encoded = []
    for number in range(count):
        bodies = []
        for offset in range(number * records, (number + 1) * records):
            poll_number, device = divmod(offset, DEVICES)
            time_ms = 1_764_000_000_000 + poll_number * 1000 + device
            floats = struct.pack(f"{POINTS}f", *(chance.uniform(0, 100) for _ in range(POINTS)))
            reading = Reading(columns[device], time_ms, struct.unpack(f"{POINTS}f", floats))
            bodies.append(encode_record(Poll(time_ms, (reading,))))
        encoded.append(
            encode_message(1, IntervalSet([(number * records, (number + 1) * records - 1)]), bodies)
        )
    return encoded


def run_ingester(port: int, file: Path | None, records: int, pipe: Connection) -> None:
    """Ingest so many records; send "ready" when it begins and what it took when it is done."""
    asyncio.run(_ingest(port, file, records, pipe))


async def _ingest(port: int, file: Path | None, records: int, pipe: Connection) -> None:
    tally, flowing = Tally(), asyncio.Event()
    unused = SqliteSettings(type="sqlite", file=Path("unused"))
    settings = IngesterSettings(ingester="bench", mqtt=MqttSettings(port=port), store=unused)
    async with AsyncExitStack() as stack:
        store: Store = NullStore() if file is None else await stack.enter_async_context(SqliteStore(file))
        running = asyncio.create_task(ingest(settings, store=store, tally=tally, ready=flowing.set))
        await flowing.wait()
        pipe.send("ready")
        cpu, began = time.process_time(), time.perf_counter()
        while tally.records < records:  # noqa: ASYNC110  # a plain count, nobody announces its change
            await asyncio.sleep(0.02)
        took = time.process_time() - cpu, time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((*took, tally.batches, tally.write_seconds, tally.overflow, peak))
        running.cancel()
        await asyncio.wait((running,))


async def publish(port: int, payloads: Sequence[bytes], pause: float) -> float:
    """Publish them, a few under way at once; CPU-seconds that took."""
    settings = MqttSettings(port=port)
    topic = settings.topics.records(Lane.LIVE, "edge-1")
    waiting = iter(payloads)

    async def worker(link: BrokerConnection) -> None:
        for payload in waiting:
            await link.publish(topic, payload)
            if pause:
                await asyncio.sleep(pause)

    async with BrokerConnection(settings, "bench-edge") as link:
        cpu = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(1 if pause else 4):
                tasks.create_task(worker(link))
        return time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0.0)
    args = parser.parse_args()
    count = args.points // POINTS // args.records
    payloads = messages(count, args.records)
    records, size = count * args.records, sum(map(len, payloads)) / count / 1000
    million = records * POINTS / 1e6
    print(f"{count} messages of {size:.1f} kB, {million:g} million points")
    spawn = multiprocessing.get_context("spawn")
    for what in ("null", "sqlite"):
        with tempfile.TemporaryDirectory(prefix="qilu-bench-") as name, Mosquitto(Path(name)) as broker:
            here, there = spawn.Pipe()
            file = Path(name) / "store.db" if what == "sqlite" else None
            child = spawn.Process(target=run_ingester, args=(broker.port, file, records, there), daemon=True)
            child.start()
            here.recv()
            sent = asyncio.run(publish(broker.port, payloads, args.pause))
            cpu, seconds, batches, writing, overflow, peak = here.recv()
            child.join()
        print(
            f"{what:7} {cpu / million:6.3f} CPU-s per million points  {million * 1e6 / seconds:9.0f} points/s"
            f"  {batches} batches  {writing:.2f} s in writes  {overflow} overflowed  {peak:.0f} MB at most"
        )
        each = sent / count * 1e6
        print(f"publish {sent / million:6.3f} CPU-s per million points  {each:.0f} us per message")


if __name__ == "__main__":
    main()
