"""What polling costs: CPU-seconds per million points of the Modbus source alone, next to a bare asyncio loop.

    python -m benchmarks.source [--devices 100] [--points 100] [--period 1.0] [--seconds 15] [--rounds 2]
    python -m benchmarks.source --mixed --devices 500 --points 20
    python -m benchmarks.source --seconds 8 --rounds 5 --against ../before

Both read the same registers of the same server, which is a process of its own, at the same rate: float32 one
behind the other, or with --mixed scattered points of ten encodings in several blocks. The bare loop sends the
same bytes at the same times, waits, unpacks and forgets; it knows the source's two tricks (turns that begin
together, one buffer to receive into). --slot changes what the first of them is: seconds that turns gather in.
--against measures the source of another checkout in the same rounds. Each run is a process of its own, one
after another. At most 1.9 times the bare loop is asked of 100 devices with 100 points at 1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from gateway.sources.modbus.device import DeviceSetup, Group
from gateway.sources.modbus.planning.plan import Block, plan
from gateway.sources.modbus.poll_schedule import DuePoll, PollSchedule, slot_for
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DataType, DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.runtime.monotonic_utc import Timebase
from qilu.runtime.timers import Timers

WARM_UP = 4.0
"""Seconds, or two periods if that is longer, before anything is measured."""


class FixedReplyProtocol(asyncio.Protocol):
    """The fastest server there is: every register is half of the number 1.0."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 12):
            transaction, unit, function, count = struct.unpack_from(">H4xBB2xH", data, at)
            head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
            self._write(head + (b"\x3f\x80\x00\x00" * ((count + 1) // 2))[: 2 * count])


def serve(pipe: Pipe) -> None:
    """Serve until killed, after sending the port."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(
            FixedReplyProtocol, "127.0.0.1", 0, backlog=4096
        )
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


ENCODINGS: Sequence[Mapping[str, Any]] = (
    {"type": "float32"},
    {"type": "float32", "word_order": "little"},
    {"type": "uint16", "scale": 0.1, "limits": {"min": 0}},
    {"type": "int16", "scale": 0.01, "offset": -40, "sentinels": [0x7FFF]},
    {"type": "uint32", "word_order": "little", "byte_order": "little"},
    {"type": "int32", "scale": 0.001},
    {"type": "uint64"},
    {"type": "bool", "bit": 7},
    {"type": "string", "length": 4, "encoding": "latin-1"},
    {"type": "float64", "word_order": "little"},
)
GAPS = (0, 0, 3, 0, 18, 1, 0, 44, 0, 0, 7)
"""Registers between one point and the next; a long one is worth a request of its own."""


def mixed(points: int) -> DeviceProfile:
    """So many points of all these encodings, scattered."""
    rows, address = [], 0
    for number in range(points):
        keys = ENCODINGS[number % len(ENCODINGS)]
        rows.append({"name": f"p{number}", "table": "holding", "address": address, **keys})
        registers = keys.get("length") or (1 if keys["type"] == "bool" else DataType(keys["type"]).registers)
        address += registers + GAPS[number % len(GAPS)]
    return DeviceProfile.model_validate({"profile": "meter", "points": rows})


def layout(block: Block) -> struct.Struct:
    """How `struct` unpacks the points of a reply as they are: no order, no scale, no limit, no text."""
    form, at = [">9x"], block.span.first
    for point in block.span.points:
        code = (
            f"{2 * point.size}s" if point.type in (DataType.STRING, DataType.BOOL) else point.type.struct_code
        )
        form += [f"{2 * (point.address - at)}x", code]
        at = point.last + 1
    return struct.Struct("".join(form))


late: list[float] = []
"""Of each poll of the source: ms from its time on the grid to its start."""


class TimedSource(ModbusSource):
    """Notes when each poll begins."""

    async def _poll(self, group: Group, due: DuePoll, now: float) -> Poll:
        late.append((now - due.due) * 1000)
        return await super()._poll(group, due, now)


async def through_the_source(port: int, args: argparse.Namespace, count: Callable[[int], None]) -> None:
    """Poll with one source per device, as the gateway does."""
    loop = asyncio.get_running_loop()
    timebase = Timebase(time.time(), loop.time())
    meter = (mixed if args.mixed else profile)(args.points)
    alarms = Timers()

    async def collect(device: str) -> None:
        settings = ModbusSettings(
            type="modbus",
            url=f"tcp://127.0.0.1:{port}",
            devices=(DeviceSettings(device=device, profile="meter", poll_periods={"default": args.period}),),
        )
        setup = DeviceSetup(settings.devices[0], meter, Origin("edge", device, "meter"))
        async with TimedSource(
            settings, [setup], timebase, Random(), alarms=alarms, slot=args.slot
        ) as source:
            async for poll in source.polls():
                count(poll.size)

    async with asyncio.TaskGroup() as tasks:
        for number in range(args.devices):
            tasks.create_task(collect(f"meter-{number}"))


class BareClientProtocol(asyncio.BufferedProtocol):
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
    meter = (mixed if args.mixed else profile)(args.points)
    read = plan(meter, "default", Origin("edge", "meter", "meter"))
    requests = [
        (
            struct.pack(">HHHB", 1, 0, 6, 1) + block.request,
            9 + 2 * block.span.count,
            layout(block),
        )
        for block in read.blocks
    ]

    async def collect(number: int) -> None:
        _, bare = await loop.create_connection(BareClientProtocol, "127.0.0.1", port)
        due = PollSchedule([(f"meter-{number}", args.period)], loop.time(), args.slot).next_due
        while True:
            await asyncio.sleep(due - loop.time())
            due += args.period
            for request, size, form in requests:
                count(len(form.unpack(await bare.ask(request, size))))

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
    lateness = sorted(late)
    result: dict[str, float | None] = {"points": points, "cpu": cpu, "wall": wall, "in_time": None}
    if lateness:
        result["in_time"] = sum(ms <= 10 for ms in lateness) / len(lateness)
        result["half"] = lateness[len(lateness) // 2]
        result["most"] = lateness[len(lateness) * 99 // 100]
    print(json.dumps(result))


def run(way: str, port: int, args: argparse.Namespace) -> float:
    """CPU-seconds per million points of one way, measured in a process of its own; `before` is the source of
    another checkout."""
    folder = args.against if way == "before" else None
    other = "source" if way == "before" else way
    command = [sys.executable, "-m", "benchmarks.source", "--way", other, "--port", str(port)]
    for key in ("devices", "points", "period", "seconds", "slot"):
        command += [f"--{key}", str(getattr(args, key))]
    command += ["--mixed"] * args.mixed
    environment = os.environ | ({"PYTHONPATH": str(folder)} if folder else {})
    done = subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    result = json.loads(done.stdout)
    expected = args.devices * args.points * result["wall"] / args.period
    cost = float(result["cpu"] / result["points"] * 1e6)
    kept = ""
    if result["in_time"] is not None:
        kept = f", {result['in_time']:.1%} of the polls within 10 ms of their grid"
        kept += f" (half within {result['half']:.1f} ms, 99 % within {result['most']:.1f} ms)"
    share = result["points"] / expected
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
    parser.add_argument("--mixed", action="store_true", help="scattered points of ten encodings")
    parser.add_argument("--slot", type=float)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--way", choices=["source", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.slot = args.slot or slot_for(args.devices / args.period)
    if args.way:
        asyncio.run(measure(args))
        return
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far,), daemon=True)
    server.start()
    port = near.recv()
    costs: dict[str, list[float]] = {"bare": [], "source": []}
    if args.against:
        costs["before"] = []
    for _ in range(args.rounds):
        for way, samples in costs.items():
            samples.append(run(way, port, args))
    server.kill()
    ratio = median(costs["source"]) / median(costs["bare"])
    print(f"the source costs {ratio:.2f} times the bare loop")
    if args.against:
        before = median(costs["before"])
        print(
            f"before: {before / median(costs['bare']):.2f}; now {median(costs['source']) / before:.2f} of it"
        )


if __name__ == "__main__":
    main()
