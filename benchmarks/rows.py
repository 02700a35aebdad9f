"""Which layout of rows SQLite stores cheaply: CPU-seconds per million points, and bytes left for each point.

    python -m benchmarks.rows [--points 1000000] [--directory DIR]

Polls of 100 float32 points from 100 devices, 100 polls in each transaction, WAL and synchronous=FULL, as the
embedded store has it. `value`: one row per value. `sorted`: one row per reading, in the order of device and
time. `arrival`: one row per reading in the order of arrival, found by an index: as our own store does.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

DEVICES = POINTS = 100
LAYOUTS = {
    "value": "samples (series INTEGER, time_ms INTEGER, v, PRIMARY KEY (series, time_ms)) WITHOUT ROWID",
    "sorted": "readings (device INTEGER, time_ms INTEGER, v, PRIMARY KEY (device, time_ms)) WITHOUT ROWID",
    "arrival": "readings (device INTEGER, time_ms INTEGER, v, UNIQUE (device, time_ms))",
}
Row = tuple[int, int, float | str]


def polls(count: int) -> Iterator[tuple[int, int, list[float]]]:
    """Device, time and values, as they come from float32 registers."""
    chance = random.Random(1)
    for number in range(count):
        numbers = [chance.uniform(0, 500) for _ in range(POINTS)]
        values = list(struct.unpack(f">{POINTS}f", struct.pack(f">{POINTS}f", *numbers)))
        yield number % DEVICES, 1_764_000_000_000 + number // DEVICES * 1000, values


def measure(layout: str, file: Path, records: list[tuple[int, int, list[float]]]) -> tuple[float, int]:
    """CPU-seconds and bytes of the file after all is written."""
    encode = msgspec.json.Encoder().encode
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"CREATE TABLE {LAYOUTS[layout]}")
    table = "samples" if layout == "value" else "readings"
    began = time.process_time()
    for start in range(0, len(records), DEVICES):
        rows: list[Row] = []
        for device, time_ms, values in records[start : start + DEVICES]:
            if layout == "value":
                rows += [(device * POINTS + point, time_ms, value) for point, value in enumerate(values)]
            else:
                rows.append((device, time_ms, encode(values).decode()))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    cpu = time.process_time() - began
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return cpu, file.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    records = list(polls(args.points // POINTS))
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory(prefix="qilu-bench-", dir=args.directory) as name:
            cpu, size = measure(layout, Path(name) / "rows.db", records)
        each = cpu / args.points * 1e6
        print(f"{layout:8} {each:6.2f} CPU-s per million points {size / args.points:6.1f} bytes")


if __name__ == "__main__":
    main()
