"""The files of a history: idempotent, bounded, and open again after whatever happened to them."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading, Reason
from qilu.stores.interfaces import Sample
from qilu.stores.sqlite.history.files import HistoryFile, Kind, listing, month_of, name_of, parse_name
from qilu.stores.sqlite.history.keys import DAY_MS, MINUTE_MS, QUARTER_MS
from qilu.stores.sqlite.history.point_query import PointName
from qilu.stores.sqlite.history.reader import HistoryReader
from qilu.stores.sqlite.history.retention import Bounds, expired
from tests.stores.history.history_store import ENDLESS, HistoryStore

START = 20_000 * DAY_MS
DAY = "2024-10-04"
ORIGIN = Origin("edge-1", "press-1", "press")
COLUMNS = BlockSchema(ORIGIN, "fast", ("force", "count"))


def poll(time_ms: int, force: float, columns: BlockSchema = COLUMNS) -> Poll:
    return Poll(time_ms, (Reading(columns, time_ms, (force, *range(1, len(columns.points)))),))


def polls(start_ms: int, number: int, step_ms: int = 1000) -> list[Poll]:
    return [poll(start_ms + n * step_ms, float(n)) for n in range(number)]


async def forces(folder: Path, start_ms: int = START, end_ms: int = START + DAY_MS) -> list[Sample]:
    async with HistoryReader(folder) as reader:
        return list(await reader.samples(ORIGIN.key, "force", start_ms, end_ms))


def store(
    folder: Path, now_ms: int = START + DAY_MS // 2, bounds: Bounds = ENDLESS, free: int = 0
) -> HistoryStore:
    return HistoryStore(folder, bounds, lambda: now_ms, free)


async def test_writing_again_in_any_order_changes_nothing(tmp_path: Path) -> None:
    some = polls(START, 40)
    async with store(tmp_path / "h") as history:
        assert history.take(some[::2]) == 20
        assert history.take(some) == 20
        before = await forces(tmp_path / "h")
        assert history.take(some[::-1]) == 0
        assert history.take([poll(START, 99.0)]) == 0
        assert (
            await forces(tmp_path / "h") == before == [Sample(START + 1000 * n, float(n)) for n in range(40)]
        )


async def test_a_second_process_may_not_write_the_same_folder(tmp_path: Path) -> None:
    async with store(tmp_path / "h"):
        with pytest.raises(UnreachableError, match="another process"):
            async with store(tmp_path / "h"):
                pass


def truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2 - 100)


def overwrite(file: Path) -> None:
    file.write_bytes(b"no database at all" * 500)


def scramble(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    file.write_bytes(data)


@pytest.mark.parametrize("tear", [truncate, overwrite, scramble])
async def test_a_torn_file_is_set_aside_and_its_day_begins_anew(
    tmp_path: Path, tear: Callable[[Path], None]
) -> None:
    folder = tmp_path / "h"
    async with store(folder) as history:
        history.take(polls(START - DAY_MS, 100))
        history.take(polls(START, 200))
    tear(folder / f"raw-{DAY}.db")
    assert await forces(folder, START - DAY_MS, START + DAY_MS)  # a reader leaves the file out
    async with store(folder) as history:
        history.take(polls(START + QUARTER_MS, 10))
        history.roll_up()
    assert len(await forces(folder, START + QUARTER_MS, START + DAY_MS)) == 10
    assert len(await forces(folder, START - DAY_MS, START)) == 100
    assert [file.name for file in listing(folder) if file.torn] == [f"raw-{DAY}.torn-1"]


async def test_a_file_that_is_torn_while_it_is_open_is_named_by_the_reader_and_set_aside(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "h"
    async with store(folder) as history, HistoryReader(folder) as reader:
        history.take(polls(START, 3000))
        history.folder.get(f"raw-{DAY}.db")._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        scramble(folder / f"raw-{DAY}.db")
        assert not await reader.samples(ORIGIN.key, "force", START, START + DAY_MS)
        name = reader.torn_file()
        assert name == f"raw-{DAY}.db"
        history.folder.set_aside(name)
        history.take(polls(START + DAY_MS // 4, 10))
        history.roll_up()
        assert len(await reader.samples(ORIGIN.key, "force", START, START + DAY_MS)) == 10
        assert reader.torn_file() is None


@pytest.mark.parametrize("kind", list(Kind))
async def test_files_that_are_removed_while_it_runs_are_made_again(tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / "h"
    now = [START + DAY_MS // 2]
    async with HistoryStore(folder, ENDLESS, lambda: now[0]) as history:
        history.take(polls(START, 1000))
        history.roll_up()
        now[0] += 2 * DAY_MS
        history.roll_up()
        for file in listing(folder):
            if file.kind is kind:
                (folder / file.name).unlink()
        history.take(polls(START + DAY_MS // 2, 10))
        history.roll_up()
    assert len(await forces(folder, START + DAY_MS // 2)) == 10


async def test_a_folder_that_is_removed_while_it_runs_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    async with store(folder) as history:
        history.take(polls(START, 10))
        folder.rename(tmp_path / "away")
        history.take(polls(START + MINUTE_MS, 10))
        history.roll_up()
    assert len(await forces(folder)) == 10


async def test_what_is_more_than_a_day_ahead_of_the_clock_goes_into_a_file_apart(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    async with store(folder) as history:
        history.take([*polls(START, 5), *polls(START + 400 * DAY_MS, 5)])
        history.roll_up()
        assert {file.name for file in listing(folder)} == {
            f"raw-{DAY}.db",
            "raw-ahead.db",
            f"minutes-{DAY}.db",
        }
        assert len(await forces(folder, START, START + 500 * DAY_MS)) == 10
        assert len(await forces(folder)) == 5


async def test_a_clock_that_goes_back_finds_its_files_again(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    now = [START + DAY_MS]
    async with HistoryStore(folder, ENDLESS, lambda: now[0]) as history:
        history.take(polls(START + DAY_MS, 100))
        history.roll_up()
        now[0] -= DAY_MS // 2
        history.take(polls(now[0], 100))
        history.roll_up()
    assert len(await forces(folder, START, START + 2 * DAY_MS)) == 200


async def test_a_full_disk_is_an_error_and_then_over(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    async with store(folder) as history:
        history.take(polls(START, 10))
        connection = history.folder.get(f"raw-{DAY}.db")._connection
        connection.execute("PRAGMA max_page_count = 12")
        wide = BlockSchema(ORIGIN, "wide", tuple(f"p{n}" for n in range(900)))
        much = [poll(START + n * 10_000, n / 7, wide) for n in range(50)]
        with pytest.raises(sqlite3.OperationalError, match="full"):
            history.take(much)
        assert len(await forces(folder)) == 10
        connection.execute("PRAGMA max_page_count = 100000")
        assert history.take(much) == 50


async def test_it_leaves_the_room_on_the_disk_that_others_need(tmp_path: Path) -> None:
    async with store(tmp_path / "h", free=10**18) as history:
        with pytest.raises(OSError, match="min_free_disk"):
            history.take(polls(START, 10))
    assert await forces(tmp_path / "h") == []


async def test_max_bytes_rules_over_the_ages_by_parts_of_days(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    bounds = Bounds(dict.fromkeys(Kind, 1000 * DAY_MS), 24 << 20)
    wide = BlockSchema(ORIGIN, "wide", tuple(f"p{n}" for n in range(900)))
    now = [START]
    numbers = itertools.count()
    async with HistoryStore(folder, bounds, lambda: now[0]) as history:
        for _ in range(60):
            batch = [
                Poll(
                    now[0] + n, (Reading(wide, now[0] + n, tuple(next(numbers) * 1.37 for _ in wide.points)),)
                )
                for n in range(0, MINUTE_MS, 500)
            ]
            history.take(batch)
            assert sum(file.size for file in listing(folder)) <= bounds.max_bytes
            now[0] += MINUTE_MS
    parts = [file.part for file in listing(folder)]
    assert len(parts) > 3
    assert parts[0] > 1, "the oldest part was deleted"
    async with HistoryReader(folder) as reader:
        last = await reader.samples(ORIGIN.key, "p7", now[0] - 10 * MINUTE_MS, now[0])
        assert len(last) == 1200


async def test_a_late_reading_that_an_earlier_part_has_is_not_there_twice(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    bounds = Bounds(ENDLESS.ages_ms, 24 << 20)
    wide = BlockSchema(ORIGIN, "wide", ("force", *(f"p{n}" for n in range(900))))
    numbers = itertools.count()

    def batch(minute: int) -> list[Poll]:
        start = START + minute * MINUTE_MS
        values = [tuple(next(numbers) * 1.37 for _ in wide.points) for _ in range(120)]
        return [Poll(start + 500 * n, (Reading(wide, start + 500 * n, of),)) for n, of in enumerate(values)]

    async with store(folder, bounds=bounds) as history:
        early = batch(0)
        history.take(early)
        for minute in range(1, 12):
            history.take(batch(minute))
        assert len(listing(folder)) > 1
        assert history.take(early) == 0
        history.roll_up()
        async with HistoryReader(folder) as reader:
            assert (
                sum((await reader.count(ORIGIN.key, "press", START, START + MINUTE_MS)).values()) == 120 * 901
            )
            chart = await reader.chart(PointName(ORIGIN.key, "force"), START, START + DAY_MS, 500)
            assert sum(rolled.number for _, rolled in chart.intervals) == 12 * 120


def history_file(kind: Kind, day: int, size: int) -> HistoryFile:
    first, last = month_of(day) if kind is Kind.QUARTERS else (day, day)
    return HistoryFile(kind, first, 1, name_of(kind, first, 1), last, size)


_files = st.lists(
    st.builds(history_file, st.sampled_from(list(Kind)), st.integers(19_000, 20_000), st.integers(0, 400)),
    max_size=60,
    unique_by=lambda file: file.name,
)


@given(_files, st.integers(100, 5000))
def test_the_oldest_raw_file_goes_first_then_minutes_then_quarters_and_each_keeps_a_tenth(
    files: list[HistoryFile], max_bytes: int
) -> None:
    bounds = Bounds(dict.fromkeys(Kind, 10_000 * DAY_MS), max_bytes)
    leaving = expired(files, bounds, 20_001 * DAY_MS)
    assert [file.kind for file in leaving] == sorted((file.kind for file in leaving), key=list(Kind).index)
    for kind in Kind:
        of_kind = sorted(file for file in files if file.kind is kind)
        mine = [file for file in leaving if file.kind is kind]
        assert mine == of_kind[: len(mine)]
        if mine:
            assert sum(file.size for file in of_kind[len(mine) :]) >= max_bytes // 10
    room = max_bytes - max_bytes // 50
    left = sum(file.size for file in files) - sum(file.size for file in leaving)
    if left > room:  # only where each kind has its tenth or a last file
        for kind in Kind:
            kept = sorted(file for file in files if file.kind is kind and file not in leaving)
            assert len(kept) <= 1 or sum(file.size for file in kept[1:]) < max_bytes // 10
    elif leaving:
        assert left + leaving[-1].size > room, "no more than needed"


def test_age_deletes_whole_files_when_their_last_day_is_too_old() -> None:
    bounds = Bounds({Kind.RAW: 7 * DAY_MS, Kind.MINUTES: 90 * DAY_MS, Kind.QUARTERS: 400 * DAY_MS}, 10**9)
    files = [history_file(Kind.RAW, day, 1) for day in range(20_000, 20_020)]
    leaving = expired(files, bounds, 20_019 * DAY_MS)
    assert [file.first_day for file in leaving] == list(range(20_000, 20_012))


@given(st.integers(0, 200_000), st.sampled_from(list(Kind)), st.integers(1, 99))
def test_a_name_says_kind_days_and_part(day: int, kind: Kind, part: int) -> None:
    first = month_of(day)[0] if kind is Kind.QUARTERS else day
    file = parse_name(name_of(kind, first, part))
    assert file is not None
    assert (file.kind, file.first_day, file.part) == (kind, first, part)
    assert file.first_day <= day <= file.last_day


@pytest.mark.parametrize(
    "name", ["raw-2026-13-01.db", "raw-2026-11.db", "quarters-2026-11-01.db", "store.db"]
)
def test_other_names_are_left_alone(name: str) -> None:
    assert parse_name(name) is None


async def test_bad_values_are_stretches_with_reason_and_number(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    bad = [
        Poll(t, (Reading(COLUMNS, t, (None, 1), {0: Reason.TIMEOUT}),))
        for t in range(START + 60_000, START + 120_000, 1000)
    ]
    async with store(folder) as history:
        history.take([*polls(START, 60), *bad, *polls(START + 120_000, 10)])
        history.roll_up()
    async with HistoryReader(folder) as reader:
        name = PointName(DeviceKey("edge-1", "press-1"), "force")
        fine = await reader.chart(name, START, START + QUARTER_MS, 1000)
        assert (fine.source, fine.bucket_ms, len(fine.intervals)) == ("raw", 0, 130)
        assert [(s.start_ms, s.end_ms, s.reason, s.number) for s in fine.bad] == [
            (START + 60_000, START + 119_000, Reason.TIMEOUT, 60)
        ]
        coarse = await reader.chart(name, START, START + DAY_MS, 1000)
        assert coarse.source == "minutes"
        assert len(coarse.intervals) <= 1000
        assert [(s.start_ms, s.end_ms, s.number) for s in coarse.bad] == [(START, START + 2 * MINUTE_MS, 60)]
