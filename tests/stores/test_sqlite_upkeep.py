"""The embedded store over months: roll-ups that late data recomputes, retention, integrity."""

import asyncio
import itertools
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value
from qilu.stores.interfaces import Sample
from qilu.stores.interval_summaries import per_interval, sample
from qilu.stores.sqlite.reader import SqliteReader
from qilu.stores.sqlite.writer import SqliteStore

START = 1_764_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force", "state", "note"))


class Clock:
    """A wall clock and a monotonic one that only the test moves."""

    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> float:
        return self.ms / 1000


def poll(time_ms: int, *values: Value, **reasons: Reason) -> Poll:
    bad = {COLUMNS.points.index(point): reason for point, reason in reasons.items()}
    return Poll(time_ms, (Reading(COLUMNS, time_ms, values, bad),))


def store(
    file: Path, clock: Clock, *, retention: float | None = None, rollups: float | None = None
) -> SqliteStore:
    return SqliteStore(file, retention=retention, rollups=rollups, wall=clock, monotonic=clock)


async def keep_up(opened: SqliteStore, clock: Clock) -> None:
    """Let time pass until nothing is due any more."""
    for _ in range(200):
        clock.ms += 5000
        await opened.write([])


def rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


def mixed(count: int) -> list[Poll]:
    """Readings of every sort, about four seconds apart."""
    chance = random.Random(3)
    found: list[Poll] = []
    for i in range(count):
        force = round(chance.uniform(0, 100), 3)
        note: Value = chance.choice(("a", "b", 1.5, True))
        time_ms = START + i * 3970
        if chance.random() < 0.3 or 100 < i < 150:
            found.append(poll(time_ms, None, i, note, force=chance.choice([Reason.TIMEOUT, Reason.SENTINEL])))
        elif chance.random() < 0.2:
            found.append(poll(time_ms, force, i, note, force=Reason.CLOCK_UNCERTAIN))
        else:
            found.append(poll(time_ms, force, i, note))
    return found


def expected(polls: list[Poll], point: int, start: int, end: int, every: int, last: bool) -> list[Sample]:
    reported = [
        sample(one.due_ms, one.readings[0].values[point], one.readings[0].reasons.get(point)) for one in polls
    ]
    return list(per_interval((one for one in reported if start <= one.time_ms < end), every, last=last))


def close(found: list[Sample]) -> list[object]:
    """For comparing: sums of floats depend on their order in the last bits."""
    return [
        (one.time_ms, pytest.approx(one.value) if isinstance(one.value, float) else one.value, one.reason)
        for one in found
    ]


async def test_rolled_up_and_read_singly_are_the_same(tmp_path: Path) -> None:
    clock, polls = Clock(), mixed(2000)
    late = [poll for i, poll in enumerate(polls) if i % 7 == 3 or 400 < i < 500]
    async with store(tmp_path / "a.db", clock) as opened, SqliteReader(tmp_path / "a.db") as reader:
        clock.ms = polls[-1].due_ms + 10_000
        soon = [poll for poll in polls if poll not in late]
        await opened.write(soon[:700])
        await opened.write(soon[700:])
        await keep_up(opened, clock)
        assert rows(tmp_path / "a.db", "minutes") > 100
        assert rows(tmp_path / "a.db", "stale") == 0
        await opened.write(late)
        for step in range(3):  # all late data stale, then some of them, then none
            for every in (MINUTE, 10 * MINUTE, HOUR):
                for start, end in ((START, START + DAY), (START + 12_345, START + 2 * HOUR + 777)):
                    for (index, point), last in itertools.product(enumerate(COLUMNS.points), (False, True)):
                        key = COLUMNS.origin.key
                        found = await reader.samples(key, point, start, end, every, last=last)
                        wanted = expected(polls, index, start, end, every, last)
                        assert [(s.time_ms, s.value, s.reason) for s in found] == close(wanted)
            if step == 0:
                clock.ms += 5000
                await opened.write([])
            elif step == 1:
                await keep_up(opened, clock)
        assert rows(tmp_path / "a.db", "stale") == 0


async def test_the_minute_that_is_not_over_is_not_rolled_up(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path / "a.db", clock) as opened, SqliteReader(tmp_path / "a.db") as reader:
        await opened.write([poll(START, 1.0, 1, 1)])
        clock.ms = START + 50_000
        await opened.write([poll(START + 1, 2.0, 1, 1)])
        await opened.write([])
        assert rows(tmp_path / "a.db", "minutes") == 0
        found = await reader.samples(COLUMNS.origin.key, "force", START - HOUR, START + HOUR, MINUTE)
        assert found == [Sample(START, 1.5)]


async def test_readings_go_when_they_are_too_old_and_their_roll_ups_stay(tmp_path: Path) -> None:
    file, clock, polls = tmp_path / "a.db", Clock(), mixed(2000)
    async with store(file, clock, retention=HOUR / 1000, rollups=DAY / 1000) as opened:
        clock.ms = polls[-1].due_ms
        await opened.write(polls)
        async with SqliteReader(file) as reader:
            before = await reader.samples(COLUMNS.origin.key, "force", START, START + DAY, 10 * MINUTE)
            await keep_up(opened, clock)
            assert 0 < rows(file, "readings") < 1000
            kept = await reader.samples(COLUMNS.origin.key, "force", START, START + DAY)
            assert kept[0].time_ms >= (clock.ms - HOUR) // MINUTE * MINUTE
            after = await reader.samples(COLUMNS.origin.key, "force", START, START + DAY, 10 * MINUTE)
            assert [(s.time_ms, s.value, s.reason) for s in after] == close(list(before))

            clock.ms += 2 * HOUR
            await keep_up(opened, clock)
            assert rows(file, "readings") == 0
            assert (await reader.devices())[0].last_ms == polls[-1].due_ms // MINUTE * MINUTE
            late = polls[5]
            await opened.write([late])  # sent again: its minute has long been told, and is not told anew
            await keep_up(opened, clock)
            assert rows(file, "readings") == 0
            again = await reader.samples(COLUMNS.origin.key, "force", START, START + DAY, 10 * MINUTE)
            assert again == after

            clock.ms += 2 * DAY
            await keep_up(opened, clock)
            assert rows(file, "minutes") == 0


async def test_what_is_stale_is_still_known_after_a_crash(tmp_path: Path) -> None:
    file, clock = tmp_path / "a.db", Clock()
    async with store(file, clock) as opened:
        await opened.write([poll(START, 1.0, 1, 1)])
    async with store(file, clock) as opened:
        assert rows(file, "stale") == 1
        await keep_up(opened, clock)
        assert (rows(file, "stale"), rows(file, "minutes")) == (0, 1)
        await opened.write([poll(START + 1, 2.0, 1, 1)])
        assert rows(file, "stale") == 1
        await keep_up(opened, clock)
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT device, time_ms, count, mean, low, high FROM minute_samples")
        assert row.fetchone() == ("press-1", START, 2, 1.5, 1.0, 2.0)


def integrity(file: Path) -> list[str]:
    """What is wrong with the file, in SQLite's words; empty when nothing is."""
    with closing(sqlite3.connect(file)) as connection:
        messages = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    return [text for text in messages if text != "ok"] + [
        f"a row of {table} belongs to nothing" for table, *_ in orphans
    ]


async def test_a_file_of_the_store_is_sound_for_sqlite(tmp_path: Path) -> None:
    file, clock = tmp_path / "a.db", Clock()
    async with store(file, clock) as opened:
        await opened.write(mixed(500))
        await keep_up(opened, clock)
        assert integrity(file) == []
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM origins")
        connection.commit()
    assert integrity(file) == ["a row of columns belongs to nothing"]
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2)
        damaged.write(b"\xff" * 5000)
    try:
        assert integrity(file) != []
    except sqlite3.DatabaseError:
        pass  # SQLite may find it while it looks


async def test_questions_and_upkeep_at_the_same_time_agree(tmp_path: Path) -> None:
    file, clock, polls = tmp_path / "a.db", Clock(), mixed(2000)
    wanted = close(expected(polls, 0, START, START + DAY, HOUR, False))
    async with store(file, clock) as opened, SqliteReader(file) as reader:
        await opened.write(polls)
        clock.ms += DAY
        for _ in range(30):
            clock.ms += 5000
            _, found = await asyncio.gather(
                opened.write([]), reader.samples(COLUMNS.origin.key, "force", START, START + DAY, HOUR)
            )
            assert [(s.time_ms, s.value, s.reason) for s in found] == wanted
