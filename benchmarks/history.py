"""What the local history costs and how fast its charts are, with every kind filled to its bound.

    python -m benchmarks.history [--part cpu] [--part charts] [--devices 10] [--points 100] [--period 10]

cpu: CPU-seconds per million values for writing and rolling up, next to those of `qilu gateway` without a
history in the same run (benchmarks.road, 100 devices of 100 points once a second).

charts: 7 days of single readings, 90 days of minutes, 400 days of quarters. One day is written and rolled up,
the others are copies of it with other times. Then charts of 1,000 pixels of random points over random ranges
of seven lengths, cold (files out of the page cache, opened anew) and warm.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.road import WARM_UP, new_store, qilu, serve, write_settings
from gateway.history.history_queue import HistoryQueue
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading
from qilu.contract.units import format_bytes, format_duration
from qilu.stores.sqlite.history.files import Kind, listing, month_of, name_of
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import BUCKET_MS, COLUMN_BITS, DAY_MS, PART_BITS, QUARTER_MS
from qilu.stores.sqlite.history.point_query import PointName
from qilu.stores.sqlite.history.reader import HistoryReader
from qilu.stores.sqlite.history.retention import Bounds
from qilu.stores.sqlite.history.upkeep import Upkeep
from qilu.stores.sqlite.history.writer import HistoryWriter, blocks_of
from tests.servers.mosquitto import Mosquitto

LAST_DAY = 20_454
AGES = {Kind.RAW: 7, Kind.MINUTES: 90, Kind.QUARTERS: 400}
RANGES_S = (60, 3600, 7200, 86_400, 7 * 86_400, 90 * 86_400, 400 * 86_400)
PIXELS = 1000
EDGE = "bench-edge"
_BOUNDS = Bounds(dict.fromkeys(Kind, 10000 * DAY_MS), 10**12)


class Plant:
    """Devices of so many points, with readings every `period_ms` that look like those of sensors."""

    def __init__(self, devices: int, points: int, period_ms: int) -> None:
        chance = random.Random(1)
        names = tuple(f"p{n}" for n in range(points))
        self.columns = [
            BlockSchema(Origin(EDGE, f"device-{number}", "bench"), "default", names)
            for number in range(devices)
        ]
        self.values = [
            tuple(round(chance.gauss(50, 5), 1 + n % 2) for n in range(points)) for _ in range(199)
        ]
        self._turn = itertools.count()
        self._period_ms = period_ms

    def readings(self, start_ms: int, end_ms: int) -> dict[BlockSchema, list[Reading]]:
        times = range(-(-start_ms // self._period_ms) * self._period_ms, end_ms, self._period_ms)
        return {
            columns: [Reading(columns, t, self.values[next(self._turn) % 199]) for t in times]
            for columns in self.columns
        }


class Clock:
    """The time of a benchmark."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def write(
    folder: HistoryFolder, clock: Clock, plant: Plant, start_ms: int, end_ms: int, step_ms: int = BUCKET_MS
) -> int:
    """Write and roll up a time as a gateway does, with a commit each `step_ms`; how many values that is."""
    writer, upkeep = HistoryWriter(folder), Upkeep(folder)
    values, offset = 0, itertools.count()
    queue = HistoryQueue(max_values=10**9)
    for time_ms in range(start_ms, end_ms, step_ms):
        for of_columns in plant.readings(time_ms, time_ms + step_ms).values():
            for reading in of_columns:
                queue.add(1, next(offset), Poll(reading.time_ms, (reading,)))
        clock.now_ms = time_ms + step_ms + 1500
        values += queue.values
        if queue.start_batch(None):
            writer.commit(blocks_of(queue.batch))
            queue.written()
        if time_ms % QUARTER_MS == 0:
            for _ in upkeep.run():
                pass
    return values


def cpu_of_history(folder: Path, devices: int, points: int, period_ms: int) -> float:
    """CPU-seconds per million values, of an hour."""
    clock = Clock(LAST_DAY * DAY_MS)
    history = HistoryFolder(folder, _BOUNDS, clock)
    history.open()
    plant = Plant(devices, points, period_ms)
    start = time.process_time()
    values = write(history, clock, plant, clock.now_ms, clock.now_ms + 3_600_000)
    cpu = time.process_time() - start
    clock.now_ms += DAY_MS
    for _ in Upkeep(history).run():  # the quarters of a day, of which an hour has its share
        pass
    cpu += (time.process_time() - start - cpu) / 24
    made = time.process_time()
    for time_ms in range(LAST_DAY * DAY_MS, LAST_DAY * DAY_MS + 3_600_000, BUCKET_MS):
        plant.readings(time_ms, time_ms + BUCKET_MS)
    history.close()
    return (cpu - (time.process_time() - made)) / values * 1e6


def cpu_of_gateway(folder: Path, seconds: float, *, with_history: bool) -> tuple[float, float]:
    """CPU-seconds of a gateway's main thread and of its other threads, in so many seconds."""
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far, 100), daemon=True)
    server.start()
    ports = near.recv()
    with Mosquitto(folder) as broker:
        store = asyncio.run(new_store(folder / "store.db"))
        more: dict[str, object] = {"history": {}} if with_history else {}
        write_settings(folder, ports, 100, broker.port, store, more)
        with qilu(folder, "ingest"), qilu(folder, "gateway") as gateway:
            time.sleep(2 * WARM_UP)
            before = cpu_by_thread(gateway.pid)
            time.sleep(seconds)
            after = cpu_by_thread(gateway.pid)
    server.kill()
    took = {thread: cpu - before.get(thread, 0.0) for thread, cpu in after.items()}
    main = took.pop(gateway.pid)
    return main, sum(took.values())


def cpu_by_thread(pid: int) -> dict[int, float]:
    """Thread -> CPU-seconds since its start."""
    cpu: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        cpu[int(task.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu


def fill(folder: Path, plant: Plant) -> None:
    """One day as it is written, and copies of it until every kind has its age."""
    clock = Clock(LAST_DAY * DAY_MS)
    history = HistoryFolder(folder, _BOUNDS, clock)
    history.open()
    write(history, clock, plant, clock.now_ms, clock.now_ms + DAY_MS, QUARTER_MS)
    clock.now_ms = (LAST_DAY + 1) * DAY_MS + 2 * 3_600_000
    for _ in Upkeep(history).run():
        pass
    history.close()
    for back in range(1, AGES[Kind.RAW]):
        copy(folder, Kind.RAW, back)
    for back in range(1, AGES[Kind.MINUTES]):
        copy(folder, Kind.MINUTES, back)
    for back in range(1, AGES[Kind.QUARTERS]):
        copy(folder, Kind.QUARTERS, back)
    history.open()
    for _ in Upkeep(history).run():  # the months
        pass
    history.close()


def copy(folder: Path, kind: Kind, back: int) -> None:
    """The last day of a kind as the day `back` days before."""
    first = month_of(LAST_DAY)[0] if kind is Kind.QUARTERS else LAST_DAY
    day = LAST_DAY - back
    source = folder / name_of(kind, first, 1)
    target = folder / name_of(kind, month_of(day)[0] if kind is Kind.QUARTERS else day, 1)
    connection = sqlite3.connect(source, isolation_level=None)
    if not target.exists():
        connection.execute("VACUUM INTO ?", (str(target),))
        connection.close()
        connection = sqlite3.connect(target, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        per_slot = {Kind.RAW: DAY_MS // QUARTER_MS, Kind.MINUTES: 1, Kind.QUARTERS: DAY_MS // QUARTER_MS}[
            kind
        ]
        connection.execute("BEGIN")
        connection.execute("UPDATE slots SET id = id - ?", (back * per_slot << COLUMN_BITS,))
        per_roll_up = 1 if kind is Kind.QUARTERS else DAY_MS // QUARTER_MS
        connection.execute("UPDATE rollups SET id = id - ?", (back * per_roll_up << COLUMN_BITS + PART_BITS,))
        if kind is Kind.RAW:
            _shift_blocks(connection, back)
        connection.execute("COMMIT")
    elif kind is Kind.QUARTERS:
        shift = back << COLUMN_BITS + PART_BITS
        first_id = LAST_DAY << COLUMN_BITS + PART_BITS
        connection.close()
        connection = sqlite3.connect(target, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("ATTACH ? AS source", (str(source),))
        connection.execute(
            "INSERT OR IGNORE INTO rollups SELECT id - ?, data FROM source.rollups WHERE id >= ?",
            (shift, first_id),
        )
        connection.execute(
            "INSERT OR IGNORE INTO slots SELECT id - ?, 1 FROM source.slots",
            (back * (DAY_MS // QUARTER_MS) << COLUMN_BITS,),
        )
    connection.close()


def _shift_blocks(connection: sqlite3.Connection, back: int) -> None:
    rows = connection.execute("SELECT id, data FROM blocks").fetchall()
    connection.execute("DELETE FROM blocks")
    shift = back * (DAY_MS // BUCKET_MS) << COLUMN_BITS

    def moved(data: bytes) -> bytes:
        text = data if data[:1] == b"[" else zlib.decompress(data)
        first, _, rest = text[1:].partition(b",")
        text = b"[%d,%b" % (int(first) - back * DAY_MS, rest)
        return text if data[:1] == b"[" else zlib.compress(text, 1)

    connection.executemany(
        "INSERT INTO blocks VALUES (?, ?)", ((row_id - shift, moved(data)) for row_id, data in rows)
    )


def forget_pages(folder: Path) -> None:
    """Take the files out of the page cache."""
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


async def charts(folder: Path, plant: Plant, number: int) -> dict[tuple[int, str], list[float]]:
    """Milliseconds of each chart by the length of its range; those of CPU depend less on other processes."""
    chance = random.Random(2)
    took: dict[tuple[int, str], list[float]] = {}
    end_ms = (LAST_DAY + 1) * DAY_MS
    for _, seconds in itertools.product(range(number), RANGES_S):
        columns = chance.choice(plant.columns)
        name = PointName(DeviceKey(EDGE, columns.origin.device), chance.choice(columns.points))
        span_ms = seconds * 1000
        oldest_ms = end_ms - (AGES[Kind.QUARTERS] if seconds > 7200 else AGES[Kind.RAW]) * DAY_MS
        start_ms = chance.randint(min(oldest_ms, end_ms - span_ms), end_ms - span_ms)
        forget_pages(folder)
        async with HistoryReader(folder) as reader:
            for state in ("cold", "warm"):
                start, cpu = time.perf_counter(), time.process_time()
                chart = await reader.chart(name, start_ms, start_ms + span_ms, PIXELS)
                took.setdefault((seconds, state), []).append(1000 * (time.perf_counter() - start))
                took.setdefault((seconds, "cpu"), []).append(1000 * (time.process_time() - cpu))
                assert 0 < len(chart.intervals) <= PIXELS + 1, (seconds, start_ms, len(chart.intervals))
    return took


def p95(times: Sequence[float]) -> float:
    return sorted(times)[max(0, -(-95 * len(times) // 100) - 1)]


def show_charts(args: argparse.Namespace, folder: Path) -> None:
    plant = Plant(args.devices, args.points, round(1000 * args.period))
    began = time.perf_counter()
    fill(folder, plant)
    os.sync()
    took_s = time.perf_counter() - began
    print(f"{args.devices * args.points} points every {args.period:g} s, filled in {took_s:.0f} s")
    for kind in Kind:
        files = [file for file in listing(folder) if file.kind is kind]
        size = format_bytes(sum(file.size for file in files))
        print(f"{kind:>10}: {AGES[kind]:>4} days, {size:>10} in {len(files)} files")
    took = asyncio.run(charts(folder, plant, args.charts))
    heads = "".join(f"{f'{state}, median':>14}{f'{state}, 95 %':>12}" for state in ("cold", "warm", "CPU"))
    print(f"{'range':>10}{heads}   (ms)")
    for seconds in RANGES_S:
        columns = (took[seconds, state] for state in ("cold", "warm", "cpu"))
        shown = "".join(f"{statistics.median(of):>14.1f}{p95(of):>12.1f}" for of in columns)
        print(f"{format_duration(seconds):>10}{shown}")
    every = [value for (_, state), times in took.items() if state != "cpu" for value in times]
    cpu = [value for (_, state), times in took.items() if state == "cpu" for value in times]
    print(f"95 % of all charts in {p95(every):.0f} ms, {p95(cpu):.0f} ms of CPU")


def show_cpu(args: argparse.Namespace, folder: Path) -> None:
    costs = {}
    for with_history in (False, True):
        place = folder / str(with_history)
        place.mkdir()
        costs[with_history] = cpu_of_gateway(place, args.seconds, with_history=with_history)
    million = 100 * 100 * args.seconds / 1e6
    alone = sum(costs[False]) / million
    fast = cpu_of_history(folder / "fast", 20, 100, 1000)
    slow = cpu_of_history(folder / "slow", 20, 100, 10_000)
    print("CPU-seconds per million values            main thread   other threads")
    for name, with_history in (
        ("gateway without a history", False),
        ("gateway with it, no roll-up due", True),
    ):
        main, others = costs[with_history]
        print(f"{name:<40}{main / million:>13.2f}{others / million:>16.2f}")
    print(f"history alone with roll-ups, each second {fast:.2f}: {fast / alone:.2f} of the gateway")
    print(f"history alone with roll-ups, every 10 s  {slow:.2f}: {slow / alone:.2f} of that gateway at 1 s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["cpu", "charts"], action="append")
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--period", type=float, default=10.0, help="seconds between two readings of a device")
    parser.add_argument("--charts", type=int, default=12, help="charts of each range")
    parser.add_argument("--seconds", type=float, default=22.5, help="of the gateway")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    parts = args.part or ["cpu", "charts"]
    for part, show in (("charts", show_charts), ("cpu", show_cpu)):
        if part in parts:
            folder = Path(tempfile.mkdtemp(prefix="qilu-bench-", dir=args.directory))
            try:
                show(args, folder)
            finally:
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
