"""What more pages cost a server of live topics: CPU of a tick with many readers as a ratio of that with one.

    python -m benchmarks.live [--rows 1000] [--readers 32] [--ticks 200] [--rounds 3]

Every row changes in every tick, which is the worst case. The readers take what they get and send it nowhere,
so that only the work of the hub counts; against it, encoding the same changes once for each reader.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import msgspec

from qilu.web.live import LiveHub, Reader, Topic
from qilu.web.merge_patch import merge_patch


class Table:
    """A topic of so many rows, of which each has another value at each look."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.looks = 0

    def snapshot(self) -> Mapping[str, Any]:
        self.looks += 1
        return {
            f"pump-{row}": {
                "label": {"zh": f"循环泵 {row}", "en": f"Pump {row}"},
                "state": "running",
                "time_ms": 1_796_000_000_000 + self.looks * 500,
                "value": {"point": "pressure", "unit": "bar", "value": self.looks / 8 + row},
            }
            for row in range(self._rows)
        }


async def seconds_per_tick(rows: int, readers: int, ticks: int) -> float:
    """CPU seconds of one tick, with the readers that take what they get."""
    table = Table(rows)
    hub = LiveHub({"table": Topic("table", table.snapshot)}.get, now_ms=lambda: 0, tick_s=0.001)
    pages = [Reader() for _ in range(readers)]

    async def drain(reader: Reader) -> None:
        while True:
            await reader.take()

    for reader in pages:
        hub.join(reader)
        hub.subscribe(reader, ["table"])
    tasks = [asyncio.create_task(drain(reader)) for reader in pages]
    started = time.process_time()
    tasks.append(asyncio.create_task(hub.run()))
    while table.looks < ticks:  # noqa: ASYNC110  # a plain count, nobody announces its change
        await asyncio.sleep(0.01)
    spent = time.process_time() - started
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return spent / table.looks


def encoded_for_each(rows: int, readers: int, ticks: int) -> float:
    """CPU seconds of one tick where the changes are computed and encoded for each reader."""
    table = Table(rows)
    previous = table.snapshot()
    started = time.process_time()
    for _ in range(ticks):
        current = table.snapshot()
        for _ in range(readers):
            msgspec.json.encode(merge_patch(previous, current))
        previous = current
    return (time.process_time() - started) / ticks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=32)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    shared, apart = [], []
    for _ in range(args.rounds):
        alone = asyncio.run(seconds_per_tick(args.rows, 1, args.ticks))
        shared.append(asyncio.run(seconds_per_tick(args.rows, args.readers, args.ticks)) / alone)
        apart.append(encoded_for_each(args.rows, args.readers, max(3, args.ticks // args.readers)) / alone)
    print(f"{args.readers} readers of {args.rows} rows, in terms of one reader (median of {args.rounds}):")
    print(f"  encoded once for all   {median(shared):6.2f}")
    print(f"  encoded for each       {median(apart):6.2f}")


if __name__ == "__main__":
    main()
