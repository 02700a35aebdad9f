"""Readings get times that rise within an epoch and never repeat, whatever the wall clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.reading import TimeTrust
from qilu.runtime.monotonic_utc import ClockStep, Timebase
from qilu.runtime.time_grids import GRIDS, STEP_MS, Grid, Grids

START = 1_700_000_000.0
KNOWN, HELD = TimeTrust.KNOWN, TimeTrust.HELD


def test_time_runs_with_the_monotonic_clock() -> None:
    timebase = Timebase(START, 50.0)
    assert [timebase.at(monotonic) - START for monotonic in (50, 50.5, 3650)] == [0, 0.5, 3600]


def test_a_moment_before_the_last_look_at_the_clocks_has_its_own_time() -> None:
    timebase = Timebase(START, 50.0)
    timebase.observe(START + 10, 60.0)
    assert timebase.at(59.75) == START + 9.75


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_step_is_returned_once_and_followed_by_the_next_known_epoch_alone(seconds: float) -> None:
    timebase = Timebase(START, 0)
    assert timebase.observe(START + seconds + 1, 1) == ClockStep(int((START + 1) * 1000), seconds)
    assert timebase.start_epoch(HELD, 1).at(2) == START + 2
    assert timebase.observe(START + seconds + 2, 2) is None
    assert timebase.observe(START + seconds + 3, 3) is None
    assert timebase.at(3) == START + 3
    assert timebase.start_epoch(KNOWN, 3).at(4) == START + seconds + 4


def test_small_corrections_are_no_step() -> None:
    timebase = Timebase(START, 0)
    assert timebase.observe(START + 1.3, 1) is None
    assert timebase.at(1) == START + 1.3


def test_a_wall_clock_that_is_a_little_behind_is_approached_at_half_speed() -> None:
    timebase = Timebase(START, 0)
    assert timebase.observe(START + 10 - 0.4, 10) is None
    passed = [timebase.at(10 + seconds) - START - 10 for seconds in (0, 0.2, 0.8, 1.8)]
    assert passed == pytest.approx([0, 0.1, 0.4, 1.4], abs=1e-6)


def test_two_readings_of_a_series_never_share_a_millisecond() -> None:
    timebase = Timebase(START, 0)
    times = [timebase.next_ms("block", 0.0) for _ in range(3)] + [timebase.next_ms("block", 0.0005)]
    assert times == [int(START * 1000) + extra for extra in range(4)]


def test_series_are_independent_of_each_other() -> None:
    timebase = Timebase(START, 0)
    assert timebase.next_ms("one", 0.0) == timebase.next_ms("other", 0.0)


def test_a_restart_an_hour_behind_uses_times_that_were_never_given_out() -> None:
    before = Timebase(START, 0)
    used = {before.next_ms("block", passed / 1000) for passed in range(8000)}
    after = Timebase(START, 0, grids=Grids(before.grids.high_ms))
    times = [after.next_ms("block", passed / 10) for passed in range(80)]
    assert not used & set(times)
    assert all(0 <= time_ms - START * 1000 - 100 * n < STEP_MS for n, time_ms in enumerate(times))


def test_a_range_that_is_reserved_is_met_by_no_epoch_and_no_other_range() -> None:
    grids = Grids()
    begin = int(START * 1000)
    shifts = [grids.reserve(begin, begin + 10_000, Grid(-1)) for _ in range(GRIDS)]
    assert [later for later, _ in shifts] == [0] * (GRIDS - 1) + [10_000 + STEP_MS]
    assert len({residue for _, residue in shifts[:-1]}) == GRIDS - 1
    timebase = Timebase(START, 0, grids=grids)
    residues = {residue for _, residue in shifts}
    assert not residues & {timebase.next_ms("block", passed / 1000) % STEP_MS for passed in range(8000)}


@given(
    st.lists(
        st.tuples(st.floats(0, 120), st.floats(-7200, 7200), st.integers(0, 2), st.booleans()), max_size=60
    )
)
def test_no_jumping_about_of_the_wall_clock_makes_a_time_repeat(
    turns: list[tuple[float, float, int, bool]],
) -> None:
    wall, monotonic = START, 0.0
    timebase = Timebase(wall, monotonic)
    given_out: set[tuple[int, int]] = set()
    last: dict[tuple[int, int], int] = {}
    for passed, jump, series, looks in turns:
        monotonic += passed
        wall += passed + jump
        if looks and timebase.observe(wall, monotonic) is not None:
            timebase.start_epoch(KNOWN, monotonic)  # at once: the hardest for what must not repeat
        epoch = timebase.epoch
        time_ms = epoch.next_ms(series, monotonic)
        assert (series, time_ms) not in given_out
        given_out.add((series, time_ms))
        assert time_ms > last.get((series, epoch.tag.number), 0)
        last[series, epoch.tag.number] = time_ms
