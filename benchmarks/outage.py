"""What a broker outage costs: how fast the backlog drains beside live data, and what those wait for it.

    python -m benchmarks.outage [--devices 100] [--points 100] [--outage 60]

`qilu gateway` polls a server of registers once a second, mosquitto carries the records, `qilu ingest` fills a
SQLite store; then mosquitto is killed, and comes back after the outage. Somebody listens at the broker:
latency is the time from a reading to the answer that its record is durable, for records that travelled live.
The first value of each device counts its requests, so the store tells in the end what is lost or there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import multiprocessing
import sqlite3
import struct
import tempfile
import time
from collections import Counter
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from benchmarks.road import WARM_UP, FixedReplyProtocol, ProcessUsage, new_store, qilu, write_settings
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import decode_ack
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import decode_record, read_head, split_body
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection, Message
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto

EDGE = "bench-edge"
IDLE = 15.0
"""Seconds in which the latency without any backlog is measured."""
SETTLING = 6.0
GIVE_UP = 300.0
SHARES = (0.5, 0.9, 0.99)
COUNTERS = """
SELECT device, CAST(json_extract("values", '$[0]') AS INTEGER) FROM readings
JOIN columns ON columns.id = columns_id JOIN origins ON origins.id = origin_id
WHERE json_extract(points, '$[0]') = 'p0' AND reasons IS NULL
"""


class CounterReplyProtocol(FixedReplyProtocol):
    """The first value of the first block is how often it was asked for."""

    def __init__(self, counts: list[int], number: int) -> None:
        super().__init__()
        self._counts = counts
        self._number = number

    def buffer_updated(self, nbytes: int) -> None:
        for start in range(0, nbytes, 12):
            request = bytes(self._buffer[start : start + 12])
            if request[8:10] != b"\0\0":
                self._write(request[:2] + self._tail)
                continue
            self._counts[self._number] += 1
            counter = struct.pack(">f", self._counts[self._number])
            self._write(request[:2] + self._tail[:7] + counter + self._tail[11:])


def serve(pipe: Pipe, devices: int) -> None:
    """Serve until killed: sends the ports first, and the counters whenever it is asked."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        counts = [0] * devices
        servers = [
            await loop.create_server(partial(CounterReplyProtocol, counts, number), "127.0.0.1", 0)
            for number in range(devices)
        ]

        def send_counts() -> None:
            pipe.recv()
            pipe.send(counts)

        loop.add_reader(pipe.fileno(), send_counts)
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


class Observer:
    """Hears at the broker what the gateway sends and what the ingester answers."""

    def __init__(self, port: int) -> None:
        self._settings = MqttSettings(port=port)
        self._topics = self._settings.topics
        self._sent_live: dict[int, int] = {}
        self.latencies: list[tuple[float, float]] = []
        """When (UTC) what travelled live was read, and how long after that it was durable."""
        self.durable = IntervalSet()
        self.draining = asyncio.Event()
        """Backlog travels, and there is an ingester for it."""
        self.reset()

    def reset(self) -> None:
        """Forget what was heard of backlog."""
        self.draining.clear()
        self.ingester = False
        self.backlog_bytes = 0
        self.since = 0.0
        """UTC at which it began to drain."""
        self.live_again = -1
        """The first record that travelled live since then."""

    async def run(self) -> None:
        """Listen over one link after the other, until cancelled."""
        topics = [self._topics.ack(EDGE), *(self._topics.records_filter(lane) for lane in Lane)]
        topics.append(self._topics.ingesters_filter())
        while True:
            with contextlib.suppress(UnreachableError):
                async with BrokerConnection(self._settings, "observer", capacity=100_000) as link:
                    await link.subscribe(topics)
                    async for message in link.messages():
                        self._heard(message, time.time())
            await asyncio.sleep(0.02)

    def _heard(self, message: Message, now: float) -> None:
        if message.topic == self._topics.ack(EDGE):
            durable = decode_ack(message.payload).durable
            self.durable.update(durable)
            for offset in durable:
                if (read_ms := self._sent_live.pop(offset, None)) is not None:
                    self.latencies.append((read_ms / 1000, now - read_ms / 1000))
            return
        if message.topic.startswith(self._topics.ingester("")):
            self.ingester = bool(message.payload)
            return
        head = read_head(message.payload)
        if self._topics.sender(message.topic)[0] is Lane.BACKLOG:
            if self.ingester:
                self._heard_backlog(message, now)
            return
        if self.draining.is_set() and self.live_again < 0:
            self.live_again = head.offsets.first()
        for offset, record in zip(head.offsets, split_body(message.payload, head), strict=True):
            poll = decode_record(record)
            if poll.origin.profile == "bench":  # what a gateway says of itself may be about a time long ago
                self._sent_live[offset] = poll.readings[0].time_ms

    def _heard_backlog(self, message: Message, now: float) -> None:
        self.backlog_bytes += len(message.payload)
        if not self.draining.is_set():
            self.draining.set()
            self.since = now

    async def drained(self, first: int) -> int:
        """Wait until all records from `first` to the first live one are durable; how many they are."""
        async with asyncio.timeout(GIVE_UP):
            while self.live_again < 0 or IntervalSet([(first, self.live_again - 1)]).difference(self.durable):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return self.live_again - first

    def between(self, start: float, end: float) -> list[float]:
        """The latencies of what was read in this time, rising."""
        return sorted(latency for at, latency in self.latencies if start <= at < end)


def quantile(ordered: list[float], share: float) -> float:
    """In ms; nan where there is none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3 if ordered else math.nan


async def measure(folder: Path, broker: Mosquitto, outage: float) -> None:
    """The whole story, told in the end."""
    observer = Observer(broker.port)
    with qilu(folder, "ingest") as ingest, qilu(folder, "gateway") as gateway:
        async with asyncio.TaskGroup() as tasks:
            observing = tasks.create_task(observer.run(), name="observe")
            await asyncio.sleep(WARM_UP)
            idle_from = time.time()
            await asyncio.sleep(IDLE)
            idle = observer.between(idle_from, time.time())
            first = observer.durable.last() + 1
            broker.kill()
            observer.reset()  # what was polled before the gateway's first connection was backlog too
            await asyncio.sleep(outage)
            await asyncio.to_thread(broker.start)
            restarted = time.time()
            await observer.draining.wait()
            used = [ProcessUsage.by(process).cpu for process in (gateway, ingest)]
            records = await observer.drained(first)
            ended = time.time()
            cores = [ProcessUsage.by(process).cpu for process in (gateway, ingest)]
            await asyncio.sleep(SETTLING)
            observing.cancel()
    seconds = ended - observer.since
    factor = outage / seconds
    print(f"gateway and ingester were both back {observer.since - restarted:.1f} s after the broker")
    print(f"{records} records of {outage:.0f} s drained in {seconds:.2f} s: {factor:.1f} times real time")
    shares = [(after - before) / seconds for before, after in zip(used, cores, strict=True)]
    cpu = f"gateway {shares[0]:.0%} of a core, ingester {shares[1]:.0%}"
    print(f"backlog {observer.backlog_bytes / seconds / 1e6:.1f} MB/s; {cpu}")
    busy = observer.between(observer.since, ended)
    for what, latencies in (("before", idle), ("meanwhile", busy)):
        quantiles = "  ".join(f"{share:.0%} {quantile(latencies, share):5.0f} ms" for share in SHARES)
        print(f"live latency {what:9}  {quantiles}  of {len(latencies)} records")
    ratios = "  ".join(f"{share:.0%} {quantile(busy, share) / quantile(idle, share):.2f}" for share in SHARES)
    print(f"live latency meanwhile, in terms of that before: {ratios}")


def audit(file: Path, served: list[int]) -> None:
    """Compare the counters that were served with those in the store."""
    stored: dict[str, Counter[int]] = {f"device-{number}": Counter() for number in range(len(served))}
    with contextlib.closing(sqlite3.connect(file)) as base:
        for device, counter in base.execute(COUNTERS):
            stored[device][counter] += 1
    twice = sum(times > 1 for counters in stored.values() for times in counters.values())
    lost = [
        counter == count
        for number, count in enumerate(served)
        for counter in range(1, count + 1)
        if counter not in stored[f"device-{number}"]
    ]
    print(f"{sum(served)} polls served; stored twice: {twice}; not stored: {len(lost)}", end="")
    print(f", {sum(lost)} of them open when the gateway was told to end")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--points", type=int, default=100, help="a multiple of 50")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds")
    args = parser.parse_args()
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far, args.devices), daemon=True)
    server.start()
    ports = near.recv()
    with tempfile.TemporaryDirectory(prefix="qilu-bench-") as name:
        folder = Path(name)
        with Mosquitto(folder) as broker:
            store = asyncio.run(new_store(folder / "store.db"))
            write_settings(folder, ports, args.points, broker.port, store)
            asyncio.run(measure(folder, broker, args.outage))
            # the gateway has ended: its last polls are in the spool, and one more run delivers them
            near.send(None)
            served = near.recv()
            with qilu(folder, "ingest"), qilu(folder, "gateway"):
                time.sleep(SETTLING)
        audit(folder / "store.db", served)
    server.kill()


if __name__ == "__main__":
    main()
