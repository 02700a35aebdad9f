"""Durable records that are kept for a while: out of the way, the first to go, and sent again on demand."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.spool.inspect import inspect
from gateway.spool.replay import replay
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.disk_model import ModelDisk
from tests.gateway.spool.opened import disk_spool, fill, lost, numbers, segments
from tests.gateway.spool.test_bounds import DAY, Clock

ALL = IntervalSet([(0, 10**6)])


async def test_durable_records_stay_on_disk_but_do_not_wait(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, acked_retention="1d") as spool:
        fill(spool, range(50))
        spool.forget(spool.stream, ALL)
        await spool.commit()
        assert numbers(spool) == []
    assert len(segments(tmp_path)) > 3
    async with disk_spool(tmp_path, acked_retention="1d") as spool:
        assert not any(spool.pending().values())
        assert len(segments(tmp_path)) > 3
        found = inspect(tmp_path)
        assert found.depth == 0
        assert found.acked == found.size > 50 * 400
        assert found.oldest_ms is None
    async with disk_spool(tmp_path) as spool:  # without the setting they are not kept any longer
        assert segments(tmp_path) == []


async def test_they_go_at_their_age(tmp_path: Path) -> None:
    clock, disk = Clock(), ModelDisk()
    async with disk_spool(tmp_path, files=disk, monotonic=clock, acked_retention="2d") as spool:
        sizes = []
        for day in range(6):
            fill(spool, range(day * 20, day * 20 + 20))
            spool.forget(spool.stream, ALL)
            clock.seconds += DAY
            await spool.commit()
            sizes.append(spool.size)
        assert sizes[0] < sizes[1] < sizes[2]
        assert sizes[5] < 1.5 * sizes[2]
        assert lost(spool) == {}


@pytest.mark.parametrize("policy", ["drop_oldest", "block"])
async def test_they_make_room_before_anything_is_given_up(tmp_path: Path, policy: str) -> None:
    async with disk_spool(tmp_path, acked_retention="1d", max_bytes=40_000, when_full=policy) as spool:
        fill(spool, range(10))  # wait for the store, and are the oldest
        fill(spool, range(10, 60))
        spool.forget(spool.stream, IntervalSet([(10, 59)]))
        fill(spool, range(60, 100))
        assert numbers(spool) == [*range(10), *range(60, 100)]
        assert lost(spool) == {}
        assert spool.size <= 40_000


async def test_a_replay_makes_them_wait_again(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, acked_retention="1d") as spool:
        fill(spool, range(50))
        spool.forget(spool.stream, IntervalSet([(0, 40)]))
        assert spool.epoch == 0
    assert replay(tmp_path, 0).records == 41
    async with disk_spool(tmp_path, acked_retention="1d") as spool:
        assert spool.epoch > 0  # an old acknowledgement that is sent again frees none of them
        assert numbers(spool) == list(range(50))
        spool.forget(next(iter(spool.pending())), ALL)
    async with disk_spool(tmp_path, acked_retention="1d") as spool:
        assert numbers(spool) == []


async def test_a_replay_since_a_time_takes_only_what_was_written_since(tmp_path: Path) -> None:
    clock = Clock()
    async with disk_spool(tmp_path, acked_retention="9d", clock=clock) as spool:
        fill(spool, range(50))
        spool.forget(spool.stream, ALL)
    newest = max(path.stat().st_mtime_ns for path in segments(tmp_path)) // 10**6
    assert replay(tmp_path, newest + 60_000).records == 0
    assert replay(tmp_path, newest - 60_000).records == 50
    assert replay(tmp_path, newest - 60_000).records == 0  # they wait already


async def test_a_running_gateway_is_not_replayed_under_its_feet(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, acked_retention="1d"):
        with pytest.raises(UnreachableError, match="holds this spool; stop the gateway"):
            replay(tmp_path, 0)
    with pytest.raises(ConfigError, match="no directory"):
        replay(tmp_path / "nothing", 0)
