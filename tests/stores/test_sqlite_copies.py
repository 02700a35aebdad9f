"""Copies of a store file that nobody may write: a read-only folder, with and without a write-ahead log."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.sqlite.writer import SqliteStore

START = 1_764_000_000_000
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force",))
NOBODY = 65534
READ = """
import asyncio, os, pathlib, sys
from qilu.contract.reading import DeviceKey
from qilu.stores.sqlite.reader import SqliteReader
file, user = sys.argv[1:]
if int(user):
    os.setgid(int(user))
    os.setuid(int(user))
async def main():
    async with SqliteReader(pathlib.Path(file)) as reader:
        found = await reader.samples(DeviceKey("edge-1", "press-1"), "force", 0, 2**50)
        print(*(one.value for one in found))
asyncio.run(main())
"""


def poll(number: int) -> Poll:
    return Poll(START + number, (Reading(COLUMNS, START + number, (float(number),)),))


def read(file: Path) -> str:
    """What a user without any right to write reads; a superuser becomes another user for it."""
    run = [sys.executable, "-c", READ, str(file), str(0 if os.geteuid() else NOBODY)]
    found = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    return found.stdout.strip() or found.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not below the folder of pytest, which each run of it closes to other users."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def store_with_a_log(folder: Path, *names: str) -> Path:
    """A copy, made while the store was written: one reading in the file, another in the log alone."""
    folder.mkdir()
    source = folder.parent / "a.db"
    async with SqliteStore(source) as store:
        await store.write([poll(1)])
    async with SqliteStore(source) as store:
        await store.write([poll(2)])
        for name in names:
            shutil.copy(source.parent / name, folder / name)
    return folder / source.name


@pytest.mark.skipif(sys.platform == "win32", reason="no folder is read-only there")
@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.db",), "1.0"),
        (("a.db", "a.db-wal"), "1.0 2.0"),
        (("a.db", "a.db-wal", "a.db-shm"), "1.0 2.0"),
    ],
)
async def test_a_copy_that_nobody_may_write_can_be_read(
    open_folder: Path, names: tuple[str, ...], expected: str, folder_mode: int
) -> None:
    file = await store_with_a_log(open_folder / "copy", *names)
    for one in file.parent.iterdir():
        one.chmod(0o444)
    file.parent.chmod(folder_mode)
    try:
        assert read(file) == expected
        assert read(file) == expected
    finally:
        file.parent.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="no file is unreadable there")
async def test_a_file_that_may_not_be_read_is_refused_with_the_remedy(open_folder: Path) -> None:
    file = await store_with_a_log(open_folder / "copy", "a.db")
    file.chmod(0o000)
    assert "let this user read the file" in read(file)
