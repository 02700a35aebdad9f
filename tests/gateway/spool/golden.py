"""The spool in tests/cases/spool-v1, as a gateway left it that wrote version 1 of the format.

    python -m tests.gateway.spool.golden DIRECTORY

made it. It stands for the disks of gateways that run: when the format changes it stays as it is. Before the
first release it is made anew, and the spool of before goes into tests/cases/spool-former.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path
from uuid import UUID

from gateway.spool.disk import DiskSpool
from gateway.spool.filesystem import OWNER
from gateway.spool.settings import SpoolSettings
from qilu.contract.ranges import IntervalSet

DIRECTORY = Path(__file__).parents[2] / "cases" / "spool-v1"
WRITTEN = 1_764_000_000
"""Seconds since 1970, the clock of the gateway that left it."""
STOPPED, KILLED = 0x0123456789ABCDEF, 0xFEDCBA9876543210
"""The streams of two runs: 8 records in 2 files, ended in good order; 3 records, the last one torn."""
BOOT = UUID("00000000-0000-4000-8000-000000000007")
DURABLE, REJECTED, TORN = IntervalSet([(1, 2)]), {6: "record: refused"}, 100


def golden_body(number: int) -> bytes:
    """Record `number` of either stream: as on the wire, 600 bytes and more, not all of them ASCII."""
    points = ",".join(f'"point_{index}":{number + index / 8}' for index in range(28))
    seconds = WRITTEN + number
    return (
        f'{{"edge":"edge-1","device":"压力机 {number}","profile":"press","group":"fast",'
        f'"due_ms":{seconds}000,"readings":[{{"t":{seconds}012,"v":{{{points}}}}}]}}'
    ).encode()


def _opened(directory: Path, stream: int) -> DiskSpool:
    settings = SpoolSettings(directory=directory, min_free_disk=0, max_segment_bytes=4096)
    return DiskSpool(
        settings,
        "edge-1",
        boot=BOOT,
        clock=lambda: WRITTEN,
        monotonic=lambda: 0.0,
        new_stream=count(stream).__next__,
    )


async def make(directory: Path) -> None:
    """Write it into an empty directory."""
    async with _opened(directory, STOPPED) as spool:
        for number in range(8):
            spool.append(golden_body(number))
        spool.forget(STOPPED, DURABLE)
        spool.quarantine(STOPPED, REJECTED)
    async with _opened(directory, KILLED) as spool:
        for number in range(3):
            spool.append(golden_body(number))
    last = max(directory.glob("*.segment"))
    last.write_bytes(last.read_bytes()[:-TORN])
    (directory / OWNER).unlink()  # a process of that day


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
