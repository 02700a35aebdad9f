"""A counter goes on over wraps and resets, and no single wrong value changes what follows it."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.counters import TRANSITIONS, WINDOW, Counter, CounterEvent, CounterState, Step

M = 65536


def totals(*values: float, modulus: float | None = M) -> list[float]:
    counter = Counter()
    return [counter.update(value, modulus)[0] for value in values]


def happenings(*values: float, modulus: float | None = M) -> list[CounterEvent]:
    counter = Counter()
    found = [counter.update(value, modulus)[1] for value in values]
    return [happening for happening in found if happening is not None]


@pytest.mark.parametrize(
    ("values", "expected", "happened"),
    [
        # counting, standing still
        ([5, 9, 9, 12], [5, 9, 9, 12], []),
        # round the modulus: confirmed by the second value after it
        ([M - 3, M - 1, 2, 4], [M - 3, M - 1, M - 1, M + 4], [CounterEvent.WRAPPED]),
        ([M - 1, 0, 0, 0], [M - 1, M - 1, M, M], [CounterEvent.WRAPPED]),
        # a reset, from anywhere but the end: what was counted is kept
        ([1000, 1010, 0, 4, 6], [1000, 1010, 1010, 1014, 1016], [CounterEvent.RESET]),
        ([M // 2, 7, 9], [M // 2, M // 2, M // 2 + 9], [CounterEvent.RESET]),
        ([1000, 1004, 0, 0, 1], [1000, 1004, 1004, 1004, 1005], [CounterEvent.RESET]),
        # no reset after all: 0 while the device starts, also with something counted meanwhile
        (
            [1000, 1010, 0, 0, 1020, 1021],
            [1000, 1010, 1010, 1010, 1020, 1021],
            [CounterEvent.GLITCH],
        ),
        (
            [M // 2, 0, 0, M // 2 + 2, M // 2 + 3],
            [M // 2] * 3 + [M // 2 + 2, M // 2 + 3],
            [CounterEvent.GLITCH],
        ),
        # also where that is about as much as it counts from one value to the next
        (
            [20, 25, 30, 35, 40, 0, 0, 40, 45, 50],
            [20, 25, 30, 35, 40, 40, 40, 40, 45, 50],
            [CounterEvent.GLITCH],
        ),
        ([3, 5, *[0] * 50, 8, 9], [3, 5, *[5] * 50, 8, 9], [CounterEvent.GLITCH]),
        ([40, 45, 2, 2, 2, 50], [40, 45, 45, 45, 45, 50], [CounterEvent.GLITCH]),
        # so it does in the last eighth of its modulus, where it might have gone round
        (
            [M - 9, 0, 0, M - 8, M - 7],
            [M - 9, M - 9, M, M - 8, M - 7],
            [CounterEvent.WRAPPED, CounterEvent.GLITCH],
        ),
        # a reset after which it stands still, and a wrong value then
        (
            [1000, 1010, 0, 0, 30000, 1, 2],
            [1000, 1010, 1010, 1010, 1010, 1011, 1012],
            [CounterEvent.RESET, CounterEvent.GLITCH],
        ),
        (
            [M - 2, 1, 1, 30000, 2, 3],
            [M - 2, M - 2, M + 1, M + 1, M + 2, M + 3],
            [CounterEvent.WRAPPED, CounterEvent.GLITCH],
        ),
        ([1000, 1004, 0, 1, 2, 1005], [1000, 1004, 1004, 1005, 1006, 2009], [CounterEvent.RESET]),
        # a reset after which it counts on past where it was
        ([30, 40, 0, 5, 20, 35, 50], [30, 40, 40, 45, 60, 75, 90], [CounterEvent.RESET]),
        # glitches: to 0, beyond the window, within the window
        ([1000, 1010, 0, 1020, 1021], [1000, 1010, 1010, 1020, 1021], [CounterEvent.GLITCH]),
        ([M - 9, 0, M - 8, M - 7], [M - 9, M - 9, M - 8, M - 7], [CounterEvent.GLITCH]),
        ([1000, M - 1, 1001, 1002], [1000, 1000, 1001, 1002], [CounterEvent.GLITCH]),
        ([1000, 5000, 1001, 1002], [1000, 5000, 1001, 1002], [CounterEvent.GLITCH]),
        # really far ahead, as after an hour without polls
        ([1000, 30000, 30001], [1000, 1000, 30001], []),
        # another meter in its place: nothing is taken for counted
        ([1000, 1010, 700, 705, 706], [1000, 1010, 1010, 1010, 1011], [CounterEvent.PRESET]),
        ([1000, 1010, 700, 700, 705, 706], [1000, 1010, 1010, 1010, 1010, 1011], [CounterEvent.PRESET]),
        ([40, 45, 20, 21, 22], [40, 45, 45, 45, 46], [CounterEvent.PRESET]),
        ([1000, 20, 60000, 60001], [1000, 1000, 1000, 1001], [CounterEvent.PRESET]),
    ],
)
def test_what_the_register_says_becomes_a_total(
    values: list[float], expected: list[float], happened: list[CounterEvent]
) -> None:
    assert (totals(*values), happenings(*values)) == (expected, happened)


def test_a_counter_without_modulus_only_has_resets() -> None:
    values = [1e6, 1e6 + 0.5, 0.0, 0.25, 1.0]
    assert totals(*values, modulus=None) == [1e6, 1e6 + 0.5, 1e6 + 0.5, 1e6 + 0.75, 1e6 + 1.5]
    assert totals(1.0, 1e12, 1e12 + 1, modulus=None) == [1.0, 1e12, 1e12 + 1]


@pytest.mark.parametrize("kind", [int, float])
def test_totals_are_of_the_kind_of_the_values(kind: type[int | float]) -> None:
    assert {type(total) for total in totals(*map(kind, [M - 1, 0, 1, 2]), modulus=kind(M))} == {kind}


steps = st.lists(st.integers(0, M // WINDOW), min_size=1, max_size=60)


@given(st.integers(0, M - 1), steps)
def test_a_counter_that_goes_round_is_followed_and_one_value_late_at_most(start: int, by: list[int]) -> None:
    truth = list(accumulate(by, initial=start))
    found = totals(*(true % M for true in truth))
    assert all(
        total in (true, before) for total, true, before in zip(found[1:], truth[1:], found, strict=False)
    )
    assert found == sorted(found)
    assert totals(*(true % M for true in truth), truth[-1] % M)[-1] == truth[-1]


@given(st.integers(-(M // 2), M // 2 - 1), steps)
def test_a_counter_in_a_signed_register_goes_round_to_its_lowest_number(start: int, by: list[int]) -> None:
    counter, half = Counter(), M // 2
    truth = list(accumulate(by, initial=start))
    found = [counter.update((true + half) % M - half, M, -half)[0] for true in (*truth, truth[-1])]
    assert found == sorted(found)
    assert found[-1] == truth[-1]


def test_a_counter_in_a_signed_register_is_reset_to_0() -> None:
    counter, half = Counter(), M // 2
    found = [counter.update(value, M, -half)[0] for value in (half - 5, half - 1, 0, 3, -half + 9, 5)]
    assert found == [half - 5, half - 1, half - 1, half + 2, half + 2, half + 4]


@given(st.integers(0, M // 2), st.lists(st.integers(0, 400), min_size=3, max_size=40), st.data())
def test_a_single_wrong_value_changes_nothing_after_it(
    start: int, by: list[int], data: st.DataObject
) -> None:
    truth = list(accumulate(by, initial=start))
    at = data.draw(st.integers(1, len(truth) - 2))
    wrong = data.draw(st.sampled_from([0, M - 1]) | st.integers(0, M - 1))
    found = totals(*truth[:at], wrong, *truth[at + 1 :])
    assert found[:at] == truth[:at]
    assert found[at + 1 :] == truth[at + 1 :]


@given(st.lists(st.lists(st.integers(9, 50), min_size=1, max_size=20), min_size=1, max_size=6))
def test_nothing_that_was_counted_is_lost_by_resets(runs: list[list[int]]) -> None:
    # 0 and 1 first, so that a run does not reach the end of the one before within two values.
    values = [value for run in runs for value in accumulate([1, *run], initial=0)]
    found = totals(*values)
    assert found[-1] == sum(1 + sum(run) for run in runs)
    assert all(after >= before for before, after in pairwise(found))


@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-10, M), max_size=40), st.none() | st.floats(1, 1e9))
def test_no_values_whatever_they_are_break_it(values: list[float], modulus: float | None) -> None:
    assert len(totals(*values, modulus=modulus)) == len(values)


REACHED: dict[CounterState, list[float]] = {
    CounterState.START: [],
    CounterState.COUNTING: [1000, 1010],
    CounterState.UNSURE: [1000, 1010, 0],
    CounterState.RESTARTED: [1000, 1010, 0, 0],
    CounterState.ROUND: [M - 2, 1, 1],
}
"""Values that lead to each state."""
EXAMPLES: dict[tuple[CounterState, Step], list[float]] = {
    (CounterState.START, Step.FIRST): [7],
    (CounterState.COUNTING, Step.ONWARD): [1010],
    (CounterState.COUNTING, Step.UNDONE): [1005],
    (CounterState.COUNTING, Step.ASTRAY): [3],
    (CounterState.UNSURE, Step.ONWARD): [1011],
    (CounterState.UNSURE, Step.ASTRAY): [1010, 50000, 3],
    (CounterState.UNSURE, Step.AHEAD): [1010, 50000, 50001],
    (CounterState.UNSURE, Step.STILL): [0],
    (CounterState.UNSURE, Step.ROUND_STILL): [1010, M - 1, M - 1, M - 1, 2, 2],
    (CounterState.UNSURE, Step.ROUND_ON): [1010, M - 1, M - 1, M - 1, 2, 3],
    (CounterState.UNSURE, Step.RESET_ON): [4],
    (CounterState.UNSURE, Step.ELSEWHERE): [1010, 700, 705],
    (CounterState.RESTARTED, Step.ONWARD): [1010],
    (CounterState.RESTARTED, Step.STILL): [0],
    (CounterState.RESTARTED, Step.RESET_ON): [1],
    (CounterState.RESTARTED, Step.ELSEWHERE): [1010, 700, 700, 701],
    (CounterState.RESTARTED, Step.LEAP): [60000],
    (CounterState.ROUND, Step.ONWARD): [M - 1],
    (CounterState.ROUND, Step.ROUND_STILL): [1],
    (CounterState.ROUND, Step.ROUND_ON): [9],
    (CounterState.ROUND, Step.LEAP): [30000],
}
"""Values, from `REACHED` on, whose last one makes the transition."""


@pytest.mark.parametrize("transition", TRANSITIONS, ids="-".join)
def test_every_transition_of_the_table_can_happen(transition: tuple[CounterState, Step]) -> None:
    state, _ = transition
    counter = Counter()
    for value in [*REACHED[state], *EXAMPLES[transition][:-1]]:
        counter.update(value, M)
    assert counter.state is state
    _, event = counter.update(EXAMPLES[transition][-1], M)
    assert (counter.state, event) == TRANSITIONS[transition]


near = st.sampled_from([0, 1, 2, 40, 45, 1000, 1010, M - 9, M - 2, M - 1]) | st.integers(0, M - 1)


@given(st.lists(near, max_size=40), st.sampled_from([M, None]))
def test_a_total_goes_back_only_where_values_were_undone(values: list[float], modulus: float | None) -> None:
    counter = Counter()
    total = counter.update(0, modulus)[0]
    for value in values:
        before = total
        total, event = counter.update(value, modulus)
        assert total >= before or event is CounterEvent.GLITCH


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20),
    st.integers(0, 20),
    st.integers(1, 30),
    st.lists(st.integers(0, 50), min_size=1, max_size=20),
    st.integers(20, 3000),
)
def test_a_counter_that_stands_near_0_and_returns_was_not_reset(
    by: list[int], low: int, polls: int, then: list[int], start: int
) -> None:
    truth = list(accumulate([*by, *then], initial=start))
    at = len(by) + 1
    seen = [*truth[:at], *[min(low, start - 1)] * polls, *truth[at:]]
    assert totals(*seen)[-1] == truth[-1]
