"""What happens at the bounds: bytes, age, free space, and a disk that is full."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.interfaces import DropReport
from gateway.spool.filesystem import AppendFile
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.disk_model import ModelDisk
from tests.gateway.spool.opened import body, disk_spool, fill, lost, numbers, segments

NOW = 1_700_000_000
DAY = 86_400


class Clock:
    """Both clocks of a spool, moved by hand."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


async def test_what_is_older_than_max_age_is_given_up_whatever_the_policy(tmp_path: Path) -> None:
    clock = Clock()
    async with disk_spool(
        tmp_path, files=ModelDisk(), monotonic=clock, max_age="8d", when_full="block"
    ) as spool:  # fmt: skip
        for day in range(12):  # far less than a segment in all
            fill(spool, range(day, day + 1))
            await spool.commit()
            clock.seconds += DAY + 1
        await spool.commit()
        given_up = lost(spool)
        assert given_up.keys() == {"max_age"}
        assert given_up["max_age"] == IntervalSet([(0, given_up["max_age"].last())])
        assert 2 <= given_up["max_age"].last() <= 4
        assert numbers(spool) == list(range(given_up["max_age"].last() + 1, 12))


async def test_a_wall_clock_40_days_ahead_for_a_moment_gives_up_nothing(tmp_path: Path) -> None:
    """Attack 02a: the whole sealed backlog was given up."""
    wall, running = Clock(seconds=NOW), Clock()
    async with disk_spool(
        tmp_path, files=ModelDisk(), clock=wall, monotonic=running, max_age="30d", acked_retention="1d"
    ) as spool:
        fill(spool, range(30))
        spool.forget(spool.stream, IntervalSet([(0, 9)]))
        size = spool.size
        wall.seconds += 40 * DAY
        await spool.commit()
        wall.seconds -= 40 * DAY
        await spool.commit()
        assert numbers(spool) == list(range(10, 30))
        assert lost(spool) == {}
        assert spool.size == size


async def test_age_counts_the_time_for_which_a_gateway_ran(tmp_path: Path) -> None:
    disk, running = ModelDisk(), Clock()
    async with disk_spool(tmp_path, files=disk, monotonic=running, max_age="8d") as spool:
        fill(spool, range(30))
        running.seconds += 5 * DAY
    running.seconds += 100 * DAY  # nothing runs
    async with disk_spool(tmp_path, files=disk, monotonic=running, max_age="8d") as spool:
        running.seconds += 2 * DAY
        await spool.commit()
        assert lost(spool) == {}
        running.seconds += 2 * DAY
        await spool.commit()
        assert "max_age" in lost(spool)


async def test_nothing_is_given_up_for_its_age_within_an_hour_of_a_clock_step(tmp_path: Path) -> None:
    running = Clock()
    async with disk_spool(tmp_path, files=ModelDisk(), monotonic=running, max_age="8d") as spool:
        fill(spool, range(30))
        running.seconds += 9 * DAY
        spool.clock_stepped()
        for _ in range(2):
            running.seconds += 1799
            await spool.commit()
        assert lost(spool) == {}
        running.seconds += 3
        await spool.commit()
        assert "max_age" in lost(spool)


async def test_the_oldest_make_way_when_others_need_the_disk(tmp_path: Path) -> None:
    disk = ModelDisk(capacity=50_000)
    async with disk_spool(tmp_path, files=disk, min_free_disk=30_000) as spool:
        fill(spool, range(60))
        await spool.commit()
        assert disk.free() >= 30_000
        given_up = lost(spool)
        assert given_up.keys() == {"min_free_disk"}
        assert numbers(spool) == list(range(given_up["min_free_disk"].last() + 1, 60))
        disk.capacity = 20_000  # never enough: only what is being written stays
        await spool.commit()
        fill(spool, range(60, 61))
        assert numbers(spool)[-1] == 60


async def test_a_blocking_spool_waits_for_the_disk_to_be_freed(tmp_path: Path) -> None:
    disk = ModelDisk(capacity=50_000)
    async with disk_spool(tmp_path, files=disk, min_free_disk=30_000, when_full="block") as spool:
        fill(spool, range(60))
        await spool.commit()
        assert spool.append(body(60)) is None
        assert numbers(spool) == list(range(60))
        assert lost(spool) == {}
        disk.capacity = 100_000
        await spool.commit()
        fill(spool, range(60, 70))
        assert numbers(spool) == list(range(70))


async def test_low_space_and_its_end_are_two_messages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    disk = ModelDisk(capacity=50_000)
    async with disk_spool(tmp_path, files=disk, min_free_disk=30_000, when_full="block") as spool:
        fill(spool, range(60))
        await spool.commit()
        disk.capacity = 100_000
        await spool.commit()
        await spool.commit()
    lines = [record for record in caplog.records if "on its disk" in record.getMessage()]
    assert [record.levelname for record in lines] == ["WARNING", "INFO"]
    assert "less than min_free_disk (30000)" in lines[0].getMessage()
    assert "enough free space on its disk again" in lines[1].getMessage()


@pytest.mark.parametrize("policy", ["block", "drop_oldest"])
async def test_a_full_disk_refuses_and_takes_again_when_there_is_space(tmp_path: Path, policy: str) -> None:
    disk, clock = ModelDisk(capacity=20_000), Clock()
    async with disk_spool(tmp_path, files=disk, monotonic=clock, when_full=policy) as spool:
        taken = 0
        while spool.append(body(taken)) is not None:
            taken += 1
        assert 44 <= taken <= 49
        kept = numbers(spool)
        assert kept == list(range(kept[0], taken))
        assert lost(spool) == ({} if policy == "block" else {"disk_full": IntervalSet([(0, kept[0] - 1)])})
        await spool.commit()
        disk.capacity = 100_000
        clock.seconds += 2
        fill(spool, range(taken, taken + 5))
        assert numbers(spool) == list(range(kept[0], taken + 5))


async def test_a_full_disk_can_be_opened_read_and_freed(tmp_path: Path) -> None:
    disk, clock = ModelDisk(), Clock()
    async with disk_spool(tmp_path, files=disk, when_full="block") as first:
        fill(first, range(40))
    disk.capacity = disk.used()
    async with disk_spool(tmp_path, files=disk, monotonic=clock, when_full="block") as spool:
        assert spool.append(body(40)) is None
        assert numbers(spool) == list(range(40))
        spool.forget(first.stream, IntervalSet([(0, 30)]))
        clock.seconds += 2
        fill(spool, range(40, 50))
        assert numbers(spool) == list(range(31, 50))


async def test_a_record_cut_short_by_a_full_disk_never_shows(tmp_path: Path) -> None:
    for left in range(0, 900, 7):
        disk, clock = ModelDisk(), Clock()
        async with disk_spool(tmp_path, files=disk, monotonic=clock, when_full="block") as spool:
            fill(spool, range(3))
            disk.capacity = disk.used() + left
            taken = 3
            while spool.append(body(taken)) is not None:
                taken += 1
            assert taken == 3 + left // 420
            disk.capacity = 10**9
            clock.seconds += 2
            fill(spool, range(taken, taken + 3))
        async with disk_spool(tmp_path, files=disk) as spool:
            assert numbers(spool) == list(range(taken + 3))
            assert lost(spool) == {}


class BrokenDisk(ModelDisk):
    """Cannot even truncate, or be written, while `broken`."""

    broken = False

    def create(self, name: str) -> AppendFile:
        if self.broken:
            raise OSError(errno.EIO, "broken")
        file = super().create(name)
        truncate = file.truncate

        def refuse(size: int) -> None:
            if self.broken:
                raise OSError(errno.EIO, "broken")
            truncate(size)

        object.__setattr__(file, "truncate", refuse)
        return file


async def test_an_offset_whose_record_could_not_be_taken_back_is_never_used_again(tmp_path: Path) -> None:
    disk, clock = BrokenDisk(), Clock()
    async with disk_spool(tmp_path, files=disk, monotonic=clock) as spool:
        fill(spool, range(3))
        disk.capacity = disk.used() + 100
        disk.broken = True
        assert spool.append(body(3)) is None
        disk.capacity, disk.broken = 10**9, False
        clock.seconds += 2
        record = spool.append(body(3))
        assert record is not None
        assert record.offset == 4
        assert numbers(spool) == [0, 1, 2, 3]


async def test_a_sync_that_fails_once_is_made_good_and_twice_is_reported(tmp_path: Path) -> None:
    disk = ModelDisk()
    async with disk_spool(tmp_path, files=disk) as spool:
        fill(spool, range(12))
        disk.fail_syncs = 1
        await spool.commit()
        fill(spool, range(12, 15))
        disk.fail_syncs = 2
        with pytest.raises(UnreachableError, match="fsync: .*dying"):
            await spool.commit()
        fill(spool, range(15, 20))
        await spool.commit()
        assert numbers(spool) == list(range(20))
        assert lost(spool) == {}
        safe = [inode for name, inode in disk.files.items() if name.endswith(".segment") and not inode.lying]
        assert sum(inode.safe // 400 for inode in safe) >= 11  # all but what was safe before in lying files


async def test_on_a_real_full_disk_nothing_is_lost_and_freeing_needs_no_space(small_disk: Path) -> None:
    clock = Clock()
    directory = small_disk / "spool"
    settings: dict[str, Any] = {"max_segment_bytes": 100_000, "when_full": "block", "max_bytes": 10**9}
    async with disk_spool(directory, monotonic=clock, **settings) as spool:
        taken = 0
        while spool.append(body(taken, 2500)) is not None:
            taken += 1
        assert 370 <= taken <= 420
        await spool.commit()
        assert numbers(spool) == list(range(taken))
    async with disk_spool(directory, monotonic=clock, **settings) as again:
        assert again.append(b"x" * 5000) is None
        assert numbers(again) == list(range(taken))
        again.forget(spool.stream, IntervalSet([(0, 99)]))
        assert numbers(again) == list(range(100, taken))
        clock.seconds += 2
        fill(again, range(taken, taken + 30), size=2500)
        assert numbers(again) == list(range(100, taken + 30))
        again.forget(spool.stream, IntervalSet([(0, taken)]))
        again.forget(again.stream, IntervalSet([(0, 30)]))
    assert segments(directory) == []


async def test_on_a_real_disk_filled_by_others_the_oldest_make_way(small_disk: Path) -> None:
    clock = Clock()
    async with disk_spool(small_disk / "spool", monotonic=clock, max_segment_bytes=100_000) as spool:
        fill(spool, range(200), size=2500)
        with (small_disk / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
            while True:
                others.write(bytes(4096))
        refused = next(number for number in range(200, 300) if spool.append(body(number, 2500)) is None)
        await spool.commit()  # closes what was given up, which frees its space
        clock.seconds += 2
        fill(spool, range(refused, refused + 20), size=2500)
        gone = lost(spool)
        assert gone.keys() == {"disk_full"}
        assert numbers(spool) == list(range(gone["disk_full"].last() + 1, refused + 20))


async def test_what_was_given_up_is_reported_again_by_later_runs_until_all_of_it_is_known(
    tmp_path: Path,
) -> None:
    disk, given_up = ModelDisk(), 0
    for _ in range(2):
        async with disk_spool(tmp_path, files=disk, max_bytes=20_000) as spool:
            fill(spool, range(100))
            given_up += count(spool.dropped())
    async with disk_spool(tmp_path, files=disk, max_bytes=20_000) as spool:
        assert count(spool.unreported_drops()) == given_up > 100
        assert not spool.dropped()
        spool.mark_drops_reported()
        fill(spool, range(100))
        newer = count(spool.dropped())
    async with disk_spool(tmp_path, files=disk, max_bytes=20_000) as spool:
        assert count(spool.unreported_drops()) == newer


async def test_torn_lines_of_losses_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "dropped.jsonl").write_text('[1]\n{"dropped_ms": 3}\n{"torn')
    async with disk_spool(tmp_path) as spool:
        assert spool.unreported_drops() == []


async def test_losses_in_very_many_places_are_counted_to_the_record_by_later_runs(tmp_path: Path) -> None:
    disk = ModelDisk()
    options: dict[str, Any] = {"files": disk, "max_segment_bytes": 10**5, "clock": Clock()}
    async with disk_spool(tmp_path, max_bytes=10**6, **options) as spool:
        fill(spool, range(20_000), size=20)
        spool.forget(spool.stream, IntervalSet.of(range(0, 20_000, 2)))
        fill(spool, range(20_000, 40_000), size=20)
        given_up = sum(one.records for one in spool.dropped())
        assert given_up > 5000
    async with disk_spool(tmp_path, **options) as spool:
        assert sum(one.records for one in spool.unreported_drops()) == given_up


def count(given_up: Iterable[DropReport]) -> int:
    """How many records these are."""
    return sum(len(one.offsets) for one in given_up)


async def test_a_clock_that_is_set_before_the_spool_is_open_is_heeded_when_it_is(tmp_path: Path) -> None:
    """A long opening runs beside the clock. A call that needs the opened spool names the mistake."""
    spool = disk_spool(tmp_path)
    spool.clock_stepped()
    with pytest.raises(RuntimeError, match="inside its `async with`"):
        spool.append(b"x")
    async with spool:
        assert spool._opened.ages.resting
        assert spool.append(b"x") is not None
