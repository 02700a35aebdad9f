"""Calls that happen seldom: before the spool is open, after it is closed, without files to spare."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gateway.interfaces import StreamOrigin
from gateway.spool.disk import DiskSpool
from gateway.spool.drop_log import DropLog
from gateway.spool.filesystem import OsFiles
from gateway.spool.index import SegmentIndex
from gateway.spool.segment_writer import SegmentWriter
from gateway.spool.settings import SpoolSettings
from gateway.timekeeping.provisional import Correction, Mark, marked
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import EpochTag, TimeTrust
from tests.gateway.spool.disk_model import ModelDisk
from tests.gateway.spool.opened import disk_spool, fill, numbers


class NoFilesLeft(ModelDisk):
    """A process that has as many open files as it may have."""

    exhausted = False

    def read(self, name: str, position: int, size: int) -> bytes:
        if self.exhausted:
            raise OSError(errno.EMFILE, "too many open files")
        return super().read(name, position, size)


async def test_a_process_without_a_free_file_loses_no_record_and_reads_it_later(tmp_path: Path) -> None:
    disk = NoFilesLeft()
    async with disk_spool(tmp_path, files=disk) as spool:
        fill(spool, range(3))
        disk.exhausted = True
        with pytest.raises(UnreachableError, match="cannot read now"):
            spool.read(spool.stream, IntervalSet([(0, 2)]), 10_000)
        disk.exhausted = False
        assert numbers(spool) == [0, 1, 2]


def test_a_directory_is_present_only_while_it_is_held_and_is_closed_once(tmp_path: Path) -> None:
    files = OsFiles(tmp_path / "spool")
    assert not files.present()
    files.open()
    assert files.present()
    files.close()
    files.close()
    assert not files.present()


def test_a_record_needs_a_segment() -> None:
    writer = SegmentWriter(
        ModelDisk(), SegmentIndex(), 1, StreamOrigin("edge-1"), 1, ".segment", lambda: 0, lambda: 0.0
    )
    with pytest.raises(RuntimeError, match="no segment is open"):
        writer.write(b"record")


def test_where_nothing_was_dropped_nothing_is_written_about_it() -> None:
    disk = ModelDisk()
    log = DropLog(disk, lambda: 0)
    log.mark_reported()
    assert disk.names() == []


async def test_records_of_this_edge_may_always_be_sent_and_of_a_stranger_never(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="edge-1") as spool:
        assert spool.edges.sent("edge-1")
        assert not spool.edges.sent("edge-2")


class Undecided:
    """A clock that is in doubt for ever."""

    deciding = False

    def correction(self, mark: Mark, *, this_boot: bool) -> Correction | None:
        return None


async def test_a_record_of_a_time_in_doubt_is_kept_and_not_sent(tmp_path: Path) -> None:
    settings = SpoolSettings(directory=tmp_path, min_free_disk=0)
    async with DiskSpool(settings, "edge-1", time_authority=Undecided()) as spool:
        record = spool.append(marked(b'{"due_ms":1}', EpochTag(7, TimeTrust.HELD, 0)))
        assert record is not None
        assert spool.corrected([record]) == []
        assert not spool.sendable()[spool.stream]
        assert spool.pending()[spool.stream] == IntervalSet([(0, 0)])
        assert spool._opened.consumer.oldest_acked() is None


def test_a_directory_that_is_not_held_can_be_opened_again(tmp_path: Path) -> None:
    files = OsFiles(tmp_path / "spool")
    files.open_again()
    assert files.present()
    files.close()


def test_a_directory_that_no_system_can_make_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        OsFiles(tmp_path / ("x" * 300)).open()
    assert caught.value.remedy == "name a directory on a local, writable disk"
