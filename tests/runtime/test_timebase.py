"""Readings get times that never go back and never repeat, whatever happens to the wall clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qilu.runtime.timebase import ClockStep, Timebase

START = 1_700_000_000.0


def test_time_runs_with_the_monotonic_clock() -> None:
    timebase = Timebase(START, 50.0)
    assert [timebase.at(monotonic) - START for monotonic in (50, 50.5, 3650)] == [0, 0.5, 3600]


def test_a_moment_before_the_last_look_at_the_clocks_has_its_own_time() -> None:
    timebase = Timebase(START, 50.0)
    timebase.observe(START + 10, 60.0)
    assert timebase.at(59.75) == START + 9.75


def test_a_forward_jump_is_followed_at_once_and_told_once() -> None:
    timebase = Timebase(START, 0)
    step = timebase.observe(START + 3600 + 1, 1)
    assert step == ClockStep(int((START + 1) * 1000), 3600)
    assert timebase.at(1) == START + 3601
    assert timebase.observe(START + 3602, 2) is None
    assert not timebase.unsure(2)


def test_small_corrections_are_no_event() -> None:
    timebase = Timebase(START, 0)
    assert timebase.observe(START + 1.3, 1) is None
    assert timebase.at(1) == START + 1.3


def test_after_a_backward_jump_time_runs_at_half_speed_until_the_wall_has_caught_up() -> None:
    timebase = Timebase(START, 0)
    step = timebase.observe(START + 10 - 4, 10)
    assert step is not None
    assert step.seconds == -4
    assert [timebase.at(10 + passed) - START - 10 for passed in (0, 2, 8, 9)] == [0, 1, 4, 5]
    assert [timebase.unsure(10 + passed) for passed in (0, 6.9, 7.1)] == [True, True, False]
    assert timebase.observe(START + 18 - 4, 18) is None
    assert timebase.at(19) == START + 19 - 4


def test_two_readings_of_a_series_never_share_a_millisecond() -> None:
    timebase = Timebase(START, 0)
    times = [timebase.next_ms("block", 0.0) for _ in range(3)] + [timebase.next_ms("block", 0.0005)]
    assert times == [int(START * 1000) + extra for extra in range(4)]


def test_series_are_independent_of_each_other() -> None:
    timebase = Timebase(START, 0)
    assert timebase.next_ms("one", 0.0) == timebase.next_ms("other", 0.0)


def test_a_restart_stays_above_the_high_water_mark_although_the_clock_lost_an_hour() -> None:
    before = Timebase(START, 0)
    mark = before.next_ms("block", 5) and before.high_water_ms
    after = Timebase(START - 3600, 0, high_water_ms=mark)
    assert after.next_ms("block", 0) > mark
    assert after.unsure(0)
    assert after.next_ms("block", 10) == mark + 5000


def test_a_box_that_starts_in_the_past_is_put_right_by_the_network() -> None:
    timebase = Timebase(0.0, 0)
    assert timebase.next_ms("block", 1) == 1000
    timebase.observe(START, 2)
    assert timebase.next_ms("block", 3) == int((START + 1) * 1000)


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
    last: dict[int, int] = {}
    earlier = timebase.at(monotonic)
    for passed, jump, series, looks in turns:
        monotonic += passed
        wall += passed + jump
        if looks:
            timebase.observe(wall, monotonic)
        assert timebase.at(monotonic) >= earlier - 1e-6
        earlier = timebase.at(monotonic)
        time_ms = timebase.next_ms(series, monotonic)
        assert time_ms > last.get(series, 0)
        last[series] = time_ms
        assert timebase.high_water_ms == max(last.values())
