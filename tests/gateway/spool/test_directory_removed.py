"""A spool whose directory is removed makes it again, or logs why it cannot: it never waits without a word."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.spool.filesystem import OsFiles
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.opened import body, disk_spool, fill, lost, numbers, segments


async def test_a_removed_directory_is_made_again_and_its_records_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "deep" / "spool"
    async with disk_spool(place) as spool:
        fill(spool, range(30))
        spool.quarantine(spool.stream, {3: "bad_value"})
        await spool.commit()
        shutil.rmtree(tmp_path / "deep")
        await spool.commit()
        assert lost(spool) == {"missing": IntervalSet([(0, 2), (4, 29)])}
        assert spool.counts().quarantine_dropped == 1
        fill(spool, range(30, 60))
        await spool.commit()
        assert numbers(spool) == list(range(30, 60))
        assert lost(spool) == {}
    assert "was removed or replaced, its records are lost" in caplog.text
    async with disk_spool(place) as spool:
        assert numbers(spool) == list(range(30, 60))


async def test_no_record_is_taken_without_a_directory_and_the_log_repeats_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, place = 0.0, tmp_path / "deep" / "spool"
    async with disk_spool(place, monotonic=lambda: now) as spool:
        fill(spool, range(3))
        shutil.rmtree(tmp_path / "deep")
        (tmp_path / "deep").write_text("a file in its place")
        for _ in range(20):
            with contextlib.suppress(UnreachableError):
                await spool.commit()
            assert spool.append(body(3)) is None
        assert caplog.text.count("no record is accepted") == 1
        now = 61.0
        with contextlib.suppress(UnreachableError):
            await spool.commit()
        assert caplog.text.count("no record is accepted") == 2
        (tmp_path / "deep").unlink()
        await spool.commit()
        fill(spool, range(3, 6))
        assert numbers(spool) == [3, 4, 5]


async def test_a_directory_that_is_put_back_has_lost_nothing(tmp_path: Path) -> None:
    place, away = tmp_path / "spool", tmp_path / "away"
    async with disk_spool(place) as spool:
        fill(spool, range(30))
        place.rename(away)
        place.write_text("a file in its place")
        with contextlib.suppress(UnreachableError):
            await spool.commit()
        place.unlink()
        away.rename(place)
        await spool.commit()
        fill(spool, range(30, 33))
        assert numbers(spool) == list(range(33))
        assert lost(spool) == {}


async def test_nothing_is_written_into_a_directory_that_another_process_holds(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    async with disk_spool(place) as spool:
        fill(spool, range(3))
        shutil.rmtree(place)
        other = OsFiles(place)
        other.open()
        for _ in range(3):
            with contextlib.suppress(UnreachableError):
                await spool.commit()
        assert spool.append(body(3)) is None
        assert segments(place) == []
        other.close()
        await spool.commit()
        fill(spool, range(3, 6))


async def test_a_disk_that_was_taken_away_is_not_replaced_by_the_one_below(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with disk_spool(small_disk / "spool") as spool:
        fill(spool, range(3))
        subprocess.run(["umount", "-l", small_disk], check=True)
        try:
            with contextlib.suppress(UnreachableError):
                await spool.commit()
            assert spool.append(body(3)) is None
            assert list(small_disk.iterdir()) == []
        finally:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small_disk], check=True)
    assert "is on another file system now; mount its disk again" in caplog.text
