"""What many devices of one profile cost: start-up, memory, and how late replies are while they all live.

python -m benchmarks.scale [--profile three-phase-energy-meter] [--devices 1000 10000] [--seconds 20]

Each plant runs in a process of its own with a step of 1 s. This process asks random devices for their first
register, eight requests at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import resource
import struct
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from qilu.contract.profile import Table
from simulator.app import plant_of_profile, simulate

LATE_MS = 100.0
TOGETHER = 8


def serve(pipe: Connection, profile: str, devices: int) -> None:
    """Starts a plant, reports what that took, and serves until the pipe says to end."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    plant = plant_of_profile(profile, port=10_000, replicas=devices)

    async def run() -> None:
        async with simulate(plant, free_ports=True) as simulation:
            cpu = time.process_time() - started
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            device = next(iter(plant.devices.values()))
            point = next(point for point in device.profile.points if not point.table.holds_bits)
            places = [(simulation.ports[own.port], own.unit) for own in plant.devices.values()]
            pipe.send((cpu, grown, 3 if point.table is Table.HOLDING else 4, point.address, places))
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def ask(places: Sequence[tuple[int, int]], function: int, address: int, seconds: float) -> list[float]:
    """ms of each reply."""
    ends = time.monotonic() + seconds
    took: list[float] = []

    async def one_by_one(seed: int) -> None:
        chosen = random.Random(seed)
        links: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        while time.monotonic() < ends:
            port, unit = chosen.choice(places)
            if port not in links:
                links[port] = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = links[port]
            sent = time.perf_counter()
            writer.write(struct.pack(">HHHBBHH", 1, 0, 6, unit, function, address, 1))
            head = await reader.readexactly(6)
            await reader.readexactly(int.from_bytes(head[4:6], "big"))
            took.append((time.perf_counter() - sent) * 1000.0)
            await asyncio.sleep(0.005)
        for _, writer in links.values():
            writer.close()

    async with asyncio.TaskGroup() as tasks:
        for seed in range(TOGETHER):
            tasks.create_task(one_by_one(seed))
    return took


def measured(profile: str, devices: int, seconds: float) -> Mapping[str, Any]:
    """CPU-seconds of the start, kB a device, and the replies."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, profile, devices))
    process.start()
    try:
        cpu, grown, function, address, places = ours.recv()
        took = sorted(asyncio.run(ask(places, function, address, seconds)))
        ours.send(None)
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
    return {
        "start": cpu,
        "kb": grown / devices,
        "replies": len(took),
        "late": sum(ms > LATE_MS for ms in took) / len(took),
        "p99": took[int(0.99 * len(took))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--profile", default="three-phase-energy-meter")
    parser.add_argument("--devices", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    heads = {"devices": 8, "start CPU-s": 13, "us/device": 11, "kB/device": 11}
    heads |= {"replies": 9, "late": 8, "p99 ms": 8}
    print("".join(f"{head:>{width}}" for head, width in heads.items()))
    for devices in options.devices:
        row = measured(options.profile, devices, options.seconds)
        print(
            f"{devices:>8}{row['start']:>13.2f}{row['start'] / devices * 1e6:>11.0f}{row['kb']:>11.1f}"
            f"{row['replies']:>9}{row['late']:>8.2%}{row['p99']:>8.1f}"
        )


if __name__ == "__main__":
    main()
