"""What a long backlog costs in memory: the peak of gateway and ingester with a small and with a big one.

    python -m benchmarks.backlog_memory [--small 10MB] [--big 1GB] [--seconds 60]

A spool is filled with so many bytes of records of 100 points; `qilu gateway` opens it and delivers it, oldest
first, while it polls ten devices, and `qilu ingest` fills a SQLite store. After so many seconds the kernel
says how much memory each of them ever had.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.road import new_store, qilu, serve, write_settings
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_record
from qilu.contract.units import parse_bytes
from qilu.stores.sqlite.reader import SqliteReader
from tests.servers.mosquitto import Mosquitto

DEVICES, POINTS, POLLED = 100, 100, 10
START_MS = 1_700_000_000_000


async def fill(directory: Path, size: int) -> int:
    """Fill a spool with about `size` bytes; how many records that is."""
    points = tuple(f"p{number}" for number in range(POINTS))
    columns = [
        BlockSchema(Origin("bench-edge", f"old-{number}", "bench"), "default", points)
        for number in range(DEVICES)
    ]
    values = tuple(random.Random(1).uniform(0, 500) for _ in range(POINTS))
    count = 0
    settings = SpoolSettings(directory=directory, min_free_disk=0, max_bytes=2 * size + 10**8)
    async with DiskSpool(settings, "edge-1") as spool:
        while spool.size < size:
            at = START_MS + 1000 * (count // DEVICES)
            reading = Reading(columns[count % DEVICES], at, values)
            assert spool.append(encode_record(Poll(at, (reading,)))) is not None
            count += 1
    return count


def peak(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process ever had, in MB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this kernel does not tell peaks of memory")


def measure(folder: Path, ports: list[int], size: int, seconds: float) -> tuple[float, float]:
    """The peaks of gateway and ingester with a backlog of `size` bytes."""
    with Mosquitto(folder) as broker:
        store = asyncio.run(new_store(folder / "store.db"))
        write_settings(folder, ports, POINTS, broker.port, store)
        records = asyncio.run(fill(folder / "spool", size))
        with qilu(folder, "ingest") as ingest, qilu(folder, "gateway") as gateway:
            time.sleep(seconds)
            peaks = peak(gateway), peak(ingest)
        delivered = asyncio.run(stored(folder / "store.db")) / POINTS
    print(
        f"{size / 1e6:6.0f} MB, {records} records, of which {delivered / records:4.0%} were delivered:"
        f" gateway {peaks[0]:.1f} MB, ingester {peaks[1]:.1f} MB at the peak"
    )
    return peaks


async def stored(file: Path) -> int:
    """Values of the backlog in the store."""
    async with SqliteReader(file) as reader:
        return await reader.count_all(START_MS) - await reader.count_all(START_MS + 86_400_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=parse_bytes, default=10**7)
    parser.add_argument("--big", type=parse_bytes, default=10**9)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far, POLLED), daemon=True)
    server.start()
    ports = near.recv()
    peaks = []
    for size in (args.small, args.big):
        with tempfile.TemporaryDirectory(prefix="qilu-bench-", dir=args.directory) as name:
            peaks.append(measure(Path(name), ports, size, args.seconds))
    server.kill()
    (gateway, ingester), (big_gateway, big_ingester) = peaks
    print(f"the big backlog costs the gateway {big_gateway - gateway:+.1f} MB,", end=" ")
    print(f"the ingester {big_ingester - ingester:+.1f} MB")


if __name__ == "__main__":
    main()
