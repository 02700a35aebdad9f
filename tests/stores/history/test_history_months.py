"""A chart of a year: months are rolled up once they are over, and again where a reading comes late."""

from __future__ import annotations

from pathlib import Path

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.sqlite.history.files import Kind, listing
from qilu.stores.sqlite.history.folder import HistoryFolder
from qilu.stores.sqlite.history.keys import DAY_MS
from qilu.stores.sqlite.history.point_query import PointName
from qilu.stores.sqlite.history.reader import HistoryReader
from tests.stores.history.history_store import ENDLESS, HistoryStore

START = 20_000 * DAY_MS  # 2024-10-04
ORIGIN = Origin("edge-1", "press-1", "press")
COLUMNS = BlockSchema(ORIGIN, "fast", ("force", "count"))
MOVED = BlockSchema(ORIGIN, "slow", ("heat", "force"))
NAME = PointName(ORIGIN.key, "force")
DAYS = 40
STEP_MS = 6 * 3_600_000


def poll(time_ms: int, force: float, columns: BlockSchema = COLUMNS) -> Poll:
    values = tuple(force if point == "force" else 0.0 for point in columns.points)
    return Poll(time_ms, (Reading(columns, time_ms, values),))


class Clock:
    def __init__(self) -> None:
        self.now_ms = START

    def __call__(self) -> int:
        return self.now_ms


async def forces(folder: Path, days: int = DAYS) -> list[tuple[int, float | None, float | None, int]]:
    """Time, lowest, highest and number of each interval of a chart of `days` days, of 12 h each."""
    async with HistoryReader(folder) as reader:
        chart = await reader.chart(NAME, START, START + days * DAY_MS, 2 * days)
        assert chart.source == "quarters"
        assert chart.bucket_ms == 12 * 3_600_000
        return [(time_ms, rolled.low, rolled.high, rolled.number) for time_ms, rolled in chart.intervals]


async def test_a_chart_of_months_reads_the_same_whether_a_month_is_over_or_not(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "h"
    times = range(START, START + DAYS * DAY_MS, STEP_MS)
    async with HistoryStore(folder, ENDLESS, clock) as history:
        for number, time_ms in enumerate(times):
            clock.now_ms = time_ms + STEP_MS
            history.take([poll(time_ms, float(number), COLUMNS if number < 50 else MOVED)])
            if time_ms % (5 * DAY_MS) == 0:
                history.roll_up()
        expected = [(times[n], float(n), float(n + 1), 2) for n in range(0, len(times), 2)]
        assert await forces(folder) == expected
        clock.now_ms += 40 * DAY_MS
        history.roll_up()
        assert await forces(folder) == expected
        for file in listing(folder):
            if file.kind is not Kind.QUARTERS:
                (folder / file.name).unlink()
        assert await forces(folder) == expected


async def test_a_reading_that_comes_late_is_in_the_chart_of_its_month(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "h"
    async with HistoryStore(folder, ENDLESS, clock) as history:
        history.take([poll(START, 1.0)])
        for later_days in (2, 60):
            clock.now_ms = START + later_days * DAY_MS
            history.roll_up()
        assert await forces(folder) == [(START, 1.0, 1.0, 1)]
        history.take([poll(START + 5 * DAY_MS, 5.0), poll(START + 1000, 7.0)])
        history.roll_up()
    assert await forces(folder) == [(START, 1.0, 7.0, 2), (START + 5 * DAY_MS, 5.0, 5.0, 1)]


async def test_a_file_in_which_nothing_is_stale_is_not_opened_again(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "h"
    opened: list[str] = []

    class Watched(HistoryFolder):
        def get(self, name: str):  # type: ignore[no-untyped-def]
            opened.append(name)
            return super().get(name)

    async with HistoryStore(folder, ENDLESS, clock) as history:
        history.folder.__class__ = Watched
        for day in range(12):
            clock.now_ms = START + day * DAY_MS
            history.take([poll(clock.now_ms, 1.0)])
        clock.now_ms += 60 * DAY_MS
        history.roll_up()
        opened.clear()
        history.roll_up()
        assert opened == []
        history.take([poll(START + 3 * DAY_MS + 1000, 1.0)])
        opened.clear()
        history.roll_up()
    assert set(opened) == {"raw-2024-10-07.db", "minutes-2024-10-07.db", "quarters-2024-10.db"}
