"""Ranges behave like a set of integers, whatever is done to them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet

run = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
step = st.tuples(st.sampled_from(["add", "remove"]), run)


def build(steps: list[tuple[str, tuple[int, int]]]) -> tuple[IntervalSet, set[int]]:
    ranges, model = IntervalSet(), set[int]()
    for verb, (first, last) in steps:
        numbers = set(range(first, last + 1))
        if verb == "add":
            ranges.add(first, last)
            model |= numbers
        else:
            ranges.remove(first, last)
            model -= numbers
    return ranges, model


@given(st.lists(step))
def test_ranges_are_what_was_added_and_not_removed(
    steps: list[tuple[str, tuple[int, int]]],
) -> None:
    ranges, model = build(steps)
    assert list(ranges) == sorted(model)
    assert len(ranges) == len(model)
    assert bool(ranges) == bool(model)
    assert {n for n in range(80) if n in ranges} == model
    runs = list(ranges.runs())
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))


@given(st.lists(step), st.lists(step), st.integers(0, 80))
def test_set_operations_agree_with_python_sets(
    left: list[tuple[str, tuple[int, int]]], right: list[tuple[str, tuple[int, int]]], count: int
) -> None:
    a, model_a = build(left)
    b, model_b = build(right)
    # Compared as runs: a set has one form only, and none of these may leave two runs that touch.
    assert a.intersection(b) == IntervalSet.of(model_a & model_b)
    assert a.difference(b) == IntervalSet.of(model_a - model_b)
    assert a.take(count) == IntervalSet.of(sorted(model_a)[:count])
    assert a.tail(count) == IntervalSet.of(number for number in model_a if number >= count)
    assert set(a) == model_a
    a.update(b)
    assert set(a) == model_a | model_b


@given(st.lists(step))
def test_the_text_form_gives_the_same_set_back(steps: list[tuple[str, tuple[int, int]]]) -> None:
    ranges, _ = build(steps)
    assert IntervalSet.parse(str(ranges)) == ranges


@pytest.mark.parametrize("text", ["x", "3-", "-3", "5-3", "1,1", "1-4,3", "2,1", "1,,2", " 1", "٣", "1-2-3"])
def test_text_that_is_not_ranges_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        IntervalSet.parse(text)
