"""Rows that no store should have are there already: roll-ups, retention and queries go on past them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading, Reason
from qilu.stores.interfaces import Sample
from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore

START = 1_764_000_000_000 // 60_000 * 60_000
MINUTE = 60_000
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force", "ok"))
KEY = DeviceKey("edge-1", "press-1")
HUGE = f"[{'9' * 401},7]"


def poll(time_ms: int, *values: float) -> Poll:
    return Poll(time_ms, (Reading(COLUMNS, time_ms, values),))


def edit(file: Path, *statements: tuple[str, Sequence[object]]) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
        connection.commit()


class Clock:
    def __init__(self) -> None:
        self.ms = START + 10 * MINUTE

    def __call__(self) -> float:
        return self.ms / 1000


async def kept_up(file: Path, retention: float | None = None) -> None:
    """Let an ingester start and do all that is due."""
    clock = Clock()
    async with SqliteStore(file, retention=retention, wall=clock, monotonic=clock) as store:
        for _ in range(50):
            clock.ms += 5000
            await store.write([])


async def made(file: Path) -> None:
    """A store with two minutes of readings that are not rolled up."""
    async with SqliteStore(file) as store:
        await store.write([poll(START + second * 1000, float(second), 7.0) for second in range(120)])
    edit(
        file,
        ("DELETE FROM minutes", ()),
        ("INSERT OR IGNORE INTO stale VALUES (?, 1), (?, 1)", (START, START + MINUTE)),
    )


BAD = [
    HUGE,
    "[1.7976931348623157e308,7]",
    "[]",
    "[null]",
    "not json",
    '{"a":1}',
    "[1e999,7]",
    "[" * 5000,
]


@pytest.mark.parametrize("values", BAD)
async def test_a_bad_row_stops_no_roll_up_and_no_query_of_its_neighbours(tmp_path: Path, values: str) -> None:
    file = tmp_path / "a.db"
    await made(file)
    edit(file, ('UPDATE readings SET "values" = ? WHERE time_ms IN (?, ?)', (values, START, START + 1000)))
    await kept_up(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM stale").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM minutes").fetchone() == (2,)
    async with SqliteReader(file) as reader:
        for every in (None, 1000, MINUTE, 2 * MINUTE):
            ok = await reader.samples(KEY, "ok", START, START + 2 * MINUTE, every)
            assert {one.value for one in ok} <= {7.0, None}
            force = await reader.samples(KEY, "force", START, START + 2 * MINUTE, every)
            assert len(force) == len(ok)
        assert (await reader.samples(KEY, "force", START, START + MINUTE, MINUTE))[0].value == sum(
            range(2, 60)
        ) / 58
        assert (await reader.devices())[0].key == KEY
        assert sum((await reader.count(KEY, "press", START + 2000, START + 2 * MINUTE)).values()) == 236
        await reader.latest(KEY)


async def test_a_summary_that_cannot_be_read_is_made_from_the_readings(tmp_path: Path) -> None:
    """A total that overflowed stands as null in stores of before."""
    file = tmp_path / "a.db"
    await made(file)
    await kept_up(file)
    summaries = "[[2,null,1.0,1.0,1.0,true,null],[2,14.0,7.0,7.0,7.0,true,null]]"
    edit(file, ("UPDATE minutes SET summaries = ? WHERE time_ms = ?", (summaries, START)))
    async with SqliteReader(file) as reader:
        found = await reader.samples(KEY, "ok", START, START + 2 * MINUTE, MINUTE)
        assert found == [Sample(START, 7.0), Sample(START + MINUTE, 7.0)]
        found = await reader.samples(KEY, "force", START, START + MINUTE, MINUTE)
        assert found == [Sample(START, 29.5)]


async def test_a_number_beyond_the_limits_is_reported_as_bad(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    await made(file)
    edit(file, ('UPDATE readings SET "values" = ? WHERE time_ms = ?', (HUGE, START)))
    async with SqliteReader(file) as reader:
        found = await reader.samples(KEY, "force", START, START + 1)
        assert found == [Sample(START, None, Reason.OUT_OF_LIMITS)]


@pytest.mark.parametrize("time_ms", [2**63 - 1, -(2**63), -1, 253_402_300_800_000])
async def test_a_time_that_no_calendar_has_stops_nothing(tmp_path: Path, time_ms: int) -> None:
    file = tmp_path / "a.db"
    await made(file)
    edit(
        file,
        ('INSERT INTO readings VALUES (1, ?, "[1,2]", NULL)'.replace('"', "'"), (time_ms,)),
        ("INSERT OR IGNORE INTO stale VALUES (?, 1)", (max(time_ms - time_ms % MINUTE, -(2**63)),)),
    )
    await kept_up(file, retention=86_400.0)
    async with SqliteReader(file) as reader:
        assert len(await reader.devices()) == 1
        for span in ((START, START + 2 * MINUTE), (-(2**70), 2**70)):
            for every in (None, MINUTE):
                assert await reader.samples(KEY, "ok", *span, every)
            assert await reader.count(KEY, "press", *span)
    await made(file)
