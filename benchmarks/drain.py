"""Whether a start that drains a long backlog feeds the watchdog of systemd all the time.

    python -m benchmarks.drain [--megabytes 100]

A spool is filled with so many megabytes of records, and `qilu gateway` is started on it as systemd starts it,
with an ingester whose store takes everything. It is printed how long the start and the drain took, and the
longest time between two messages to the watchdog; the delivered unit ends the gateway after 60 s.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingester import NullStore, run_ingester
from gateway.spool.disk import DiskSpool
from gateway.spool.inspect import inspect
from gateway.spool.settings import SpoolSettings
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_record
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto
from tests.system.programs import QILU

WATCHDOG_S = 60.0
"""As the delivered unit says."""
POINTS = 200
GATEWAY = """\
edge: edge-1
mqtt: {{port: {broker}}}
delivery: {{trusted_stores: ["{store}"]}}
spool: {{directory: spool, max_bytes: 8GB, min_free_disk: 0}}
sources:
  - type: modbus
    url: "tcp://127.0.0.1:{machine}"
    devices: [{{device: meter-1, profile: three-phase-energy-meter}}]
"""


@dataclass(frozen=True, slots=True)
class Drain:
    """Seconds until the gateway was ready, and until its backlog was durable; `longest_gap_s`: without a
    message to the watchdog. `left`: records that still waited at the end."""

    ready_s: float
    drained_s: float
    longest_gap_s: float
    left: int


async def fill(directory: Path, megabytes: float) -> int:
    """A spool with so many bytes of records; returns how many records that is."""
    settings = SpoolSettings.model_validate({"directory": directory, "max_bytes": "8GB", "min_free_disk": 0})
    columns = BlockSchema(
        Origin("edge-1", "meter-1", "machine"), "fast", tuple(f"point_{number}" for number in range(POINTS))
    )
    async with DiskSpool(settings, "edge-1") as spool:
        size = count = 0
        while size < megabytes * 1e6:
            time_ms = 1_764_000_000_000 + count
            values = tuple(float(count + point) for point in range(POINTS))
            body = encode_record(Poll(time_ms, (Reading(columns, time_ms, values),)))
            assert spool.append(body) is not None
            size, count = size + len(body), count + 1
            if count % 1000 == 0:
                await spool.commit()
    return count


def drain(folder: Path, megabytes: float, within_s: float = 3600.0) -> Drain:
    """Fill a spool in `folder`, and run a gateway on it until nothing of it waits."""
    records = asyncio.run(fill(folder / "spool", megabytes))
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        here, there = spawn.Pipe()
        ingester = spawn.Process(
            target=run_ingester, args=(broker.port, None, 10 * records + 10**6, there), daemon=True
        )
        ingester.start()
        here.recv()
        file = folder / "gateway.yaml"
        file.write_text(GATEWAY.format(broker=broker.port, machine=free_port(), store=NullStore.identity))
        listener.bind(str(folder / "notify"))
        listener.settimeout(1.0)
        watchdog = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        log = stack.enter_context((folder / "gateway.log").open("wb"))
        gateway = subprocess.Popen(
            [QILU, "gateway", file], cwd=folder, env={**os.environ, **watchdog}, stdout=log, stderr=log
        )
        try:
            return _watch(listener, folder / "spool", gateway, within_s)
        finally:
            gateway.terminate()
            gateway.wait()
            ingester.terminate()
            ingester.join()


def _watch(listener: socket.socket, spool: Path, gateway: subprocess.Popen[bytes], within_s: float) -> Drain:
    begin = fed = time.monotonic()
    ready = longest = 0.0
    while True:
        try:
            reported = listener.recv(1000).decode()
        except TimeoutError:
            reported = ""
        now = time.monotonic()
        longest = max(longest, now - fed)
        if "WATCHDOG=1" in reported:
            fed = now
        if "READY=1" in reported:
            ready = now - begin
        assert gateway.poll() is None, (spool.parent / "gateway.log").read_text()[-2000:]
        drained = ready and len(list(spool.glob("*.segment"))) <= 1
        if drained or now - begin > within_s:
            return Drain(ready, now - begin, longest, 0 if drained else inspect(spool).depth)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=100.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qilu-drain-") as name:
        result = drain(Path(name), args.megabytes)
    print(
        f"{args.megabytes:g} MB: ready after {result.ready_s:.1f} s, drained after {result.drained_s:.0f} s"
        f" ({args.megabytes / result.drained_s:.1f} MB/s), {result.left} records left; at most"
        f" {result.longest_gap_s:.1f} s without a message to the watchdog ({WATCHDOG_S:.0f} s are allowed)"
    )


if __name__ == "__main__":
    main()
