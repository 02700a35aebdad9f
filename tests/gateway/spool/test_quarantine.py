"""Records that a store rejected are kept under the bounds of the spool, and can be sent again."""

from __future__ import annotations

import errno
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from gateway.spool.filesystem import AppendFile
from gateway.spool.inspect import inspect
from gateway.spool.replay import replay
from gateway.spool.requeue import QuarantinedRecord, quarantined, requeue
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.disk_model import ModelDisk
from tests.gateway.spool.opened import body, disk_spool, fill, lost, numbers, segments

REASON = "bad_value: \u538b\u529b"


async def test_what_is_set_aside_is_listed_with_its_name_reason_and_body(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, clock=lambda: 1_700_000_000) as spool:
        fill(spool, range(30))
        spool.quarantine(spool.stream, {3: REASON, 17: "bad_name"})
        assert spool.counts().quarantined == 2
        assert 3 not in numbers(spool)
        expected = [
            QuarantinedRecord(spool.stream, 3, 1_700_000_000_000, REASON, body(3)),
            QuarantinedRecord(spool.stream, 17, 1_700_000_000_000, "bad_name", body(17)),
        ]
        assert list(quarantined(tmp_path)) == expected  # also while the gateway runs
    assert list(quarantined(tmp_path)) == expected
    async with disk_spool(tmp_path) as spool:
        assert spool.counts().quarantined == 2
    assert inspect(tmp_path).quarantined == 2


async def test_what_was_set_aside_is_sent_again_under_the_edge_that_made_it(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="old") as spool:
        fill(spool, range(30))
        spool.quarantine(spool.stream, dict.fromkeys(range(0, 30, 3), REASON))
        spool.forget(spool.stream, IntervalSet([(0, 29)]))
    async with disk_spool(tmp_path, edge="old") as spool:
        assert numbers(spool) == []
    assert requeue(tmp_path) == 10
    async with disk_spool(tmp_path, edge="new") as spool:
        assert (numbers(spool), spool.counts().held) == ([], 10)
    async with disk_spool(tmp_path, edge="old") as spool:
        assert numbers(spool) == list(range(0, 30, 3))
        assert spool.counts().quarantined == 0
        [again] = [stream for stream in spool.pending() if stream != spool.stream]
        spool.quarantine(again, {0: "rejected once more"})
        spool.forget(again, IntervalSet([(0, 9)]))
    assert [(one.reason, one.body) for one in quarantined(tmp_path)] == [("rejected once more", body(0))]
    assert segments(tmp_path) == []
    assert requeue(tmp_path) == 1
    assert requeue(tmp_path) == 0


def after_kill(disk: ModelDisk) -> ModelDisk:
    """What a process leaves that is killed now."""
    left = deepcopy(disk)
    left.kill_process()
    return left


async def test_what_was_set_aside_just_before_a_kill_is_not_sent_again(tmp_path: Path) -> None:
    disk = ModelDisk()
    async with disk_spool(tmp_path, files=disk) as spool:
        fill(spool, range(60))
        spool.quarantine(spool.stream, dict.fromkeys(range(20), REASON))
        await spool.commit()
        spool.quarantine(spool.stream, dict.fromkeys(range(20, 50), REASON))  # in several segments
        killed = after_kill(disk)
    for _ in range(2):  # the second opening is killed before it commits
        async with disk_spool(tmp_path, files=killed) as spool:
            assert numbers(spool) == list(range(50, 60))
            assert spool.counts().quarantined == 50
            killed = after_kill(killed)
    async with disk_spool(tmp_path, files=killed) as spool:
        [stream] = [stream for stream, offsets in spool.pending().items() if offsets]
        spool.quarantine(stream, {50: REASON})
        killed = after_kill(killed)
    async with disk_spool(tmp_path, files=killed) as spool:
        assert numbers(spool) == list(range(51, 60))


async def test_what_found_no_room_in_the_quarantine_just_before_a_kill_is_not_sent_again(
    tmp_path: Path,
) -> None:
    disk = ModelDisk()
    bounds: dict[str, Any] = {"max_bytes": 20_000, "when_full": "block"}
    async with disk_spool(tmp_path, files=disk, **bounds) as spool:
        taken = 0
        while spool.append(body(taken)) is not None:
            taken += 1
        spool.quarantine(spool.stream, dict.fromkeys(range(1, taken, 2), REASON))
        assert spool.counts().quarantine_dropped == len(range(1, taken, 2))
        killed = after_kill(disk)
    for _ in range(2):  # the second opening is killed before it commits
        async with disk_spool(tmp_path, files=killed, **bounds) as spool:
            assert numbers(spool) == list(range(0, taken, 2))
            killed = after_kill(killed)


async def test_copies_that_gave_way_just_before_a_kill_are_not_sent_again(tmp_path: Path) -> None:
    disk = ModelDisk()
    bounds: dict[str, Any] = {"max_bytes": 80_000}
    async with disk_spool(tmp_path, files=disk, monotonic=lambda: 1000.0, **bounds) as spool:
        fill(spool, range(100))
        spool.forget(spool.stream, IntervalSet([(0, 0)]))
        await spool.commit()  # writes the checkpoint, and the next one not before 5 s have passed
        spool.quarantine(spool.stream, dict.fromkeys(range(1, 60, 2), REASON))
        await spool.commit()
        fill(spool, range(100, 170))
        assert spool.counts().quarantine_dropped > 0
        killed = after_kill(disk)
    async with disk_spool(tmp_path, files=killed, **bounds) as spool:
        assert not set(numbers(spool)) & set(range(1, 60, 2))
        assert set(numbers(spool)) >= set(range(60, 170))


async def test_a_replay_sends_again_what_found_no_room_in_the_quarantine(tmp_path: Path) -> None:
    bounds: dict[str, Any] = {"max_bytes": 20_000, "when_full": "block", "acked_retention": "1h"}
    async with disk_spool(tmp_path, **bounds) as spool:
        taken = 0
        while spool.append(body(taken)) is not None:
            taken += 1
        spool.quarantine(spool.stream, {1: REASON})
    async with disk_spool(tmp_path, **bounds) as spool:
        assert 1 not in numbers(spool)
    replay(tmp_path, since_ms=0)
    async with disk_spool(tmp_path, **bounds) as spool:
        assert 1 in numbers(spool)


async def test_nothing_is_requeued_while_a_gateway_runs(tmp_path: Path) -> None:
    async with disk_spool(tmp_path):
        with pytest.raises(
            UnreachableError, match="holds this spool; stop the gateway, run this command again"
        ):
            requeue(tmp_path)


async def test_a_running_gateway_sends_again_what_was_set_aside_and_loses_nothing_by_a_kill() -> None:
    disk = ModelDisk()
    async with disk_spool(Path("/s"), files=disk) as spool:
        fill(spool, range(30))
        spool.quarantine(spool.stream, dict.fromkeys(range(0, 30, 3), REASON))
        before = after_kill(disk)
        assert await spool.requeue() == 10
        again = [stream for stream in spool.pending() if stream != spool.stream]
        assert sorted(numbers(spool)) == list(range(30))
        assert (spool.counts().quarantined, await spool.requeue()) == (0, 0)
        spool.quarantine(again[0], {0: "rejected once more"})
        assert spool.counts().quarantined == 1
        after = after_kill(disk)
        spool.forget(again[0], IntervalSet([(1, 9)]))
        assert sorted(numbers(spool)) == [number for number in range(30) if number % 3]
        assert await spool.requeue() == 1
        spool.forget(next(iter(spool.pending().keys() - {spool.stream, again[0]})), IntervalSet([(0, 0)]))
        spool.forget(spool.stream, IntervalSet([(0, 29)]))
        assert numbers(spool) == []
    for killed, waiting, quarantined_records in ((before, 20, 10), (after, 29, 1), (disk, 0, 0)):
        async with disk_spool(Path("/s"), files=killed) as spool:
            assert (len(numbers(spool)), spool.counts().quarantined) == (waiting, quarantined_records)
            assert len(set(numbers(spool))) == waiting


async def test_a_running_gateway_holds_what_it_requeues_of_another_edge(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="old") as spool:
        fill(spool, range(3))
        spool.quarantine(spool.stream, {0: REASON})
    async with disk_spool(tmp_path, edge="new") as spool:
        assert await spool.requeue() == 1
        assert (numbers(spool), spool.counts().held) == ([], 3)


async def test_what_cannot_be_renamed_stays_in_quarantine() -> None:
    disk = ModelDisk()
    async with disk_spool(Path("/s"), files=disk) as spool:
        fill(spool, range(30))
        spool.quarantine(spool.stream, dict.fromkeys(range(30), REASON))
        with mock.patch.object(disk, "rename", side_effect=OSError(errno.EROFS, "read-only")):
            with pytest.raises(UnreachableError, match="read-only"):
                await spool.requeue()
            assert (numbers(spool), spool.counts().quarantined) == ([], 30)
        assert await spool.requeue() == 30
        assert sorted(numbers(spool)) == list(range(30))


async def test_a_file_that_was_not_renamed_before_a_power_cut_costs_nothing(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(60))
        spool.quarantine(spool.stream, dict.fromkeys(range(60), REASON))
    first, *_, last = sorted(tmp_path.glob("*.quarantine"))
    first.rename(first.with_suffix(".requeued"))
    last.rename(last.with_suffix(".requeued"))
    async with disk_spool(tmp_path) as spool:
        sent = numbers(spool)
        assert sent == sorted(sent)
        assert sent[0] == 0
        assert sent[-1] == 59
        assert spool.counts().quarantined == 60 - len(sent) > 0
        assert lost(spool) == {}


async def test_the_quarantine_gives_way_first_and_what_it_loses_is_counted(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, max_bytes=80_000) as spool:
        fill(spool, range(100))
        spool.quarantine(spool.stream, dict.fromkeys(range(50), REASON))
        await spool.commit()
        assert spool.counts().quarantined == 50
        fill(spool, range(100, 170))
        counts = spool.counts()
        assert counts.quarantine_dropped > 0
        assert counts.quarantined + counts.quarantine_dropped == 50
        assert spool.size <= 80_000
        assert numbers(spool) == list(range(50, 170))
        assert spool.dropped() == []  # their rejection was reported: to report them twice would be wrong
        dropped = [one for one in inspect(tmp_path).dropped if one.reason == "quarantine max_bytes"]
        assert sum(one.records for one in dropped) == counts.quarantine_dropped
    async with disk_spool(tmp_path, max_bytes=80_000) as spool:
        assert spool.unreported_drops() == []


async def test_a_rejected_record_never_displaces_one_that_waits(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, max_bytes=20_000, when_full="block") as spool:
        taken = 0
        while spool.append(body(taken)) is not None:
            taken += 1
        spool.quarantine(spool.stream, {1: REASON})
        counts = spool.counts()
        assert (counts.quarantined, counts.quarantine_dropped) == (0, 1)
        assert numbers(spool) == [0, *range(2, taken)]


async def test_what_is_in_quarantine_is_given_up_at_max_age(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    async with disk_spool(tmp_path, files=ModelDisk(), monotonic=lambda: now, max_age="8d") as spool:
        for day in range(12):
            fill(spool, range(day, day + 1))
            spool.quarantine(spool.stream, {day: REASON})
            await spool.commit()
            now += 86_401
        await spool.commit()
        counts = spool.counts()
        assert counts.quarantined + counts.quarantine_dropped == 12
        assert 3 <= counts.quarantine_dropped <= 5


async def test_what_is_in_quarantine_makes_way_when_others_need_the_disk(tmp_path: Path) -> None:
    disk = ModelDisk(capacity=60_000)
    async with disk_spool(tmp_path, files=disk, min_free_disk=40_000, when_full="block") as spool:
        fill(spool, range(60))
        spool.quarantine(spool.stream, dict.fromkeys(range(30), REASON))
        await spool.commit()
        await spool.commit()
        assert disk.free() >= 40_000
        assert spool.counts().quarantine_dropped > 0
        assert numbers(spool) == list(range(30, 60))


class NoQuarantine(ModelDisk):
    """Takes everything but files of the quarantine."""

    def create(self, name: str) -> AppendFile:
        if name.endswith(".quarantine"):
            raise OSError(errno.EIO, "broken")
        return super().create(name)


async def test_what_cannot_be_set_aside_is_kept_and_sent_again_by_a_later_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = NoQuarantine()
    async with disk_spool(tmp_path, files=disk) as spool:
        stream = spool.stream
        fill(spool, range(30))
        spool.quarantine(stream, dict.fromkeys(range(12), REASON))
        spool.forget(stream, IntervalSet([(12, 29)]))
        await spool.commit()
        assert numbers(spool) == []
        assert spool.counts().quarantined == 12
    assert "cannot be set aside, so a later start sends them again" in caplog.text
    async with disk_spool(tmp_path, files=disk) as spool:
        assert numbers(spool) == list(range(12))


class NoNotes(ModelDisk):
    """Takes everything but lines of journals."""

    def append(self, name: str, data: bytes) -> None:
        raise OSError(errno.EIO, "broken", name)


async def test_what_finds_no_room_in_the_quarantine_is_given_up_only_with_a_note_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise a killed gateway sends it again, and it is rejected and reported twice."""
    disk = NoNotes()
    bounds: dict[str, Any] = {"max_bytes": 20_000, "when_full": "block"}
    async with disk_spool(tmp_path, files=disk, **bounds) as spool:
        taken = 0
        while spool.append(body(taken)) is not None:
            taken += 1
        assert spool.quarantine(spool.stream, {1: REASON, 7: REASON}) == IntervalSet()  # what is reported
        await spool.commit()
        assert (spool.counts().quarantined, spool.counts().quarantine_dropped) == (2, 0)
        assert numbers(spool) == [0, *range(2, 7), *range(8, taken)]
        killed = after_kill(disk)
    assert "so a later start sends them again: the disk takes no note of them" in caplog.text
    async with disk_spool(tmp_path, files=killed, **bounds) as spool:
        assert numbers(spool) == list(range(taken))


async def test_what_is_requeued_right_after_a_kill_is_sent_once(tmp_path: Path) -> None:
    """The killed gateway had not noted yet that it forgot the records of which the quarantine has copies."""
    disk = ModelDisk()
    async with disk_spool(tmp_path, files=disk) as spool:
        fill(spool, range(40))
        spool.quarantine(spool.stream, dict.fromkeys(range(30), REASON))  # in several segments
        killed = after_kill(disk)
    spool_of = tmp_path / "spool"
    spool_of.mkdir()
    for name, inode in killed.files.items():
        (spool_of / name).write_bytes(inode.data)
    assert requeue(spool_of) == 30
    for _ in range(2):
        async with disk_spool(spool_of) as spool:
            assert sorted(numbers(spool)) == list(range(40))
            assert spool.counts().quarantined == 0


async def test_a_record_leaves_its_segment_only_when_its_copy_survives_a_power_cut(tmp_path: Path) -> None:
    disk = ModelDisk()
    async with disk_spool(tmp_path, files=disk) as spool:
        fill(spool, range(9))
        [first] = disk.files
        fill(spool, range(9, 12))
        await spool.commit()
        spool.quarantine(spool.stream, dict.fromkeys(range(9), REASON))
        assert first in disk.files
        await spool.commit()
        assert first not in disk.files
        assert spool.counts().quarantined == 9
