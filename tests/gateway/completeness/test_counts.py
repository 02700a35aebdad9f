"""Every value that was due is in exactly one account, by its own time."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.counters import Counts
from qilu.contract.accounting import COUNTS_POINTS
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, Reason, TimeTrust

MINUTE = 60_000
START = 1_764_000_030_000  # half past a minute
ORIGIN = Origin("edge-1", "press-1", "press", line="a")
COLUMNS = BlockSchema(ORIGIN, "fast", ("force", "oil", "state"))


def poll(time_ms: int, *bad: Reason, skipped: int = 0, blocks: int = 1) -> Poll:
    """Values of as many blocks, the first ones bad for these reasons."""
    reasons = dict(enumerate(bad))
    readings = [Reading(COLUMNS, time_ms + 3 * index, (1, 2, 3), reasons) for index in range(blocks)]
    return Poll(time_ms, tuple(readings), skipped)


def reported(account: Poll) -> dict[str, float]:
    """The points of an account that are not 0."""
    [reading] = account.readings
    return {
        point: value
        for point, value in zip(COUNTS_POINTS, reading.values, strict=True)
        if isinstance(value, int | float) and value
    }


def test_an_account_ends_with_the_first_reading_of_the_next_minute() -> None:
    counts = Counts(MINUTE, START)
    assert counts.record_poll(poll(START + 10), [poll(START + 10)]) == []
    assert counts.record_poll(poll(START + 29_999, Reason.TIMEOUT), [poll(0)]) == []
    [first] = counts.record_poll(poll(START + 30_500), [poll(0)])
    assert first.readings[0].time_ms == START
    assert first.origin == Origin("edge-1", "press-1", "collection", line="a")
    assert reported(first) == {
        "span_ms": 30_500,
        "expected": 6,
        "good": 5,
        "no_reply": 1,
        "sent_records": 2,
        "largest_record_values": 3,
    }
    [last] = counts.close(START + 40_000)
    assert last.readings[0].time_ms == START + 30_500
    assert reported(last) == {
        "span_ms": 9_500, "expected": 3, "good": 3, "sent_records": 1, "largest_record_values": 3,
        "known_s": 30.5,
    }  # fmt: skip


def test_values_are_counted_by_what_became_of_them() -> None:
    counts = Counts(MINUTE, START)
    counts.record_poll(poll(START + 1, Reason.UNREACHABLE, Reason.NOT_POLLED, Reason.SENTINEL), [poll(0)])
    counts.record_poll(poll(START + 2, Reason.ILLEGAL_ADDRESS, Reason.CLOCK_UNCERTAIN, skipped=2), [poll(0)])
    counts.record_poll(poll(START + 3, Reason.INTERNAL_ERROR), [])
    [account] = counts.close(START + 4)
    assert reported(account) == {
        "span_ms": 4,
        "expected": 15,
        "missed": 6,
        "good": 3,
        "uncertain": 1,
        "no_reply": 2,
        "refused": 1,
        "invalid": 1,
        "internal_error": 1,
        "suppressed": 3,
        "sent_records": 2,
        "largest_record_values": 3,
    }


def test_turns_that_a_spool_blocked_are_no_turns_that_an_endpoint_missed() -> None:
    counts = Counts(MINUTE, START)
    counts.record_poll(poll(START + 1000), [poll(0)])
    counts.record_poll(poll(START + 3000, skipped=1), [poll(0)])  # the endpoint was busy
    counts.blocked(START + 3100, START + 7900)
    counts.record_poll(poll(START + 8000, skipped=4), [poll(0)])
    counts.record_poll(poll(START + 10_000, skipped=1), [poll(0)])
    [account] = counts.close(START + 11_000)
    found = reported(account)
    assert (found["missed"], found["blocked"], found["expected"]) == (6, 12, 30)


def test_a_busy_endpoint_stays_busy_beside_a_spool_that_blocked_for_a_moment() -> None:
    counts = Counts(MINUTE, START)
    counts.record_poll(poll(START + 1000), [poll(0)])
    counts.blocked(START + 1100, START + 2000)
    counts.record_poll(poll(START + 11_000, skipped=9), [poll(0)])
    [account] = counts.close(START + 12_000)
    found = reported(account)
    assert (found["missed"], found["blocked"]) == (24, 3)


def test_an_account_counts_texts_and_the_largest_record() -> None:
    counts = Counts(MINUTE, START)
    words = Poll(START, (Reading(COLUMNS, START, (1, "run", None), {2: Reason.SENTINEL}),))
    counts.record_poll(words, [words])
    counts.record_poll(poll(START + 1, blocks=3), [poll(START + 1, blocks=3)])
    [account] = counts.close(START + 2)
    found = reported(account)
    assert (found["texts"], found["sent_records"], found["largest_record_values"], found["expected"]) == (
        1,
        2,
        9,
        12,
    )


def test_every_reason_has_its_place() -> None:
    for reason in Reason:
        counts = Counts(MINUTE, START)
        counts.record_poll(poll(START, reason), [poll(0)])
        [account] = counts.close(START + 1)
        places = reported(account).keys() - {
            "span_ms",
            "expected",
            "good",
            "sent_records",
            "largest_record_values",
        }
        assert len(places) == 1


def test_a_poll_that_shares_its_time_with_one_before_does_not_begin_an_account() -> None:
    counts = Counts(MINUTE, START)
    assert counts.record_poll(poll(START + 30_000, blocks=3), [poll(0)])
    counts = Counts(MINUTE, START)
    counts.record_poll(poll(START + 29_998, blocks=3), [poll(0)])  # ends at 30,004
    assert counts.record_poll(poll(START + 30_001), [poll(0)]) == []
    assert counts.record_poll(poll(START + 30_010), [poll(0)])


def test_time_offline_is_reported_in_the_accounts_over_which_it_lasts() -> None:
    counts = Counts(MINUTE, START)
    counts.record_poll(poll(START + 1), [poll(0)])
    counts.offline(ORIGIN, START + 20_000)
    counts.offline(ORIGIN, START + 21_000)
    [one] = counts.record_poll(poll(START + 30_000), [poll(0)])
    [two] = counts.record_poll(poll(START + 90_000), [poll(0)])
    assert counts.online(ORIGIN, START + 95_000) == 75.0
    [three] = counts.record_poll(poll(START + 150_000), [poll(0)])
    assert [reported(account)["offline_s"] for account in (one, two, three)] == [10, 60, 5]
    assert counts.online(ORIGIN, START + 160_000) == 0


@given(st.integers(0, 2**32))
def test_whatever_the_times_every_value_is_in_the_account_of_its_time(seed: int) -> None:
    chance = random.Random(seed)
    counts = Counts(10_000, START)
    now, times = START, list[int]()
    accounts: list[Poll] = []
    for _ in range(chance.randint(1, 60)):
        now += chance.choice([0, 1, 40, 1000, 9999, 10_000, 65_000])
        passing = poll(now, blocks=chance.randint(1, 3))
        times += [reading.time_ms for reading in passing.readings]
        accounts += counts.record_poll(passing, [passing])
    accounts += counts.close(now + chance.randint(0, 5))
    reached = START
    for account in accounts:
        values = reported(account)
        begin, end = account.readings[0].time_ms, account.readings[0].time_ms + int(values["span_ms"])
        assert begin == reached
        assert values.get("expected", 0) == 3 * sum(begin <= time_ms < end for time_ms in times)
        reached = end
    assert reached > max(times)


def test_a_device_has_an_account_of_its_own_in_each_epoch() -> None:
    before, after = (EpochTag(number, TimeTrust.HELD, 0) for number in (1, 2))
    counts = Counts(MINUTE, START, epoch=before)

    def passed(time_ms: int, epoch: EpochTag) -> Sequence[Poll]:
        return counts.record_poll(poll(time_ms)._replace(epoch=epoch), [poll(0)])

    hour = 3_600_000
    assert passed(START + 1000, before) == []
    assert passed(START + 2000 - hour, after) == []  # the clock was set back in between
    assert passed(START + 1500, before) == []  # a turn that began before
    ended, old = passed(START + 32_000 - hour, after)
    assert (ended.epoch, old.epoch) == (after, before)
    assert [one.readings[0].time_ms for one in (ended, old)] == [START + 2000 - hour, START]
    assert [reported(one)["span_ms"] for one in (ended, old)] == [30_000, 1501]
    assert [reported(one)["expected"] for one in (ended, old)] == [3, 6]
    [last] = counts.close(START + 40_000 - hour)
    assert (last.epoch, reported(last)["expected"]) == (after, 3)
