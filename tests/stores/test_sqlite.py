"""The embedded store: what only a file can promise, and what only a file can suffer."""

import asyncio
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading, Reason, Value
from qilu.stores.factory import open_store
from qilu.stores.interfaces import Sample
from qilu.stores.settings import SqliteSettings
from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.schema import open_writing
from qilu.stores.sqlite.writer import SqliteStore

START = 1_764_000_000_000
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press", "acme", "jinan", "a"), "fast", ("force", "state"))


def poll(time_ms: int, *values: Value, columns: BlockSchema = COLUMNS, **reasons: Reason) -> Poll:
    bad = {columns.points.index(point): reason for point, reason in reasons.items()}
    return Poll(time_ms, (Reading(columns, time_ms, values, bad),))


async def test_an_identity_is_made_with_the_file_and_stays(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "a.db") as store:
        first = store.identity
        assert (await store.mark()).incarnation == first
    async with SqliteStore(tmp_path / "a.db") as store:
        assert store.identity == first
    async with SqliteStore(tmp_path / "b.db") as store:
        assert store.identity not in ("", first)


async def test_a_store_may_be_named_so_that_gateways_know_its_id_beforehand(tmp_path: Path) -> None:
    settings = SqliteSettings(type="sqlite", file=tmp_path / "a.db", name="plant-store")
    async with open_store(settings) as store:
        assert store.identity == (await store.mark()).incarnation == "plant-store"


async def test_a_reading_that_comes_twice_is_one_row(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "a.db") as store:
        await store.write([poll(START, 1.5, 2), poll(START, 1.5, 2)])
        await store.write([poll(START, 1.5, 2)])
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (1,)


async def test_the_view_shows_people_one_value_per_row(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "a.db") as store:
        await store.write([poll(START, None, 2, force=Reason.TIMEOUT), poll(START + 1, 1.5, True)])
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        rows = connection.execute(
            "SELECT time_ms, point, value, reason FROM samples WHERE device = 'press-1' ORDER BY 1, 2"
        )
        assert rows.fetchall() == [
            (START, "force", None, "timeout"),
            (START, "state", 2, None),
            (START + 1, "force", 1.5, None),
            (START + 1, "state", 1, None),
        ]


async def test_a_second_writing_process_is_reported_what_to_do(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from qilu.stores.sqlite.writer import SqliteStore
async def main():
    async with SqliteStore(pathlib.Path({str(tmp_path / "a.db")!r})):
        pass
asyncio.run(main())
"""
    run = [sys.executable, "-c", program]
    async with SqliteStore(tmp_path / "a.db"):
        second = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, check=False)
        assert "UnreachableError" in second.stderr
        assert "another process already writes this store; end the other ingester" in second.stderr
        with pytest.raises(UnreachableError, match="already writes"):
            async with SqliteStore(tmp_path / "a.db"):
                pass
    await asyncio.to_thread(subprocess.run, run, check=True)


async def test_what_was_written_survives_kill_9_and_frees_the_file(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, pathlib
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.sqlite.writer import SqliteStore
columns = BlockSchema(Origin("e", "d", "p"), "g", ("x",))
async def main():
    async with SqliteStore(pathlib.Path({str(tmp_path / "a.db")!r})) as store:
        for time in range(50):
            await store.write([Poll(time, (Reading(columns, time, (1.0,)),))])
        os.kill(os.getpid(), {int(signal.SIGKILL)})
asyncio.run(main())
"""
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    async with SqliteStore(tmp_path / "a.db"), SqliteReader(tmp_path / "a.db") as reader:
        assert len(await reader.samples(DeviceKey("e", "d"), "x", 0, 100)) == 50


async def test_readers_see_what_is_written_while_they_stand_in_the_middle_of_a_question(
    tmp_path: Path,
) -> None:
    async with SqliteStore(tmp_path / "a.db") as store:
        await store.write([poll(START, 1.0, 1), poll(START + 1, 2.0, 1)])
        with closing(sqlite3.connect(tmp_path / "a.db")) as slow:
            rows = slow.execute("SELECT time_ms FROM readings")
            assert rows.fetchone() == (START,)
            await store.write([poll(START + 2, 3.0, 1)])
            async with SqliteReader(tmp_path / "a.db") as reader:
                assert len(await reader.samples(COLUMNS.origin.key, "force", START, START + 10)) == 3


async def test_a_device_whose_points_changed_answers_with_all_of_them(tmp_path: Path) -> None:
    wider = BlockSchema(COLUMNS.origin, "fast", ("state", "force", "speed"))
    moved = BlockSchema(Origin("edge-1", "press-1", "press", "acme", "jinan", "b"), "fast", ("force",))
    async with SqliteStore(tmp_path / "a.db") as store, SqliteReader(tmp_path / "a.db") as reader:
        await store.write(
            [
                poll(START, 1.0, 1),
                poll(START + 1, 1, 2.0, 5, columns=wider),
                poll(START + 2, 3.0, columns=moved),
                poll(START + 1, None, columns=moved, force=Reason.TIMEOUT),
            ]
        )
        assert await reader.points(COLUMNS.origin.key) == ["force", "speed", "state"]
        found = await reader.samples(COLUMNS.origin.key, "force", START, START + 10)
        assert found == [Sample(START, 1.0), Sample(START + 1, 2.0), Sample(START + 2, 3.0)]
        (device,) = await reader.devices()
        assert (device.line, device.last_ms) == ("b", START + 2)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Every file that this process writes meanwhile ends there, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_full_disk_is_unreachable_until_there_is_space_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    late = BlockSchema(Origin("edge-1", "late", "press"), "fast", ("force",))
    async with SqliteStore(file) as store, SqliteReader(file) as reader:
        await store.write([poll(START, 1.0, 1)])
        more = [poll(START + i, float(i), columns=late) for i in range(5000)]
        with files_no_larger_than(Path(f"{file}-wal").stat().st_size + 8192):
            with pytest.raises(UnreachableError, match=r"a\.db"):
                await store.write(more)
            assert len(await reader.samples(COLUMNS.origin.key, "force", START, START + 10)) == 1
        assert await store.write(more) == {}
        assert len(await reader.samples(late.origin.key, "force", START, START + 9999)) == 5000


async def test_a_lock_held_by_a_stranger_is_waited_for_by_trying_again(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    async with SqliteStore(file) as store:
        store._connection.execute("PRAGMA busy_timeout = 1")
        with closing(sqlite3.connect(file, isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnreachableError, match="another program holds a lock"):
                await store.write([poll(START, 1.0, 1)])
            stranger.execute("ROLLBACK")
        assert await store.write([poll(START, 1.0, 1)]) == {}


@pytest.mark.parametrize("opener", [SqliteStore, SqliteReader])
async def test_a_file_that_is_no_store_is_refused_with_the_remedy(
    tmp_path: Path, opener: type[SqliteStore] | type[SqliteReader]
) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"no database at all, but rather long" * 1000)
    with pytest.raises(ConfigError, match="damaged, or no store; move it away"):
        async with opener(file):
            pass
    file.unlink()
    with closing(sqlite3.connect(file)) as foreign:
        foreign.execute("CREATE TABLE other (x)")
    with pytest.raises(ConfigError, match="no store of Qilu"):
        async with opener(file):
            pass
    file.unlink()
    async with SqliteStore(file):
        pass
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="version 99, this program knows version 1; use the newer program"):
        async with opener(file):
            pass


@pytest.mark.parametrize("opener", [SqliteStore, SqliteReader])
@pytest.mark.parametrize("version", [1, 2])
async def test_a_store_from_before_the_first_release_is_refused_and_left_as_it_is(
    tmp_path: Path, opener: type[SqliteStore] | type[SqliteReader], version: int
) -> None:
    """It had the same tables, these versions, and no application id."""
    file = tmp_path / "store.db"
    async with SqliteStore(file):
        pass
    with closing(sqlite3.connect(file)) as former:
        former.execute("PRAGMA application_id = 0")
        former.execute(f"PRAGMA user_version = {version}")
    content = file.read_bytes()
    with pytest.raises(ConfigError, match=r"store\.db: this store was written before .*; move it away, and"):
        async with opener(file):
            pass
    assert file.read_bytes() == content


async def test_a_store_names_its_format_in_the_file(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "store.db"):
        pass
    head = (tmp_path / "store.db").read_bytes()[:100]
    assert (head[68:72], int.from_bytes(head[60:64])) == (b"QILU", 1)


async def test_a_reader_of_nothing_and_a_writer_without_a_folder_say_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store yet; start the ingester"):
        async with SqliteReader(tmp_path / "none.db"):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be opened"):
        async with SqliteStore(tmp_path / "file" / "a.db"):
            pass
    async with SqliteStore(tmp_path / "new" / "folder" / "a.db"):
        pass


async def test_a_store_damaged_while_open_keeps_the_data_with_the_sender(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    async with SqliteStore(file) as store:
        await store.write([poll(START + i, 1.0, 1) for i in range(1000)])
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * (file.stat().st_size - 4096))
    async with SqliteReader(file) as reader:
        with pytest.raises(UnreachableError, match="damaged"):
            await reader.devices()


async def test_nothing_counts_as_stored_in_a_file_that_was_taken_away_until_it_is_put_back(
    tmp_path: Path,
) -> None:
    file, away = tmp_path / "a.db", tmp_path / "away.db"
    async with SqliteStore(file) as store:
        await store.write([poll(START, 1, 2)])
        file.rename(away)
        with pytest.raises(UnreachableError, match="was removed.*start this program again"):
            await store.write([poll(START + 1, 1, 2)])
        file.write_bytes(b"another")
        with pytest.raises(UnreachableError, match="put it back"):
            await store.write([poll(START + 1, 1, 2)])
        away.replace(file)
        assert await store.write([poll(START + 1, 1, 2)]) == {}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (2,)


def after_a_crash(file: Path, into: Path) -> list[tuple[int]]:
    """The times in the store as the next start finds them when this process is killed now."""
    into.mkdir()
    for one in file.parent.glob(f"{file.name}*"):
        if one.is_file():
            shutil.copy(one, into / one.name)
    with closing(sqlite3.connect(into / file.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT time_ms FROM readings ORDER BY 1").fetchall()


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("removed", [("-wal",), ("-shm",), ("-wal", "-shm")])
async def test_a_removed_log_is_reported_and_all_that_was_durable_outlives_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, removed: tuple[str, ...], replaced: bool
) -> None:
    file = tmp_path / "store" / "a.db"
    async with SqliteStore(file) as store:
        await store.write([poll(START, 1.0, 1)])
        for suffix in removed:
            Path(f"{file}{suffix}").unlink()
            if replaced:
                Path(f"{file}{suffix}").write_bytes(b"")
        assert await store.write([poll(START + 1, 1.0, 1)]) == {}
        assert f"{file}{removed[0]}" in caplog.text
        assert "was removed or replaced" in caplog.text
        assert after_a_crash(file, tmp_path / "one") == [(START,), (START + 1,)]
        assert await store.write([poll(START + 2, 1.0, 1)]) == {}
        assert caplog.text.count("was removed or replaced") == 1
        assert after_a_crash(file, tmp_path / "two") == [(START,), (START + 1,), (START + 2,)]
        async with SqliteReader(file) as reader:
            assert len(await reader.samples(COLUMNS.origin.key, "force", START, START + 10)) == 3


async def test_nothing_is_durable_while_the_store_cannot_be_opened_again_after_its_log_was_removed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "store" / "a.db"
    async with SqliteStore(file) as store:
        await store.write([poll(START, 1.0, 1)])
        Path(f"{file}-wal").unlink()
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)) as stranger:
            store._connection.execute("PRAGMA busy_timeout = 1")
            Path(f"{file}-wal").mkdir()
            with pytest.raises(UnreachableError, match=r"a\.db"):
                await store.write([poll(START + 1, 1.0, 1)])
            with pytest.raises(UnreachableError, match=r"a\.db"):
                await store.write([poll(START + 1, 1.0, 1)])
            stranger.close()
        Path(f"{file}-wal").rmdir()
        assert await store.write([poll(START + 1, 1.0, 1)]) == {}
        assert after_a_crash(file, tmp_path / "one") == [(START,), (START + 1,)]


async def test_a_checkpoint_that_finds_no_space_takes_nothing_back(tmp_path: Path) -> None:
    file = tmp_path / "store" / "a.db"
    async with SqliteStore(file) as store:
        await store.write([poll(START - i, float(i), 1) for i in range(60_000)])
        for pragma in ("wal_checkpoint(TRUNCATE)", "wal_autocheckpoint = 10"):
            await store._in_thread(store._connection.execute, f"PRAGMA {pragma}")
        with files_no_larger_than(file.stat().st_size):  # the log can grow, and the store cannot
            for turn in range(1, 20):
                new = [poll(START + 100 * turn + i, float(i), 1) for i in range(100)]
                assert await store.write(new) == {}
            stored = after_a_crash(file, tmp_path / "one")
        assert len(stored) == 60_000 + 1900
        assert Path(f"{file}-wal").stat().st_size > 100_000


async def test_a_cancelled_write_ends_whole_before_the_store_closes(tmp_path: Path) -> None:
    many = [poll(START + i, float(i), i) for i in range(20_000)]
    async with SqliteStore(tmp_path / "a.db") as store:
        writing = asyncio.create_task(store.write(many))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    async with SqliteReader(tmp_path / "a.db") as reader:
        assert len(await reader.samples(COLUMNS.origin.key, "force", START, START + 20_000)) in (0, 20_000)


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    """No test can cut the power; this pins what SQLite promises it for, as `durable` rests on it."""
    with closing(open_writing(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
