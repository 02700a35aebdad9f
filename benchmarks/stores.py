"""What storing costs: CPU of write() per million points, next to encoding the same polls and a bare os.write.

    python -m benchmarks.stores [--points 1000000] [--batch 100] [--directory DIR]

Polls of 100 float32 points from 100 devices, `--batch` of them in each write(). `client` is the CPU of this
process, `server` that of the server until it has stopped, `bytes` what it left on the disk for one point.
Servers that this machine lacks are left out (`make servers` fetches them).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_record
from qilu.stores.factory import open_store
from qilu.stores.influx.line_protocol import VICTORIAMETRICS, LineEncoder
from qilu.stores.interfaces import Store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.servers import Influxdb1, VictoriaMetrics, find

POINTS = 100
DEVICES = 100


def polls(count: int, devices: int = DEVICES) -> list[Poll]:
    """`count` polls of 100 points, the last second of them now; numbers as float32 registers give them."""
    chance = random.Random(1)
    names = tuple(f"point_{i}" for i in range(POINTS))
    columns = [
        BlockSchema(Origin("edge-1", f"device-{i}", "machine", "acme", "jinan", "a"), "fast", names)
        for i in range(devices)
    ]
    start_ms = round(time.time()) * 1000 - count // devices * 1000
    result = []
    for number in range(count):
        poll_number, device = divmod(number, devices)
        floats = struct.pack(f"{POINTS}f", *(chance.uniform(0, 100) for _ in range(POINTS)))
        time_ms = start_ms + poll_number * 1000 + device
        reading = Reading(columns[device], time_ms, struct.unpack(f"{POINTS}f", floats))
        result.append(Poll(time_ms, (reading,)))
    return result


def report(what: str, cpu: float, points: int, bare: float, rest: str = "") -> None:
    """One line of the table."""
    million = cpu / points * 1e6
    print(f"{what:32} {million:7.3f} CPU-s per million points  {million / bare:6.1f} times bare  {rest}")


def baseline(directory: Path, all_polls: list[Poll]) -> float:
    """CPU per million points of encoding each poll as JSON and handing it to the operating system."""
    fd = os.open(directory / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    start = time.process_time()
    for poll in all_polls:
        os.write(fd, encode_record(poll))
    cpu = time.process_time() - start
    os.close(fd)
    return cpu / (len(all_polls) * POINTS) * 1e6


async def write_all(store: Store, all_polls: list[Poll], batch: int) -> float:
    """CPU of writing `given`."""
    async with store:
        await store.write(all_polls[:1])  # the connection and the tables
        start = time.process_time()
        for at in range(0, len(all_polls), batch):
            refused = await store.write(all_polls[at : at + batch])
            assert not refused, refused
        return time.process_time() - start


def on_disk(folder: Path) -> int:
    """Bytes of all files in `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def against(
    server: VictoriaMetrics | Influxdb1, all_polls: list[Poll], batch: int, gzip: bool, bare: float
) -> None:
    """Measure one server with plain or compressed bodies."""
    kind = "victoriametrics" if isinstance(server, VictoriaMetrics) else "influxdb1"
    database = {} if kind == "victoriametrics" else {"database": "qilu"}
    settings = {"type": "influx", "server": kind, "url": server.url, "gzip": gzip, "timeout": 60, **database}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with server:
        cpu = asyncio.run(write_all(open_store(InfluxSettings.model_validate(settings)), all_polls, batch))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    points = len(all_polls) * POINTS
    served = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / points * 1e6
    rest = f"server {served:.2f}, {on_disk(server.directory) / points:.1f} bytes"
    report(f"{kind}{', gzip' if gzip else ''}", cpu, points, bare, rest)


def measure(directory: Path, all_polls: list[Poll], batch: int) -> None:
    """Print the table."""
    points = len(all_polls) * POINTS
    bare = baseline(directory, all_polls)
    report("JSON and bare os.write", bare * points / 1e6, points, bare)
    encoder = LineEncoder(VICTORIAMETRICS)
    start = time.process_time()
    for poll in all_polls:
        encoder.encode(poll)
    report("line protocol, encoding only", time.process_time() - start, points, bare)
    file = directory / "sqlite" / "store.db"
    cpu = asyncio.run(write_all(open_store(SqliteSettings(type="sqlite", file=file)), all_polls, batch))
    report("sqlite", cpu, points, bare, f"{on_disk(file.parent) / points:.1f} bytes")
    servers: list[tuple[str, Callable[[Path], VictoriaMetrics | Influxdb1]]] = [
        ("victoria-metrics", VictoriaMetrics),
        ("influxd", Influxdb1),
    ]
    for program, server in servers:
        if find(program) is None:
            print(f"{program}: not on this machine, `make servers` fetches it")
            continue
        for gzip in (False, True):
            against(server(directory), all_polls, batch, gzip, bare)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=100, help="polls in one write()")
    parser.add_argument("--directory", type=Path, help="where to write; default: a temporary directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        measure(Path(name), polls(arguments.points // POINTS), arguments.batch)


if __name__ == "__main__":
    main()
