"""What the spool costs: CPU per record of 2.5 kB to append, commit and read back, next to a bare os.write.

    python -m benchmarks.spool [--records 40000] [--directory DIR]

CPU is that of the process, system calls included. `bare` appends the same bytes with os.write and fsyncs as
often as the spool commits; SQLite keeps one row per record in WAL mode with synchronous=FULL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet

BODY = b'{"edge":"edge-1","device":"compressor-1",' + b"1234.5," * 350 + b"}"
GROUP = 200
"""Records between two commits: 1000 a second at the default of 200 ms."""


def report(what: str, records: int, cpu: float, wall: float) -> None:
    """One line of the table."""
    each = f"{cpu / records * 1e6:9.2f} µs CPU  {wall / records * 1e6:9.2f} µs wall"
    print(f"{what:34} {each}  {records / wall:10,.0f}/s")


def timed(what: str, records: int, work: Callable[[], object]) -> None:
    """Run `work` and report its cost per record."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    report(what, records, time.process_time() - cpu, time.perf_counter() - wall)


def bare(directory: Path, records: int, group: int) -> None:
    """Append with os.write to one file, fsync after each group."""
    fd = os.open(directory / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number in range(1, records + 1):
        os.write(fd, BODY)
        if number % group == 0:
            os.fsync(fd)
    os.close(fd)
    (directory / "bare").unlink()


def sqlite(directory: Path, records: int, group: int) -> None:
    """Insert into a table, one transaction per group."""
    base = sqlite3.connect(directory / f"base-{group}")
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE record (number INTEGER PRIMARY KEY, body BLOB)")
    for number in range(1, records + 1):
        base.execute("INSERT INTO record (body) VALUES (?)", (BODY,))
        if number % group == 0:
            base.commit()
    base.close()


async def spool(directory: Path, records: int) -> None:
    """Append, commit in groups, read back in messages, forget."""
    settings = SpoolSettings(directory=directory / "spool", min_free_disk=0)
    async with DiskSpool(settings, "edge-1") as opened:
        cpu, wall, commits = time.process_time(), time.perf_counter(), 0.0
        for number in range(1, records + 1):
            opened.append(BODY)
            if number % GROUP == 0:
                before = time.process_time()
                await opened.commit()
                commits += time.process_time() - before
        report(
            f"spool: append, commit each {GROUP}",
            records,
            time.process_time() - cpu,
            time.perf_counter() - wall,
        )
        print(f"{'':34} of which commit: {commits / (records / GROUP) * 1e6:.0f} µs CPU each")
        timed("spool: append only", records, lambda: append_all(opened, records))
        await opened.commit()
    start = time.perf_counter()
    async with DiskSpool(settings, "edge-1") as opened:
        size = 2 * records * len(BODY) / 1e6
        print(f"spool: opened with {size:.0f} MB in {(time.perf_counter() - start) * 1e3:.1f} ms")
        stream = next(iter(opened.pending()))
        timed("spool: read back, 64 kB a time", 2 * records, lambda: read_all(opened, stream, 2 * records))
        timed(
            "spool: forget, 25 records a time", 2 * records, lambda: forget_all(opened, stream, 2 * records)
        )
        few = min(1000, records)
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(few):
            opened.append(BODY)
            await opened.commit()
        report("spool: append and commit always", few, time.process_time() - cpu, time.perf_counter() - wall)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def append_all(opened: DiskSpool, count: int) -> None:
    """Append without a commit."""
    for _ in range(count):
        opened.append(BODY)


def read_all(opened: DiskSpool, stream: int, count: int) -> None:
    """Read a whole stream as delivery does."""
    offset = 0
    while offset < count:
        records = opened.read(stream, IntervalSet([(offset, min(offset + 999, count - 1))]), 64_000)
        offset = records[-1].offset + 1


def forget_all(opened: DiskSpool, stream: int, count: int) -> None:
    """Forget a whole stream as answers come in."""
    for offset in range(0, count, 25):
        opened.forget(stream, IntervalSet([(offset, min(offset + 24, count - 1))]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--directory", type=Path, help="where to write; default: a temporary directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory, records = Path(name), arguments.records
        print(f"{len(BODY)} bytes a record")
        timed("bare os.write", records, lambda: bare(directory, records, records + 1))
        timed(f"bare os.write, fsync each {GROUP}", records, lambda: bare(directory, records, GROUP))
        timed("bare os.write, fsync always", 1000, lambda: bare(directory, 1000, 1))
        timed(f"SQLite, commit each {GROUP}", records, lambda: sqlite(directory, records, GROUP))
        timed("SQLite, commit always", 1000, lambda: sqlite(directory, 1000, 1))
        asyncio.run(spool(directory, records))


if __name__ == "__main__":
    main()
