"""A long backlog: memory does not grow with it, and what it holds can be told while a gateway writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.spool.inspect import inspect
from gateway.spool.settings import SpoolSettings
from qilu.contract.errors import ConfigError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.opened import body, disk_spool, fill

DRAIN = """
import asyncio, json, resource, sys
from pathlib import Path
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
async def main():
    async with DiskSpool(SpoolSettings(directory=Path(sys.argv[1]), min_free_disk=0), "edge-1") as spool:
        opened = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        [(stream, offsets)] = [(s, o) for s, o in spool.pending().items() if o]
        read, wanted = 0, offsets.copy()
        while wanted:
            records = spool.read(stream, wanted.take(1000), 64_000)
            read += len(records)
            wanted.remove(0, records[-1].offset)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"read": read, "opened": opened, "peak": peak}))
asyncio.run(main())
"""


async def test_memory_does_not_grow_with_the_backlog(tmp_path: Path) -> None:
    peaks = []
    for count in (4_000, 80_000):  # 10 MB and 200 MB
        directory = tmp_path / str(count)
        async with disk_spool(directory, max_segment_bytes="8MiB") as spool:
            fill(spool, range(count), size=2500)
        ran = subprocess.run(
            [sys.executable, "-c", DRAIN, directory], capture_output=True, text=True, check=True, timeout=60
        )
        reported = json.loads(ran.stdout)
        assert reported["read"] == count
        peaks.append(reported["peak"])
    assert peaks[1] - peaks[0] < 5_000  # kB


async def test_a_spool_can_be_looked_into_while_a_gateway_writes_it(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, max_bytes=40_000) as first:
        fill(first, range(100))
        await first.commit()
    async with disk_spool(tmp_path, max_bytes=40_000) as spool:
        fill(spool, range(5))
        spool.quarantine(spool.stream, {1: "refused"})
        before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())
        found = inspect(tmp_path)
        assert sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()) == before
        assert [one.stream for one in found.streams] == [first.stream, spool.stream]
        assert found.streams[0].pending == spool.pending()[first.stream]
        assert found.depth == sum(map(len, spool.pending().values())) + 1  # not yet noted as forgotten
        assert found.size == sum(path.stat().st_size for path in tmp_path.glob("*-*"))
        assert found.quarantined == 1
        assert found.dropped[0].reason == "max_bytes"
        given_up = IntervalSet()
        for one in found.dropped:
            given_up.update(one.offsets)
        assert given_up == IntervalSet([(0, found.streams[0].pending.first() - 1)])
        assert found.owner is not None
        fill(spool, range(5, 6))


async def test_only_the_directory_of_a_spool_can_be_looked_into(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no directory"):
        inspect(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="holds no spool"):
        inspect(tmp_path)
    async with disk_spool(tmp_path):
        assert inspect(tmp_path).depth == 0
        assert inspect(tmp_path).left(SpoolSettings(directory=tmp_path, min_free_disk=0), 0) is None


async def test_scattered_records_are_found_in_any_order(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, max_segment_bytes="8MiB") as spool:
        fill(spool, range(2000), size=2500)
        for offset in [1999, 0, 1000, 999, 1001, 3, 1998]:
            [record] = spool.read(spool.stream, IntervalSet.of([offset]), 1)
            assert (record.offset, record.body) == (offset, body(offset, 2500))
        odd = IntervalSet.of(range(1, 2000, 2))
        assert IntervalSet.of(record.offset for record in spool.read(spool.stream, odd, 10**9)) == odd
