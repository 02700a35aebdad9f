"""The timetable: fixed grids, nothing piled up, nothing skipped in silence, nobody starved."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.modbus.poll_schedule import (
    FIRST_POLL_WITHIN_S,
    MAX_POLLS_PER_SLOT,
    SLOTS,
    DuePoll,
    PollSchedule,
    phase_of,
    slot_for,
)

PERIODS = st.sampled_from([0.01, 0.1, 0.25, 1.0, 7.0, 60.0, 3600.0])


def played(
    table: PollSchedule, start: float, seconds: float, takes: float = 0.0
) -> list[tuple[float, DuePoll]]:
    """Every turn with its time, where each turn takes so many seconds."""
    now, found = start, []
    while now < start + seconds:
        turn = table.take(now)
        if turn is None:
            now = table.next_due
        else:
            found.append((now, turn))
            now += takes
    return found


@given(PERIODS, st.floats(0, 1e6), st.text(min_size=1, max_size=9))
def test_turns_stay_on_one_grid(period: float, start: float, device: str) -> None:
    turns = played(PollSchedule([(device, period)], start), start, 30 * period + FIRST_POLL_WITHIN_S)
    assert len(turns) >= 30
    dues = [turn.due for _, turn in turns][1:]
    for number, due in enumerate(dues):
        assert due == pytest.approx(dues[0] + number * period, abs=1e-6 * max(1.0, period))
    assert all(turn.skipped == 0 for _, turn in turns)


@given(PERIODS, st.floats(0, 1e6), st.text(max_size=9))
def test_the_first_turn_comes_soon_and_never_too_early(period: float, start: float, device: str) -> None:
    table = PollSchedule([(device, period)], start)
    assert start <= table.next_due <= start + min(period, FIRST_POLL_WITHIN_S) + 1e-6
    assert table.take(table.next_due - 0.002) is None


@given(
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=40),
    st.sampled_from([0.01, 0.1, 1.0]),
    st.floats(0, 1e5),
)
def test_every_time_on_the_grid_is_a_turn_or_is_counted(
    delays: list[float], period: float, start: float
) -> None:
    table = PollSchedule([("meter", period)], start)
    now = first = table.next_due
    turns = []
    for delay in delays:
        turn = table.take(now)
        assert turn is not None
        assert turn.due <= now + 1e-6
        turns.append(turn)
        now = max(now + delay, table.next_due)
    passed = round((turns[-1].due - first) / period) + 1
    assert len(turns) + sum(turn.skipped for turn in turns) == passed


def test_a_turn_that_took_too_long_is_not_made_up_for() -> None:
    table = PollSchedule([("meter", 1.0)], 1000.0)
    due = table.next_due
    assert table.take(due) == (0, due, 0)
    assert table.take(due + 3.4) == (0, due + 3, 2)
    assert table.next_due == due + 4


def test_a_fast_group_does_not_starve_a_slow_one() -> None:
    table = PollSchedule([("a", 0.01), ("b", 1.0), ("c", 1.0)], 50.0)
    turns = played(table, 50.0, 60.0, takes=0.3)
    made = Counter(turn.group for _, turn in turns)
    assert made[1] >= 58
    assert made[2] >= 58
    assert made[0] > 60


def test_devices_start_spread_over_the_period_and_alike_after_every_start() -> None:
    phases = sorted(phase_of(f"meter-{number}") for number in range(200))
    assert phases == sorted(phase_of(f"meter-{number}") for number in range(200))
    assert all(0 <= phase < 1 for phase in phases)
    for tenth in range(10):
        assert 8 <= sum(tenth / 10 <= phase < (tenth + 1) / 10 for phase in phases) <= 35


@pytest.mark.parametrize("slot", SLOTS)
def test_turns_of_different_sources_begin_together(slot: float) -> None:
    places = Counter[int]()
    for number in range(1000):
        start = 70.0 + number / 7
        for _, turn in played(PollSchedule([(f"meter-{number}", 1.0)], start, slot), start, 3.0):
            assert turn.due / slot == pytest.approx(round(turn.due / slot), abs=1e-6)
            places[round(turn.due / slot) % round(1 / slot)] += 1
    assert set(places) == set(range(round(1 / slot)))


def test_the_more_turns_there_are_the_less_of_them_begin_together() -> None:
    assert [slot_for(rate) for rate in (0.1, 150, 151, 500, 1200, 9999)] == [
        0.1,
        0.1,
        0.05,
        0.025,
        0.0125,
        0.0125,
    ]
    assert all(rate * slot_for(rate) <= MAX_POLLS_PER_SLOT for rate in range(1, 1201))
