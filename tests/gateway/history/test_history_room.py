"""What fits into `max_bytes`: an estimate before the first day, and by the files once there are days."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.history.gaps import CountedTime, GapReason, empty_times, explained
from gateway.history.room import PolledGroup, estimate, measured_or, room_of
from gateway.history.settings import DAY_S, HistorySettings
from qilu.contract.accounting import EventKind
from qilu.contract.edge_events import EdgeEvent
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.sqlite.history.files import Kind, listing
from qilu.stores.sqlite.history.keys import BUCKET_MS, DAY_MS, QUARTER_MS
from tests.stores.history.history_store import HistoryStore

START = 20_000 * DAY_MS


@given(
    st.tuples(*(st.floats(1, 1e9) for _ in range(3))),
    st.integers(32 * 10**6, 10**10),
)
def test_raw_gives_way_first_then_minutes_then_quarters_and_each_keeps_a_tenth(
    rates: tuple[float, float, float], max_bytes: int
) -> None:
    room = room_of(HistorySettings(max_bytes=max_bytes), rates)
    assert room.bytes <= max_bytes * 1.001
    raw, minutes, quarters = room.kinds
    for kind in room.kinds:
        assert kind.fits_s <= kind.asked_s
        if kind.fits_s < kind.asked_s:
            assert kind.fits_s * kind.bytes_per_day / DAY_S >= max_bytes / 10 * 0.999
    if minutes.fits_s < minutes.asked_s:
        assert raw.fits_s * raw.bytes_per_day / DAY_S <= max_bytes / 10 * 1.001
    if quarters.fits_s < quarters.asked_s:
        assert minutes.fits_s * minutes.bytes_per_day / DAY_S <= max_bytes / 10 * 1.001


@pytest.mark.parametrize(("points", "period"), [(100, 1.0), (100, 10.0), (8, 60.0)])
async def test_the_estimate_is_near_what_the_files_take(tmp_path: Path, points: int, period: float) -> None:
    columns = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", tuple(f"p{n}" for n in range(points)))
    now = [START]
    step_ms = round(period * 1000)
    async with HistoryStore(tmp_path / "h", now_ms=lambda: now[0]) as store:
        for quarter in range(8):
            begin = START + quarter * QUARTER_MS
            times = range(begin, begin + QUARTER_MS, step_ms)
            values = [tuple((t // 1000 * (n + 7)) % 991 / 10 for n in range(points)) for t in times]
            store.take([Poll(t, (Reading(columns, t, of),)) for t, of in zip(times, values, strict=True)])
            now[0] = begin + QUARTER_MS + 60_000
            store.roll_up()
    taken = {kind: sum(f.size for f in listing(tmp_path / "h") if f.kind is kind) for kind in Kind}
    raw, minutes, _ = (bytes_per_day / 12 for bytes_per_day in estimate([PolledGroup(points, period)]))
    own_raw, own_minutes, _ = (bytes_per_day / 12 for bytes_per_day in estimate([]))
    overhead = 60_000  # the tables of an empty file
    assert 0.4 < (raw - own_raw + overhead) / taken[Kind.RAW] < 2.5
    assert 0.4 < (minutes - own_minutes + overhead) / taken[Kind.MINUTES] < 2.5
    assert BUCKET_MS == 7500


async def test_whole_days_are_measured_and_the_first_and_the_present_one_are_not(tmp_path: Path) -> None:
    columns = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force",))
    async with HistoryStore(tmp_path / "h") as store:
        for day in range(4):
            times = range(START + day * DAY_MS, START + day * DAY_MS + 10_000 * (day + 1) ** 4, 1000)
            store.take([Poll(t, (Reading(columns, t, (float(t % 7919),)),)) for t in times])
    files = listing(tmp_path / "h")
    rates, measured = measured_or((1.0, 2.0, 3.0), files)
    assert measured
    assert rates == (sum(sorted(file.size for file in files)[1:-1]) / 2, 2.0, 3.0)
    assert measured_or((1.0, 2.0, 3.0), files[:2]) == ((1.0, 2.0, 3.0), False)


def test_a_gap_is_more_than_two_periods_without_a_sample() -> None:
    times = [0, 1000, 2000, 4000, 5000, 20_000, 21_000]
    assert empty_times(times, 0, 1000, (0, 22_000)) == [(6000, 20_000)]
    assert empty_times(times, 0, 1000, (0, 60_000)) == [(6000, 20_000), (22_000, 60_000)]
    assert empty_times([], 0, 1000, (0, 60_000)) == [(0, 60_000)]
    assert empty_times([0, 60_000, 300_000], 60_000, 1000, (0, 360_000)) == [(120_000, 300_000)]
    assert empty_times(range(0, 600_000, 60_000), 0, 60_000, (0, 600_000)) == []


def test_a_gap_is_cut_where_its_reason_changes() -> None:
    started = EdgeEvent(EventKind.STARTED, 60_000, 20_000, 60_000)
    counted = [CountedTime(60_000, 120_000, suppressed=5), CountedTime(120_000, 180_000)]
    gaps = explained([(0, 150_000)], [started], counted)
    assert [(gap.from_ms, gap.to_ms, gap.reason) for gap in gaps] == [
        (0, 20_000, GapReason.NOT_COLLECTED),
        (20_000, 60_000, GapReason.GATEWAY_DOWN),
        (60_000, 150_000, GapReason.SUPPRESSED),
    ]
    assert explained([(130_000, 150_000)], [], counted)[0].reason is GapReason.NOT_IN_HISTORY
    assert explained([(130_000, 150_000)], [], [])[0].reason is GapReason.NOT_IN_HISTORY
