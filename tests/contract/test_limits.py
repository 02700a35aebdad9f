"""What no store can keep becomes bad before it is spooled, and costs no value beside it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.limits import (
    MAX_FLOAT,
    MAX_INTEGER,
    MAX_NAME,
    MAX_TEXT,
    MIN_INTEGER,
    bounded,
    is_ordinary,
    name_problem,
    value_problem,
)
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value
from qilu.stores.validation import unstorable_reason

values = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.booleans(),
    st.none(),
    st.text(max_size=20),
    st.sampled_from((10**400, MAX_INTEGER, MIN_INTEGER, MAX_FLOAT, -MAX_FLOAT, "x" * (MAX_TEXT + 1))),
)


def poll(*some: Value, reasons: dict[int, Reason] | None = None) -> Poll:
    columns = BlockSchema(
        Origin("edge-1", "press-1", "press"), "fast", tuple(f"p{n}" for n in range(len(some)))
    )
    return Poll(1000, (Reading(columns, 1000, some, reasons or {}),))


@pytest.mark.parametrize(
    "value", [MAX_INTEGER, MIN_INTEGER, MAX_FLOAT, -MAX_FLOAT, 5e-324, True, None, "停机"]
)
def test_what_is_just_within_the_limits_can_be_kept(value: Value) -> None:
    assert value_problem(value) is None
    assert bounded(poll(value)) == poll(value)


@pytest.mark.parametrize(
    "value",
    [MAX_INTEGER + 1, MIN_INTEGER - 1, 10**400, 1.7976931348623157e308, -math.inf, "x" * 4001, "\ud800"],
)
def test_what_is_beyond_becomes_bad_and_its_neighbours_stay(value: Value) -> None:
    found = bounded(poll(1.5, value, "text", None, reasons={3: Reason.TIMEOUT})).readings[0]
    assert found.values == (1.5, None, "text", None)
    assert found.reasons == {1: Reason.OUT_OF_LIMITS, 3: Reason.TIMEOUT}


@given(st.lists(values, min_size=1, max_size=9))
def test_no_store_refuses_what_a_gateway_has_bounded(some: list[Value]) -> None:
    before = poll(*some)
    after = bounded(before)
    assert unstorable_reason(after) is None
    kept = [value for value in some if value_problem(value) is None]
    assert [value for value in after.readings[0].values if value is not None] == [
        value for value in kept if value is not None
    ]


@given(st.lists(values, min_size=1, max_size=9).map(tuple))
def test_the_one_step_never_lets_through_what_the_careful_look_refuses(some: tuple[Value, ...]) -> None:
    if is_ordinary(some):
        assert not any(map(value_problem, some))


def test_a_sum_of_the_largest_numbers_of_a_century_is_finite() -> None:
    assert math.isfinite(MAX_FLOAT * 1000 * 86_400 * 365 * 100)


def test_a_name_may_be_long_and_chinese_but_not_without_end_nor_a_command() -> None:
    assert name_problem("a device", "泉" * MAX_NAME) is None
    assert "129 characters" in (name_problem("a device", "泉" * (MAX_NAME + 1)) or "")
    for bad in ("a\x1b]0;x", "a\nb", "\u202e", "\ud800"):
        assert name_problem("a device", bad)
