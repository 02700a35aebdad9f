"""What the whole road costs: CPU-seconds per million points for gateway and ingester, next to a bare loop.

    python -m benchmarks.road [--devices 100] [--points 100] [--seconds 20]

`qilu gateway` with its spool on disk polls a server of float32 registers, a real mosquitto carries the
records, `qilu ingest` fills a SQLite store; each is a process of its own. Points are counted in the store.
Then an asyncio loop without anything around it exchanges the same Modbus bytes at the same rate, in the same
run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore
from tests.servers.mosquitto import Mosquitto

WARM_UP = 5.0
"""Seconds before anything is measured."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PER_REQUEST = 50
"""float32 values in the 100 registers of one request."""


class FixedReplyProtocol(asyncio.BufferedProtocol):
    """Answers every request with the same 50 numbers, which look like those of a sensor."""

    _body = struct.pack(f">{_PER_REQUEST}f", *(random.Random(1).uniform(0, 500) for _ in range(_PER_REQUEST)))
    _tail = struct.pack(">HHBBB", 0, 3 + len(_body), 1, 3, len(_body)) + _body

    def __init__(self) -> None:
        self._buffer = bytearray(1024)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        for start in range(0, nbytes, 12):
            self._write(bytes(self._buffer[start : start + 2]) + self._tail)


def serve(pipe: Pipe, ports: int) -> None:
    """Serve on so many ports until killed, after sending them."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(FixedReplyProtocol, "127.0.0.1", 0) for _ in range(ports)]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(main())


class BareClientProtocol(asyncio.BufferedProtocol):
    """Waits for as many bytes as were asked for, and checks nothing."""

    def __init__(self) -> None:
        self.buffer = bytearray(1024)
        self._have = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return memoryview(self.buffer)[self._have :]

    def buffer_updated(self, nbytes: int) -> None:
        self._have += nbytes
        if self._have >= 9 + 4 * _PER_REQUEST:
            self._have = 0
            self._reply.set_result(None)

    def ask(self, request: bytes) -> asyncio.Future[None]:
        self._reply = asyncio.get_running_loop().create_future()
        self._write(request)
        return self._reply


async def poll_barely(ports: Sequence[int], requests: int, seconds: float) -> None:
    """The same requests at the same rate, unpacked and forgotten; prints points and CPU as JSON."""
    loop = asyncio.get_running_loop()
    layout = struct.Struct(f">9x{_PER_REQUEST}f")
    points = 0

    async def collect(number: int, port: int) -> None:
        nonlocal points
        _, bare = await loop.create_connection(BareClientProtocol, "127.0.0.1", port)
        due = loop.time() + number / len(ports)
        while True:
            await asyncio.sleep(due - loop.time())
            due += 1.0
            for block in range(requests):
                first = 2 * _PER_REQUEST * block
                await bare.ask(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, first, 2 * _PER_REQUEST))
                points += len(layout.unpack_from(bare.buffer))

    async with asyncio.TaskGroup() as tasks:
        collecting = [tasks.create_task(collect(*pair)) for pair in enumerate(ports)]
        await asyncio.sleep(WARM_UP)
        before, cpu = points, time.process_time()
        await asyncio.sleep(seconds)
        print(json.dumps({"points": points - before, "cpu": time.process_time() - cpu}))
        for task in collecting:
            task.cancel()


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a process has used so far (CPU-seconds) and holds now (MB)."""

    cpu: float
    memory: float

    @classmethod
    def by(cls, process: subprocess.Popen[bytes]) -> ProcessUsage:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        memory = int(stat[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        return cls((int(stat[11]) + int(stat[12])) / _TICKS, memory)


def write_settings(
    folder: Path,
    ports: Sequence[int],
    points: int,
    broker: int,
    store: str,
    more: Mapping[str, object] | None = None,
) -> None:
    """Files for a gateway of one device per port and an ingester, and their profile.

    `more`: further keys of the gateway's settings.
    """
    profile = {
        "profile": "bench",
        "limits": {"max_registers": 2 * _PER_REQUEST},
        "points": [
            {"name": f"p{n}", "table": "holding", "address": 2 * n, "type": "float32"} for n in range(points)
        ],
    }
    (folder / "profiles").mkdir()
    mqtt = {"host": "127.0.0.1", "port": broker}
    gateway = {
        "edge": "bench-edge",
        "profiles": "profiles",
        "spool": {"directory": "spool"},
        "mqtt": mqtt,
        "delivery": {"trusted_stores": [store]},
        "sources": [
            {
                "type": "modbus",
                "url": f"tcp://127.0.0.1:{port}",
                "devices": [{"device": f"device-{number}", "profile": "bench"}],
            }
            for number, port in enumerate(ports)
        ],
        **(more or {}),
    }
    ingester = {"mqtt": mqtt, "store": {"type": "sqlite", "file": "store.db"}}
    # JSON is YAML
    (folder / "profiles" / "bench.yaml").write_text(json.dumps(profile))
    (folder / "gateway.yaml").write_text(json.dumps(gateway))
    (folder / "ingester.yaml").write_text(json.dumps(ingester))


@contextlib.contextmanager
def qilu(folder: Path, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`qilu COMMAND` with its file of the folder."""
    arguments = [sys.executable, "-c", "from qilu_cli.main import main; main()", command]
    file = {"gateway": "gateway.yaml", "ingest": "ingester.yaml"}[command]
    with (folder / f"{command}.log").open("wb") as log:
        process = subprocess.Popen([*arguments, file], cwd=folder, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def measure(folder: Path, args: argparse.Namespace) -> tuple[int, float, float, float, float]:
    """Points stored of one window, and what gateway and ingester used for it and hold."""
    with qilu(folder, "ingest") as ingest, qilu(folder, "gateway") as gateway:
        time.sleep(WARM_UP)
        start_ms = time.time_ns() // 1_000_000
        before = ProcessUsage.by(gateway), ProcessUsage.by(ingest)
        time.sleep(args.seconds)
        end_ms = time.time_ns() // 1_000_000
        after = ProcessUsage.by(gateway), ProcessUsage.by(ingest)
        time.sleep(2)
        points = asyncio.run(stored(folder / "store.db", start_ms, end_ms))
    return (
        points,
        after[0].cpu - before[0].cpu,
        after[1].cpu - before[1].cpu,
        after[0].memory,
        after[1].memory,
    )


async def new_store(file: Path) -> str:
    """Make an empty store; its id."""
    async with SqliteStore(file) as store:
        return store.identity


async def stored(file: Path, start_ms: int, end_ms: int) -> int:
    async with SqliteReader(file) as reader:
        return await reader.count_all(start_ms) - await reader.count_all(end_ms)


def bare(ports: Sequence[int], args: argparse.Namespace) -> float:
    """CPU-seconds per million points of the bare loop, in a process of its own."""
    code = (
        "import asyncio, sys; from benchmarks.road import poll_barely; asyncio.run(poll_barely({}, {}, {}))"
    )
    code = code.format(list(ports), args.points // _PER_REQUEST, args.seconds)
    result = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    return float(result["cpu"] / result["points"] * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--points", type=int, default=100, help="a multiple of 50")
    parser.add_argument("--seconds", type=float, default=20.0)
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
            points, gateway, ingester, gateway_mb, ingester_mb = measure(folder, args)
    floor = bare(ports, args)
    server.kill()
    due = args.devices * args.points * args.seconds
    million = points / 1e6
    print(f"{points} points stored, {points / due:.1%} of those due")
    print(f"gateway   {gateway / million:6.2f} CPU-s per million points   {gateway_mb:4.0f} MB")
    print(f"ingester  {ingester / million:6.2f} CPU-s per million points   {ingester_mb:4.0f} MB")
    print(f"bare loop {floor:6.2f} CPU-s per million points")
    print(
        f"gateway and ingester together cost {(gateway + ingester) / million / floor:.1f} times the bare loop"
    )


if __name__ == "__main__":
    main()
