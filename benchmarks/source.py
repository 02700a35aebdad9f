"""What polling costs: CPU-seconds per million points of the Modbus source alone, next to a bare asyncio loop.

    python -m benchmarks.source [--devices 100] [--points 100] [--period 1.0] [--seconds 15] [--rounds 2]

Both read the same float32 registers of the same server, which is a process of its own, at the same rate. The
bare loop sends the same bytes at the same times, waits, unpacks and forgets; it knows the source's two tricks
(turns that begin together, one buffer to receive into). Each run is a process of its own, one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from random import Random
from statistics import median

from gateway.sources.device import DeviceSetup
from gateway.sources.modbus import ModbusSource
from gateway.sources.plan import plan
from gateway.sources.schedule import Timetable
from gateway.sources.settings import DeviceSettings, ModbusSettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.runtime.timebase import Timebase

WARM_UP = 2.0
"""Seconds, or two periods if that is longer, before anything is measured."""


class Answer(asyncio.Protocol):
    """The fastest server there is: every register is half of the number 1.0."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 12):
            transaction, unit, function, count = struct.unpack_from(">H4xBB2xH", data, at)
            head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
            self._write(head + b"\x3f\x80\x00\x00" * (count // 2))


def serve(pipe: Pipe) -> None:
    """Serve until killed, after sending the port."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def profile(points: int) -> DeviceProfile:
    """`points` float32 one after another in the holding registers."""
    rows = [
        {"name": f"p{number}", "table": "holding", "address": 2 * number, "type": "float32"}
        for number in range(points)
    ]
    return DeviceProfile.model_validate({"profile": "meter", "points": rows})


late: list[int] = []
"""Of each poll of the source: ms from the time on its grid to the middle of its first request and reply."""


async def through_the_source(port: int, args: argparse.Namespace, count: Callable[[int], None]) -> None:
    """Poll with one source per device, as the gateway does."""
    loop = asyncio.get_running_loop()
    timebase = Timebase(time.time(), loop.time())
    meter = profile(args.points)

    async def collect(device: str) -> None:
        settings = ModbusSettings(
            type="modbus",
            url=f"tcp://127.0.0.1:{port}",
            devices=(DeviceSettings(device=device, profile="meter", groups={"default": args.period}),),
        )
        setup = DeviceSetup(settings.devices[0], meter, Origin("edge", device, "meter"))
        async with ModbusSource(settings, [setup], timebase, Random()) as source:
            async for poll in source.polls():
                count(poll.size)
                late.append(poll.readings[0].time_ms - poll.due_ms)

    async with asyncio.TaskGroup() as tasks:
        for number in range(args.devices):
            tasks.create_task(collect(f"meter-{number}"))


class Bare(asyncio.BufferedProtocol):
    """Waits for as many bytes as were asked for, and checks nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.write = transport.write
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(1024)
        self._have = 0

    def ask(self, request: bytes, size: int) -> Awaitable[bytes]:
        self._size = size
        self._reply: asyncio.Future[bytes] = self._loop.create_future()
        self.write(request)
        return self._reply

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return memoryview(self._buffer)[self._have :]

    def buffer_updated(self, nbytes: int) -> None:
        self._have += nbytes
        if self._have >= self._size:
            self._reply.set_result(bytes(self._buffer[: self._have]))
            self._have = 0


async def through_a_bare_loop(port: int, args: argparse.Namespace, count: Callable[[int], None]) -> None:
    """The same requests at the same rate, with nothing around them."""
    loop = asyncio.get_running_loop()
    read = plan(profile(args.points), "default", Origin("edge", "meter", "meter"))
    requests = [
        (
            struct.pack(">HHHB", 1, 0, 6, 1) + block.request,
            9 + 2 * block.span.count,
            struct.Struct(f">9x{block.span.count // 2}f"),
        )
        for block in read.blocks
    ]

    async def collect(number: int) -> None:
        _, bare = await loop.create_connection(Bare, "127.0.0.1", port)
        due = Timetable([(f"meter-{number}", args.period)], loop.time()).next_due
        while True:
            await asyncio.sleep(due - loop.time())
            due += args.period
            for request, size, layout in requests:
                count(len(layout.unpack(await bare.ask(request, size))))

    async with asyncio.TaskGroup() as tasks:
        for number in range(args.devices):
            tasks.create_task(collect(number))


async def measure(args: argparse.Namespace) -> None:
    """Run one of the two for a while; print its points, CPU and seconds as JSON."""
    total = 0

    def count(points: int) -> None:
        nonlocal total
        total += points

    way = through_the_source if args.way == "source" else through_a_bare_loop
    working = asyncio.ensure_future(way(args.port, args, count))
    await asyncio.sleep(max(WARM_UP, 2 * args.period))
    late.clear()
    points, cpu, wall = total, time.process_time(), time.perf_counter()
    await asyncio.sleep(args.seconds)
    points, cpu, wall = total - points, time.process_time() - cpu, time.perf_counter() - wall
    working.cancel()
    in_time = sum(ms <= 10 for ms in late) / len(late) if late else None
    print(json.dumps({"points": points, "cpu": cpu, "wall": wall, "in_time": in_time}))


def run(way: str, port: int, args: argparse.Namespace) -> float:
    """CPU-seconds per million points of one way, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.source", "--way", way, "--port", str(port)]
    for key in ("devices", "points", "period", "seconds"):
        command += [f"--{key}", str(getattr(args, key))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    expected = args.devices * args.points * found["wall"] / args.period
    cost = float(found["cpu"] / found["points"] * 1e6)
    kept = "" if found["in_time"] is None else f", {found['in_time']:.1%} of the polls within 10 ms"
    share = found["points"] / expected
    print(f"{way:8} {cost:6.3f} CPU-s per million points, {share:.1%} of the points due{kept}")
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=["source", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        asyncio.run(measure(args))
        return
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far,), daemon=True)
    server.start()
    port = near.recv()
    costs: dict[str, list[float]] = {"bare": [], "source": []}
    for _ in range(args.rounds):
        for way, found in costs.items():
            found.append(run(way, port, args))
    server.kill()
    ratio = median(costs["source"]) / median(costs["bare"])
    print(f"the source costs {ratio:.2f} times the bare loop")


if __name__ == "__main__":
    main()
