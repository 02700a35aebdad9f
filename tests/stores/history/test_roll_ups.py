"""Roll-ups against a computation that goes through all samples one by one, over random polls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Quality, Reading, Reason, Value
from qilu.stores.sqlite.history.keys import COARSE_MS, DAY_MS, MINUTE_MS, QUARTER_MS
from qilu.stores.sqlite.history.point_query import PointName, PointQuery
from qilu.stores.sqlite.history.search import Search
from qilu.stores.sqlite.history.summaries import RollUp, Strip, decode_point, encode_part
from tests.stores.history.history_store import ENDLESS, HistoryStore

START = 20_000 * DAY_MS
KEY = DeviceKey("edge-1", "press-1")
COLUMNS = [
    BlockSchema(Origin("edge-1", "press-1", "press"), group, tuple(f"{group}{n}" for n in range(points)))
    for group, points in (("fast", 3), ("slow", 17))
]
_values = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6), st.booleans(), st.text(max_size=3), st.none()
)
_reasons = st.sampled_from([None, None, None, Reason.TIMEOUT, Reason.STALE, Reason.OUT_OF_LIMITS])


@st.composite
def _polls(draw: st.DrawFn) -> list[Poll]:
    polls = []
    for columns in COLUMNS:
        when = st.one_of(
            st.integers(START, START + 2 * QUARTER_MS), st.integers(START, START + 2 * MINUTE_MS)
        )
        times = draw(st.lists(when, min_size=8, max_size=25, unique=True))
        mixed = draw(st.booleans())
        for time_ms in times:
            values: list[Value] = [
                draw(_values) if mixed else float(time_ms % 97 + number)
                for number in range(len(columns.points))
            ]
            reasons = {
                number: reason
                for number in range(len(values))
                if (reason := draw(_reasons) if mixed else None) is not None or values[number] is None
            }
            known = {number: reason or Reason.UNDECODABLE for number, reason in reasons.items()}
            for number, reason in known.items():
                if reason.quality is Quality.BAD:
                    values[number] = None
            polls.append(Poll(time_ms, (Reading(columns, time_ms, tuple(values), known),)))
    return draw(st.permutations(polls))


def naive(samples: Sequence[tuple[int, Value, Reason | None]], start_ms: int, length_ms: int) -> RollUp:
    """The roll-up of one point, minute by minute and sample by sample."""
    whole = RollUp()
    for minute_ms in range(start_ms, start_ms + length_ms, MINUTE_MS):
        of_minute = [s for s in samples if minute_ms <= s[0] < minute_ms + MINUTE_MS]
        for number, (time_ms, value, reason) in enumerate(of_minute):
            following = of_minute[number + 1][0] if number + 1 < len(of_minute) else minute_ms + MINUTE_MS
            good = reason is None
            numeric = isinstance(value, int | float)
            amount = float(value) if isinstance(value, int | float) else 0.0
            whole = RollUp(
                whole.number + numeric,
                (amount if whole.low is None else min(whole.low, amount)) if numeric else whole.low,
                (amount if whole.high is None else max(whole.high, amount)) if numeric else whole.high,
                whole.total + amount,
                value if value is not None and (good or not whole.good_ms) else whole.last,
                whole.good_ms + (following - time_ms if good else 0),
                whole.bad + (not good),
                whole.code if reason is None else reason.code,
            )
    return whole


def same(one: RollUp, other: RollUp) -> bool:
    """Equal, but for the last bits of a sum that was added in another order: a sum of a minute has 13 digits,
    and where large values cancel each other, these are digits of the large ones."""
    largest = max(abs(one.low or 0.0), abs(one.high or 0.0))
    near = abs(one.total - other.total) <= 1e-6 * (1 + abs(one.total)) + 1e-12 * one.number * largest
    return near and one._replace(total=0) == other._replace(total=0)


@settings(max_examples=20, deadline=None)
@given(_polls(), st.integers(0, 4))
def test_minutes_quarters_and_months_equal_a_naive_computation_whatever_comes_in_which_order(
    polls: list[Poll], batches: int
) -> None:
    async def write(folder: Path) -> None:
        now = [START + QUARTER_MS]
        async with HistoryStore(folder, ENDLESS, lambda: now[0]) as store:
            step = len(polls) // (batches + 1) + 1
            for first in range(0, len(polls), step):
                store.take(polls[first : first + step])
                store.roll_up()
                now[0] += QUARTER_MS
            for days in (2, 40):  # the quarters of the day, and the month
                now[0] = START + days * DAY_MS
                store.roll_up()

    with TemporaryDirectory() as name:
        folder = Path(name) / "history"
        asyncio.run(write(folder))
        search = Search(folder)
        for columns in COLUMNS:
            for index, point in enumerate(columns.points):
                samples = sorted(
                    (
                        (r.time_ms, r.values[index], r.reasons.get(index))
                        for poll in polls
                        for r in poll.readings
                        if r.columns is columns
                    ),
                    key=lambda entry: entry[0],
                )
                query = PointQuery(search, PointName(KEY, point))
                for step_ms, strips in (
                    (MINUTE_MS, query.minutes(START, START + 3 * QUARTER_MS)),
                    (QUARTER_MS, query.quarters(START, START + DAY_MS)),
                    (COARSE_MS, query.coarse(START, START + DAY_MS)),
                ):
                    got = {
                        strip.start_ms + n * strip.step_ms: strip.joined(n, n + 1)
                        for strip in strips
                        for n in range(len(strip.number))
                    }
                    for start_ms in range(START, START + 3 * QUARTER_MS, step_ms):
                        expected = naive(samples, start_ms, step_ms)
                        assert same(got.get(start_ms, RollUp()), expected), (point, start_ms, expected)
                    assert all(strip.step_ms == step_ms for strip in strips)
        search.close()


@given(
    st.lists(
        st.one_of(
            st.just(RollUp()),
            st.floats(-1e9, 1e9).map(lambda x: RollUp(1, x, x, x, x, 10)),
            st.floats(0, 1e9).map(lambda x: RollUp(3, -x, x, x, x, 10, 1, 2)),
            st.text(max_size=3).map(lambda x: RollUp(last=x, good_ms=3)),
            st.booleans().map(lambda x: RollUp(1, int(x), int(x), int(x), x, 5)),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_a_row_of_roll_ups_is_read_as_it_was_written(rolled: list[RollUp]) -> None:
    strip: Strip = decode_point(encode_part([[RollUp()] * len(rolled), rolled]), 1, 0, MINUTE_MS, len(rolled))
    assert all(same(strip.joined(n, n + 1), expected) for n, expected in enumerate(rolled))
    assert decode_point(encode_part([rolled]), 3, 0, MINUTE_MS, len(rolled)).joined() == RollUp()
