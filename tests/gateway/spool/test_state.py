"""What a spool reports of itself: why it takes no record, what fits, and whether its disk replies."""

from __future__ import annotations

import contextlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.interfaces import Blockage
from gateway.spool.thread_probe import ThreadProbe
from qilu.contract.errors import UnreachableError
from tests.gateway.spool.disk_model import ModelDisk
from tests.gateway.spool.opened import body, disk_spool, fill


async def test_a_spool_that_takes_records_is_not_blocked_and_has_room_to_its_bounds(tmp_path: Path) -> None:
    disk = ModelDisk(capacity=100_000)
    async with disk_spool(tmp_path, files=disk, max_bytes=50_000) as spool:
        fill(spool, range(3))
        assert spool.blockage is None
        assert spool.room_bytes == 50_000 - spool.size
        assert spool.free_bytes == disk.free()
        assert spool.problem() is None
    assert spool.problem() is None


async def test_a_disk_with_too_little_space_blocks_a_spool_that_drops_nothing(tmp_path: Path) -> None:
    for policy, blockage in (("block", Blockage.FREE_SPACE), ("drop_oldest", None)):
        disk = ModelDisk(capacity=50_000)
        async with disk_spool(tmp_path / policy, files=disk, min_free_disk=30_000, when_full=policy) as spool:
            fill(spool, range(60))
            disk.capacity = 10_000
            await spool.commit()
            assert spool.blockage is blockage
            assert spool.room_bytes == 0


async def test_a_disk_that_refuses_is_the_reason_until_it_takes_a_record(tmp_path: Path) -> None:
    now = 0.0
    disk = ModelDisk(capacity=20_000)
    async with disk_spool(tmp_path, files=disk, monotonic=lambda: now, when_full="block") as spool:
        number = 0
        while spool.append(body(number)) is not None:
            number += 1
        assert spool.blockage is Blockage.DISK
        disk.capacity = 100_000
        now = 5.0
        fill(spool, range(number, number + 1))
        assert spool.blockage is None


async def test_a_removed_directory_is_the_reason_and_a_disk_that_cannot_be_asked_has_no_room(
    tmp_path: Path,
) -> None:
    place = tmp_path / "deep" / "spool"
    async with disk_spool(place) as spool:
        fill(spool, range(3))
        shutil.rmtree(tmp_path / "deep")
        (tmp_path / "deep").write_text("a file in its place")
        with contextlib.suppress(UnreachableError):
            await spool.commit()
        assert spool.blockage is Blockage.DIRECTORY
        assert spool.room_bytes == 0
        (tmp_path / "deep").unlink()
        await spool.commit()
        assert spool.blockage is None


def test_a_thread_that_does_not_reply_is_a_problem_with_its_age() -> None:
    now, may_go_on = 0.0, threading.Event()
    with ThreadPoolExecutor(1) as executor:
        probe = ThreadProbe(executor, lambda: now)
        assert probe.problem() is None
        executor.submit(lambda: None).result()  # so was the question before it
        assert probe.problem() is None
        executor.submit(lambda: None).result()
        executor.submit(may_go_on.wait)
        assert probe.problem() is None
        now = 41.0
        assert probe.problem() == "the disk of the spool has not replied for 41 s"
        may_go_on.set()
        executor.submit(lambda: None).result()
        assert probe.problem() is None
