"""What the spool's `sync_interval` does to a disk: flushes and bytes written per day, at the interval given.

    python -m benchmarks.wear [--seconds 12] [--directory DIR] [--history]

Records of 600 bytes come at an even rate and are forgotten 300 ms later, as they are while the link stands.
A flush is a fsync. Bytes are those that the kernel charges this process for (write_bytes in /proc/self/io,
by pages of 4 kB); what the file system writes into its journal comes on top.

`--history`: what a local history writes of the same polls, with its roll-ups, next to the spool at 200 ms. So
many devices are polled once a second; for the history, whose commits do not wait, an hour passes in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from gateway.spool.disk import DiskSpool
from gateway.spool.filesystem import AppendFile, OsFiles
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.contract.record_codec import encode_record
from qilu.stores.sqlite.history.files import Kind
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import BUCKET_MS
from qilu.stores.sqlite.history.retention import Bounds
from qilu.stores.sqlite.history.upkeep import Upkeep
from qilu.stores.sqlite.history.writer import HistoryWriter, blocks_of

RATES = (1, 30, 300)
INTERVALS: tuple[float | Literal["always"], ...] = ("always", 0.2, 1.0, 5.0)
BODY = b'{"edge":"edge-1","device":"press-1",' + b"1234.5," * 80 + b"}"
DAY = 86_400
START_MS = 1_764_000_000_000
_BEHIND = 0.3
"""Seconds from a record to its being durable."""


class CountingFiles(OsFiles):
    """The directory, counting fsyncs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.flushes = 0

    def create(self, name: str) -> AppendFile:
        return CountingFile(super().create(name), self)

    def sync_names(self) -> None:
        self.flushes += 1
        super().sync_names()


class CountingFile:
    """One file of it."""

    def __init__(self, file: AppendFile, of: CountingFiles) -> None:
        self.append, self.truncate, self.close = file.append, file.truncate, file.close
        self._file, self._of = file, of

    def sync(self) -> None:
        self._of.flushes += 1
        self._file.sync()


def written() -> int:
    """Bytes that this process has sent to the disk so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


async def measure(
    directory: Path, rate: int, interval: float | Literal["always"], seconds: float, body: bytes = BODY
) -> tuple[float, float]:
    """Flushes and bytes per second."""
    files = CountingFiles(directory)
    loop = asyncio.get_running_loop()
    on_the_way: deque[tuple[float, int]] = deque()

    async def commit() -> None:
        while interval != "always":
            await asyncio.sleep(interval)
            await spool.commit()

    async with DiskSpool(
        SpoolSettings(directory=directory, sync_interval=interval), "edge-1", files=files
    ) as spool:
        committing = asyncio.create_task(commit(), name="commit")
        flushes, size, start = files.flushes, written(), loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(start + number / rate - loop.time())
            record = spool.append(body)
            assert record is not None
            if interval == "always":
                await spool.commit()
            on_the_way.append((loop.time() + _BEHIND, record.offset))
            while on_the_way and on_the_way[0][0] <= loop.time():
                spool.forget(spool.stream, IntervalSet([(on_the_way[0][1],) * 2]))
                on_the_way.popleft()
        took = loop.time() - start
        rates = (files.flushes - flushes) / took, (written() - size) / took
        committing.cancel()
    return rates


def polls_of(devices: int) -> Iterator[list[Poll]]:
    """The polls of each second: 27 values that change, of a record of about 600 bytes."""
    chance = random.Random(1)
    names = tuple(f"{name}_{n}" for n, name in enumerate(("pressure", "temperature", "current") * 9))
    columns = [BlockSchema(Origin("edge-1", f"press-{n}", "press"), "fast", names) for n in range(devices)]
    for time_ms in itertools.count(START_MS, 1000):
        yield [
            Poll(time_ms, (Reading(of, time_ms, tuple(round(chance.gauss(50, 5), 1) for _ in names)),))
            for of in columns
        ]


def measure_history(directory: Path, devices: int, seconds: int) -> float:
    """Bytes a second."""
    now_ms = START_MS
    folder = HistoryFolder(directory / "history", Bounds(dict.fromkeys(Kind, 10**12), 10**12), lambda: now_ms)
    folder.open()
    writer, upkeep, polls = HistoryWriter(folder), Upkeep(folder), polls_of(devices)
    waiting: dict[BlockSchema, list[Reading]] = {}
    size = written()
    for second, of_second in enumerate(itertools.islice(polls, seconds)):
        now_ms = START_MS + 1000 * second + 2000
        for poll in of_second:
            waiting.setdefault(poll.readings[0].columns, []).append(poll.readings[0])
        if 1000 * second % BUCKET_MS < 1000:
            writer.commit(blocks_of(waiting))
            waiting = {}
            for _ in upkeep.run() if second % 60 == 0 else ():
                pass
    folder.close()
    return (written() - size) / seconds


def show_history(directory: Path, seconds: float) -> None:
    body = encode_record(next(polls_of(1))[0])
    print(f"{len(body)} bytes a record")
    print(f"{'records/s':>10}{'spool, GB a day':>17}{'history, GB a day':>19}{'of the spool':>14}")
    for rate in RATES:
        with tempfile.TemporaryDirectory(prefix="qilu-bench-", dir=directory) as name:
            _, spool = asyncio.run(measure(Path(name), rate, 0.2, seconds, body))
            history = measure_history(Path(name), rate, 3600 if rate < 100 else 1800)
        print(f"{rate:>10}{spool * DAY / 1e9:>17.2f}{history * DAY / 1e9:>19.2f}{history / spool:>14.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--history", action="store_true", help="a local history next to the spool")
    args = parser.parse_args()
    if args.history:
        show_history(args.directory, args.seconds)
        return
    print(f"{len(BODY)} bytes a record")
    print(f"{'records/s':>10}{'sync':>8}{'flushes a day':>15}{'GB a day':>10}{'of the records':>16}")
    for rate in RATES:
        for interval in INTERVALS:
            with tempfile.TemporaryDirectory(prefix="qilu-bench-", dir=args.directory) as name:
                flushes, size = asyncio.run(measure(Path(name), rate, interval, args.seconds))
            shown = interval if interval == "always" else f"{interval:g} s"
            print(
                f"{rate:>10}{shown:>8}{flushes * DAY:>15,.0f}{size * DAY / 1e9:>10.2f}"
                f"{size / (rate * len(BODY)):>15.1f}x"
            )
        os.sync()


if __name__ == "__main__":
    main()
