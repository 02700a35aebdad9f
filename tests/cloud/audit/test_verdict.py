"""Each cause explains what it can have taken, and not a value more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.audit.books import Account, Books, Edge, Happening, Schedule
from cloud.audit.stretches import Stretch, stretches
from cloud.audit.twice import stored_twice
from cloud.audit.verdict import of_account, of_gap
from qilu.contract.completeness import DropReason, EventKind
from qilu.stores.components import Sample

T = 1_764_000_000_000
MINUTE = 60_000
SCHEDULE = Schedule(T - 10 * MINUTE, rate=3.0, points=3)
ACCOUNT = Account(T, T + MINUTE, expected=180)
GAP = Stretch(T, T + 10 * MINUTE)
HEARD = T + 10 * MINUTE


def happening(
    kind: EventKind, begin_s: float, end_s: float, *, told_s: float | None = None, records: int = 0,
    detail: int = 0,
) -> Happening:  # fmt: skip
    """Something from `begin_s` to `end_s` after T."""
    begin, end = T + round(begin_s * 1000), T + round(end_s * 1000)
    told = end if told_s is None else T + round(told_s * 1000)
    return Happening(kind, told, begin, end, records, detail)


def books(
    *edge: Happening, device: tuple[Happening, ...] = (), heard_ms: int | None = HEARD, backlog: int = 0
) -> Books:
    """Of a device that is polled all the time, as each start of its gateway says again."""
    starts = [one.time_ms for one in edge if one.kind is EventKind.STARTED]
    schedules = (SCHEDULE, *(replace(SCHEDULE, time_ms=time_ms) for time_ms in starts))
    return Books("press-1", Edge("edge-1", edge, heard_ms, backlog), (), schedules, device)


DROPPED = happening(EventKind.DROPPED, 10, 30, told_s=100, records=20, detail=DropReason.max_bytes)
STARTED = happening(EventKind.STARTED, 100, 200)
REJECTED = happening(EventKind.REJECTED, 5, 9, told_s=20, records=5)


@pytest.mark.parametrize(
    ("known", "stored", "found"),
    [
        (books(), 180, []),
        (books(), 177, [(3, "unexplained")]),
        (books(DROPPED), 120, [(60, "dropped by spool (max_bytes)")]),
        (books(DROPPED), 0, [(99, "dropped by spool (max_bytes)"), (81, "unexplained")]),
        (books(device=(REJECTED,)), 165, [(15, "rejected by store")]),
        (books(device=(REJECTED,)), 150, [(15, "rejected by store"), (15, "unexplained")]),
        (books(backlog=9), 170, [(10, "not delivered yet: 9 records wait on edge-1")]),
        (books(STARTED), 170, [(10, "unexplained")]),  # the account says that it ran
    ],
)
def test_what_an_account_has_and_the_store_has_not(
    known: Books, stored: int, found: list[tuple[int, str]]
) -> None:
    verdict = of_account(known, ACCOUNT, stored)
    assert [(one.values, one.why) for one in verdict.missing] == found
    assert verdict.expected == 180


@pytest.mark.parametrize(
    ("known", "stored", "found"),
    [
        (books(), 1800, []),
        (books(), 1797, []),  # a turn more or less is what a schedule cannot tell
        (books(), 1790, [(10, "unexplained")]),
        (books(STARTED), 1500, [(300, "gateway down")]),
        (books(STARTED), 1400, [(309, "gateway down"), (91, "unexplained")]),
        (books(STARTED, DROPPED), 1430, [(309, "gateway down"), (61, "dropped by spool (max_bytes)")]),
        (books(happening(EventKind.STARTED, 300, 300)), 0, [(906, "gateway down"), (894, "unexplained")]),
        (books(heard_ms=T + 2 * MINUTE), 360, [(1440, "edge-1 not heard")]),
        (books(heard_ms=None), 0, [(1800, "edge-1 not heard")]),
        (books(heard_ms=T + 2 * MINUTE), 300, [(1443, "edge-1 not heard"), (57, "unexplained")]),
    ],
)
def test_what_a_schedule_wants_and_the_store_has_not(
    known: Books, stored: int, found: list[tuple[int, str]]
) -> None:
    verdict = of_gap(known, GAP, stored, None)
    assert [(one.values, one.why) for one in verdict.missing] == found
    assert verdict.expected == stored + sum(values for values, _ in found)


def test_a_killed_gateway_cannot_tell_what_its_processors_left_out_last() -> None:
    started = happening(EventKind.STARTED, 60, 100)
    gap = Stretch(T, T + 100_000)
    before = Account(T - MINUTE, T, expected=180, suppressed=90)
    verdict = of_gap(books(started), gap, 90, before)
    assert [(one.values, one.why) for one in verdict.missing] == [
        (129, "gateway down"),
        (81, "not counted: gateway was killed"),
    ]
    assert not of_gap(books(started), gap, 30, before).missing[-1].explained


def test_a_gateway_that_was_killed_before_its_first_account_is_measured_by_the_next_one() -> None:
    starts = [happening(EventKind.STARTED, begin, begin + 10) for begin in (40, 90)]
    known = books(*starts)
    gap = Stretch(T, T + 100_000)
    after = replace(known, accounts=(Account(gap.end_ms, gap.end_ms + MINUTE, 180, suppressed=162),))
    verdict = of_gap(after, gap, 20, None)
    causes = {one.why for one in verdict.missing}
    assert causes == {"gateway down", "not counted: gateway was killed"}
    assert verdict.expected == 300
    assert not of_gap(known, gap, 20, None).missing[-1].explained


def test_the_last_telling_of_a_loss_counts() -> None:
    first = happening(EventKind.DROPPED, 10, 20, told_s=100, detail=1)
    whole = happening(EventKind.DROPPED, 10, 50, told_s=200, detail=1)
    verdict = of_account(books(first, whole), ACCOUNT, 30)
    assert [(one.values, one.begin_ms, one.end_ms) for one in verdict.missing] == [
        (150, T + 10_000, T + 50_000)
    ]


def accounts(*spans: tuple[int, int]) -> tuple[Account, ...]:
    return tuple(Account(T + begin * 1000, T + end * 1000, 3 * (end - begin)) for begin, end in spans)


def spans(found: list[Stretch]) -> list[tuple[int, int, int]]:
    """Begin and end in seconds after T, and how many accounts."""
    return [((s.begin_ms - T) // 1000, (s.end_ms - T) // 1000, len(s.accounts)) for s in found]


@pytest.mark.parametrize(
    ("known", "start", "end", "found"),
    [
        (accounts((0, 60), (60, 120)), 0, 120, [(0, 120, 2)]),
        (accounts((0, 60), (60, 120)), 30, 130, [(60, 120, 1)]),
        (accounts((0, 60), (60, 120)), 0, 100, [(0, 60, 1)]),
        (accounts((0, 60), (90, 120)), 0, 120, [(0, 60, 1), (60, 90, 0), (90, 120, 1)]),
        (accounts((0, 60)), 0, 200, [(0, 60, 1)]),  # the next may be on its way
        (accounts((0, 60)), 0, 300, [(0, 60, 1), (60, 300, 0)]),
        (accounts((100, 160)), -300, 160, [(-300, 100, 0), (100, 160, 1)]),
        (accounts((100, 160)), -3600, 160, [(-600, 100, 0), (100, 160, 1)]),  # known since its schedule
    ],
)
def test_time_is_cut_at_whole_accounts(
    known: tuple[Account, ...], start: int, end: int, found: list[tuple[int, int, int]]
) -> None:
    some = Books("press-1", Edge("edge-1"), known, (SCHEDULE,))
    assert spans(stretches(some, T + start * 1000, T + end * 1000)) == found


def test_an_account_is_late_only_when_it_should_have_ended() -> None:
    slow = replace(SCHEDULE, account_s=600)
    some = Books("press-1", Edge("edge-1"), accounts((0, 600)), (slow,))
    assert spans(stretches(some, T, T + 1_290_000)) == [(0, 600, 1)]
    assert spans(stretches(some, T, T + 1_300_000)) == [(0, 600, 1), (600, 1300, 0)]


def test_a_device_that_a_later_start_no_longer_polls_is_not_expected_any_more() -> None:
    removed = happening(EventKind.STARTED, 290, 300)
    known = Books("press-1", Edge("edge-1", (removed,), HEARD), (), (SCHEDULE,))
    verdict = of_gap(known, GAP, 870, None)
    assert verdict.expected == 900
    assert [(one.values, one.why) for one in verdict.missing] == [(30, "gateway down")]


def test_what_a_newer_schedule_wants_counts_from_its_start() -> None:
    edge = Edge("edge-1", (happening(EventKind.STARTED, 299, 300),), HEARD)
    known = Books("press-1", edge, (), (SCHEDULE, Schedule(T + 300_000, 6.0, 6)))
    assert of_gap(known, GAP, 2700, None).expected == 2700
    assert [one.why for one in of_gap(known, GAP, 2000, None).missing] == ["gateway down", "unexplained"]


@pytest.mark.parametrize(
    ("counters", "twice"),
    [
        ([], []),
        ([1, 2, 3, 7, 8], []),
        ([1, 2, 2, 3], [2]),
        ([1, 2, 3, 3], [3]),
        ([100, 101, 110, 101, 111], []),  # within the first few of what is known, it may be a new count
        ([90, 100, 101, 110, 101, 111], [101]),
        ([90, 100, 101, 110, 100, 101, 111], [100, 101]),
        ([100, 101, 102, 1, 2, 3, 103], []),
        ([1, 2, 3, 1, 2, 3, 4], []),
        ([50, 60, 70, 1, 2, 10, 10, 11], [10]),
        ([1, 50, 60, 55, 61], []),  # fell to what was never seen: a new count
    ],
)
def test_counters_stored_twice_are_told_from_counters_that_began_anew(
    counters: list[int], twice: list[int]
) -> None:
    found = stored_twice([Sample(T + index, value) for index, value in enumerate(counters)])
    assert [one.value for one in found] == twice


def test_a_counter_of_a_device_that_was_away_may_begin_anew_with_its_first_counts_lost() -> None:
    counters = [1, 50, 100, 101, 50, 100, 101, 102]
    samples = [Sample(T + 1000 * index, value) for index, value in enumerate(counters)]
    assert [one.value for one in stored_twice(samples, [T + 1500])] == [50, 100, 101]
    assert stored_twice(samples, [T + 3500]) == []
