"""One directory: who may hold it, what a restart remembers, and what copying it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.spool.adopt import adopt
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.opened import disk_spool, everything, fill, numbers, segments

NOBODY = 65534
OPEN = """
import asyncio, sys
from pathlib import Path
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.errors import UnreachableError
async def main():
    try:
        async with DiskSpool(SpoolSettings(directory=Path(sys.argv[1]), min_free_disk=0), "edge-1") as spool:
            print("opened", sum(map(len, spool.pending().values())))
    except UnreachableError as error:
        print(error)
asyncio.run(main())
"""


def open_in_a_process(directory: Path) -> str:
    """What a process that opens the directory says."""
    return subprocess.run(
        [sys.executable, "-c", OPEN, directory],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


async def test_a_second_process_is_turned_away_with_the_name_of_the_first(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(3))
        output = open_in_a_process(tmp_path)
        assert f"{tmp_path}: process {os.getpid()} holds this spool; stop it, or give" in output
        with pytest.raises(UnreachableError, match="holds this spool"):
            async with disk_spool(tmp_path):
                pass
        fill(spool, range(3, 5))
    assert open_in_a_process(tmp_path) == "opened 5"


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may do anything, so root becomes nobody for a while; for others a chmod is enough."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that everybody may enter, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_a_directory_that_may_not_be_written_is_refused_with_its_remedy(open_to_all: Path) -> None:
    directory = open_to_all / "spool"
    directory.mkdir(0o555)
    with somebody_else(), pytest.raises(ConfigError) as refused:
        async with disk_spool(directory):
            pass
    assert str(refused.value).startswith(f"{directory}: cannot be a spool: ")
    assert "read and write it (chown -R), or name another" in str(refused.value)


async def test_a_segment_that_may_not_be_read_is_refused_with_its_remedy(open_to_all: Path) -> None:
    directory = open_to_all / "spool"
    async with disk_spool(directory) as spool:
        fill(spool, range(3))
    if os.getuid() == 0:
        os.chown(directory, NOBODY, -1)
    segments(directory)[0].chmod(0)
    with somebody_else(), pytest.raises(ConfigError, match="may not be read; let the user of the gateway"):
        async with disk_spool(directory):
            pass
    segments(directory)[0].chmod(0o600)
    os.chown(directory, os.getuid(), -1)
    async with disk_spool(directory) as spool:
        assert numbers(spool) == [0, 1, 2]


def modes(directory: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
async def test_everything_in_a_spool_is_for_its_owner_whatever_the_umask(open_to_all: Path) -> None:
    directory = open_to_all / "var" / "spool"
    async with disk_spool(directory) as spool:
        fill(spool, range(3))
        spool.forget(spool.stream, IntervalSet([(0, 1)]))
    assert (modes(directory), {path.name for path in directory.iterdir()} > {"owner"}) == ({0o600}, True)
    assert {path.stat().st_mode & 0o777 for path in (directory, directory.parent)} == {0o700}


async def test_nobody_else_can_hold_the_directory_of_an_earlier_version(open_to_all: Path) -> None:
    directory = open_to_all / "spool"
    directory.mkdir(mode=0o755)
    async with disk_spool(directory):
        pass
    assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722, 0o1777])
async def test_a_directory_that_others_may_write_to_is_refused(open_to_all: Path, mode: int) -> None:
    directory = open_to_all / "spool"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ConfigError, match="other users may write to it.*chmod go-w"):
        async with disk_spool(directory):
            pass
    assert list(directory.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of another user")
async def test_a_directory_of_another_user_is_refused(open_to_all: Path) -> None:
    directory = open_to_all / "spool"
    directory.mkdir(mode=0o700)
    os.chown(directory, NOBODY, -1)
    with pytest.raises(ConfigError, match=f"it belongs to user id {NOBODY}"):
        async with disk_spool(directory):
            pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act for another user")
async def test_a_command_of_root_leaves_files_of_the_owner(open_to_all: Path) -> None:
    directory = open_to_all / "spool"
    async with disk_spool(directory) as spool:
        fill(spool, range(3))
    for path in (directory, *directory.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    adopt(directory, "edge-1")
    assert {path.stat().st_uid for path in directory.iterdir()} == {NOBODY}
    assert "adopted" in {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["owner.new", "checkpoint.new", "owner", "checkpoint", "dropped.jsonl"])
async def test_links_and_pipes_in_the_directory_are_not_followed(
    tmp_path: Path, kind: str, name: str
) -> None:
    """F13 of the review: the demo of root overwrote what a prepared `owner.new` led to."""
    precious = tmp_path / "precious"
    precious.write_text("keep")
    directory = tmp_path / "spool"
    directory.mkdir()
    if kind == "link":
        (directory / name).symlink_to(precious)
    else:
        os.mkfifo(directory / name)
    with suppress(ConfigError, UnreachableError):
        async with disk_spool(directory) as spool:
            fill(spool, range(3))
            spool.forget(spool.stream, IntervalSet([(0, 1)]))
    assert precious.read_text() == "keep"


async def test_the_directory_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """So does systemd with StateDirectory and DynamicUser."""
    (tmp_path / "private").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "private")
    async with disk_spool(tmp_path / "state") as spool:
        fill(spool, range(3))
        assert numbers(spool) == [0, 1, 2]


async def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spool"
    file.write_text("no directory")
    for directory in (file, file / "deeper"):
        with pytest.raises(ConfigError, match="a file stands in its place"):
            async with disk_spool(directory):
                pass


async def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    async with disk_spool(tmp_path / "a" / "b" / "spool") as spool:
        fill(spool, range(1))
        assert numbers(spool) == [0]


async def test_a_restart_does_not_send_again_what_was_forgotten(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as first:
        fill(first, range(30))
        first.forget(first.stream, IntervalSet.parse("0-4,11,20-28"))
    async with disk_spool(tmp_path) as second:
        assert numbers(second) == [*range(5, 11), *range(12, 20), 29]
        fill(second, range(30, 33))
        second.forget(first.stream, IntervalSet.parse("0-100"))
        assert list(second.pending()) == [second.stream]
    async with disk_spool(tmp_path) as third:
        assert everything(third).keys() == {second.stream}
        assert numbers(third) == [30, 31, 32]


async def test_a_killed_gateway_remembers_what_it_noted_at_a_commit(tmp_path: Path) -> None:
    now = 0.0
    killed = disk_spool(tmp_path, monotonic=lambda: now)
    await killed.__aenter__()
    fill(killed, range(9))
    killed.forget(killed.stream, IntervalSet.parse("0-2"))
    await killed.commit()
    killed.forget(killed.stream, IntervalSet.parse("3"))
    await killed.commit()  # not noted: the last time is less than 5 s ago
    killed._files.close()  # as the system does when a process is killed
    async with disk_spool(tmp_path) as spool:
        assert numbers(spool) == list(range(3, 9))
    killed._opened.writer.close()
    killed._opened.thread.shutdown()


async def test_nothing_is_left_when_everything_was_forgotten(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(30))
        assert len(segments(tmp_path)) == 4
        spool.forget(spool.stream, IntervalSet.parse("0-29"))
        assert len(segments(tmp_path)) == 1  # the one that grows
    assert segments(tmp_path) == []


async def test_copies_of_a_directory_never_give_two_records_one_name(tmp_path: Path) -> None:
    async with disk_spool(tmp_path / "first") as spool:
        fill(spool, range(5))
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    async with disk_spool(tmp_path / "first") as one, disk_spool(tmp_path / "second") as two:
        fill(one, range(5, 8))
        fill(two, range(100, 103))
        assert one.stream != two.stream
        assert numbers(one) == list(range(8))
        assert numbers(two) == [0, 1, 2, 3, 4, 100, 101, 102]


async def test_a_commit_asks_the_system_to_put_the_file_and_its_name_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test can cut the power; all others see what a model of a disk would keep."""
    synced: set[int] = set()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    async with disk_spool(tmp_path / "spool") as spool:
        fill(spool, range(3))
        synced.clear()
        await spool.commit()
        (segment,) = segments(tmp_path / "spool")
        assert segment.stat().st_ino in synced
        assert (tmp_path / "spool").stat().st_ino in synced
