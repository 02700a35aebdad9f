"""A writing process that is killed loses nothing that it was told was appended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.spool.opened import disk_spool, numbers

WRITE = """
import asyncio, sys
from pathlib import Path
from tests.gateway.spool.opened import body, disk_spool
async def main():
    async with disk_spool(Path(sys.argv[1])) as spool:
        number = int(sys.argv[2])
        while True:
            for _ in range(7):
                assert spool.append(body(number)) is not None
                print(number, flush=True)
                number += 1
            await spool.commit()
asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 30, 211])
async def test_a_killed_writer_loses_nothing(tmp_path: Path, lines: int) -> None:
    reported: list[int] = []
    for _ in range(2):  # the second writes on where the first was killed
        begin = reported[-1] + 1 if reported else 0
        arguments = [sys.executable, "-c", WRITE, str(tmp_path), str(begin)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            reported += [int(writer.stdout.readline()) for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            reported += [int(line) for line in writer.stdout if line.endswith("\n")]
    async with disk_spool(tmp_path) as spool:
        found = numbers(spool)
        # the kill may fall between the append and the telling of it
        assert set(reported) <= set(found)
        assert len(set(found) - set(reported)) <= 2
        assert not list(spool.dropped())
