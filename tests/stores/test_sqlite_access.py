"""A store file is for its owner, and for a group where one is named, whatever the umask."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.stores.factory import open_store
from qilu.stores.settings import SqliteSettings
from qilu.stores.sqlite.writer import SqliteStore
from tests.stores.test_sqlite import START, poll

OTHER_GROUP = 65534
group_of_root = pytest.mark.skipif(os.getuid() != 0, reason="only root is a member of every group")


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_a_store_and_its_lock_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "store"
    async with SqliteStore(folder / "a.db") as store:
        await store.write([poll(START, 1.0, 1)])
        made = modes(folder)
    assert set(made) >= {"a.db", "a.db-wal", "a.db-shm", "a.db-writer"}
    assert set(made.values()) == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}


async def test_a_store_of_an_earlier_version_is_closed_to_others(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "a.db"):
        pass
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    async with SqliteStore(tmp_path / "a.db") as store:
        await store.write([poll(START, 1.0, 1)])
        assert set(modes(tmp_path).values()) == {0o600}


@group_of_root
async def test_a_group_may_read_the_store_but_not_hold_its_lock(tmp_path: Path) -> None:
    import grp

    group = grp.getgrgid(OTHER_GROUP).gr_name
    folder = tmp_path / "store"
    settings = SqliteSettings(type="sqlite", file=folder / "a.db", group=group)
    async with open_store(settings) as store:
        await store.write([poll(START, 1.0, 1)])
        made = modes(folder)
        shared = {name for name in made if "-writer" not in name}
        assert {made[name] for name in shared} == {0o640}
        assert {made[name] for name in made.keys() - shared} == {0o600}
        assert {(folder / name).stat().st_gid for name in shared} == {OTHER_GROUP}
        assert folder.stat().st_mode & 0o777 == 0o750


async def test_an_unknown_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'no-such-group'.*name a group"):
        async with SqliteStore(tmp_path / "a.db", group="no-such-group"):
            pass


async def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    with pytest.raises(ConfigError, match="other users may write to it.*chmod go-w"):
        async with SqliteStore(folder / "a.db"):
            pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["a.db", "a.db-writer", "a.db-wal", "a.db-journal"])
async def test_links_and_pipes_in_the_place_of_its_files_are_refused(
    tmp_path: Path, kind: str, name: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "precious")):
        precious = (tmp_path / "precious").read_bytes()
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    if kind == "link":
        (folder / name).symlink_to(tmp_path / "precious")
    else:
        os.mkfifo(folder / name)
    with pytest.raises((ConfigError, UnreachableError), match="no file"):
        async with SqliteStore(folder / "a.db"):
            pass
    assert (tmp_path / "precious").read_bytes() == precious
