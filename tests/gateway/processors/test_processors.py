"""Processors leave out or mark what they are told to, and nothing else."""

from gateway.processors.deadband import Deadband
from gateway.processors.select import PointSelector
from gateway.processors.stale import StaleSettings
from qilu.contract.reading import BlockSchema, Origin, Poll, Quality, Reading, Reason, Value

COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press"), "fast", ("force", "temperature", "state"))


def poll(time_ms: int, *values: Value, reasons: dict[int, Reason] | None = None) -> Poll:
    return Poll(time_ms, (Reading(COLUMNS, time_ms, values, reasons or {}),))


def test_select_keeps_what_matches_and_its_reasons() -> None:
    select = PointSelector(["*"], exclude=["temperature", "press-2.force"])
    (kept,) = select.process(poll(1, 1.0, 2.0, None, reasons={1: Reason.SENTINEL, 2: Reason.TIMEOUT}))
    reading = kept.readings[0]
    assert reading.columns.points == ("force", "state")
    assert reading.values == (1.0, None)
    assert reading.reasons == {1: Reason.TIMEOUT}


def test_select_shares_the_columns_of_all_readings_of_a_block() -> None:
    select = PointSelector(["force"])
    first, second = select.process(poll(1, 1.0, 2.0, 3)), select.process(poll(2, 1.0, 2.0, 3))
    assert first[0].readings[0].columns is second[0].readings[0].columns


def test_a_poll_of_nothing_wanted_vanishes() -> None:
    assert PointSelector(["press-9.*"]).process(poll(1, 1.0, 2.0, 3)) == ()


def test_select_lets_an_untouched_reading_through_as_it_is() -> None:
    whole = poll(1, 1.0, 2.0, 3)
    assert PointSelector(["press-1.*"]).process(whole)[0].readings[0] is whole.readings[0]


def passed(*polls: Poll) -> list[int]:
    deadband = Deadband({"force": 0.5, "temp*": 1.0}, max_interval=10)
    return [one.due_ms for one in polls if deadband.process(one)]


def test_a_reading_passes_when_one_value_left_its_band_since_the_last_that_passed() -> None:
    drifting = [poll(second * 1000, 10.0 + 0.2 * second, 20.0, 1) for second in range(8)]
    assert passed(*drifting) == [0, 3000, 6000]


def test_a_value_without_a_band_passes_at_any_change() -> None:
    assert passed(poll(0, 1.0, 2.0, 1), poll(1, 1.0, 2.0, 2), poll(2, 1.0, 2.0, 2)) == [0, 1]


def test_a_reading_in_which_nothing_moves_passes_after_the_longest_silence() -> None:
    still = [poll(second * 1000, 1.0, 2.0, 1) for second in range(0, 31, 5)]
    assert passed(*still) == [0, 10_000, 20_000, 30_000]


def test_turning_bad_and_good_again_passes_at_once() -> None:
    bad = {0: Reason.TIMEOUT}
    turns = [poll(0, 1.0, 2.0, 1), poll(1, None, 2.0, 1, reasons=bad), poll(2, None, 2.0, 1, reasons=bad)]
    assert passed(*turns, poll(3, 1.0, 2.0, 1)) == [0, 1, 3]


def stale(*polls: Poll, points: tuple[str, ...] = ("temp*",), after: int = 3) -> list[dict[int, Reason]]:
    marking = StaleSettings(type="stale", points=points, max_unchanged=after).build()
    found = [marking.process(one) for one in polls]
    assert [kept[0].readings[0].values for kept in found] == [one.readings[0].values for one in polls]
    return [dict(kept[0].readings[0].reasons) for kept in found]


def test_a_value_that_does_not_move_for_long_is_uncertain_until_it_moves() -> None:
    """Fault 30: it keeps its value."""
    polls = [poll(time, float(time), 20.0 if time < 5 else 20.1, 1) for time in range(8)]
    marked = {1: Reason.STALE}
    assert stale(*polls) == [{}, {}, marked, marked, marked, {}, {}, marked]
    assert Reason.STALE.quality is Quality.UNCERTAIN


def test_a_bad_value_neither_counts_as_unmoved_nor_as_moved() -> None:
    bad = {1: Reason.TIMEOUT}
    still = poll(0, 1.0, 20.0, 1)
    polls = [still, poll(1, 1.0, None, 1, reasons=bad), still, poll(3, 1.0, None, 1, reasons=bad), still]
    assert stale(*polls) == [{}, bad, {}, bad, {1: Reason.STALE}]


def test_only_points_that_are_expected_to_move_are_watched() -> None:
    still = [poll(time, 1.0, 20.0, 1) for time in range(4)]
    assert stale(*still, points=("press-1.state",))[-1] == {2: Reason.STALE}
    assert stale(*still, points=("press-2.*",))[-1] == {}


def test_a_reading_in_which_nothing_is_stale_passes_as_it_is() -> None:
    moving = poll(0, 1.0, 2.0, 3)
    assert StaleSettings(type="stale", points=("*",), max_unchanged=2).build().process(moving)[0] is moving
