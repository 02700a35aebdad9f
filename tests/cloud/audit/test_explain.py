"""Each cause explains what was counted for it, and not a value more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.audit.account_spans import Span, covered_spans, distinct
from cloud.audit.attribution import CountedSpan, EdgeRecords, explain
from cloud.audit.causes import Cause
from cloud.audit.model import Account, DeviceHistory, Edge, Schedule, Status
from cloud.audit.repeated_serve_counts import find_duplicates
from qilu.contract.accounting import DropReason, EventKind
from qilu.contract.edge_events import EdgeEvent
from qilu.stores.interfaces import Sample

T = 1_764_000_000_000
MINUTE = 60_000
SCHEDULE = Schedule(T - 10 * MINUTE, rate=3.0, points=3)
ACCOUNT = Account(T, T + MINUTE, expected=180, records=60, largest=3)
HEARD = Status(T + 10 * MINUTE)


def happening(
    kind: EventKind, begin_s: float, end_s: float, *, reported_s: float | None = None, records: int = 0,
    values: int = 0, unread: int = 0, code: int = 0,
) -> EdgeEvent:  # fmt: skip
    """Something from `begin_s` to `end_s` after T."""
    begin, end = T + round(begin_s * 1000), T + round(end_s * 1000)
    reported = end if reported_s is None else T + round(reported_s * 1000)
    return EdgeEvent(kind, reported, begin, end, records, values, unread=unread, code=code)


def books(
    *edge: EdgeEvent, device: tuple[EdgeEvent, ...] = (), status: Status = HEARD, held: int = 0
) -> DeviceHistory:
    return DeviceHistory("press-1", Edge("edge-1", edge, status, held), (ACCOUNT,), (SCHEDULE,), device)


def found_in(
    known: DeviceHistory, *stored: int, accounts: tuple[Account, ...] = (ACCOUNT,)
) -> list[tuple[int, str, bool]]:
    counted = [
        CountedSpan(Span(one.start_ms, one.end_ms, one), values)
        for one, values in zip(accounts, stored, strict=True)
    ]
    found = explain(known, counted, EdgeRecords(known.edge))
    return [(one.values, str(one.cause), one.certain) for one in found]


DROPPED = happening(
    EventKind.DROPPED, 10, 30, reported_s=100, records=20, values=60, code=DropReason.max_bytes
)  # fmt: skip
DAMAGED = happening(EventKind.DROPPED, 10, 30, reported_s=100, records=1, unread=1, code=DropReason.damaged)
REJECTED = happening(EventKind.REJECTED, 5, 9, reported_s=20, records=5, values=15)
REQUEUED = happening(EventKind.REQUEUED, 30, 30)
WAITING = replace(HEARD, waiting=5)


@pytest.mark.parametrize(
    ("known", "stored", "found"),
    [
        (books(), 180, []),
        (books(), 177, [(3, "unexplained", False)]),
        (books(device=(DROPPED,)), 120, [(60, "dropped", True)]),
        (books(device=(DROPPED,)), 117, [(3, "unexplained", False), (60, "dropped", True)]),
        (books(device=(DROPPED,)), 123, [(57, "dropped", False)]),  # some of it was stored after all
        (books(device=(replace(DROPPED, in_flight=1),)), 123, [(57, "dropped", True)]),
        (books(device=(replace(DROPPED, in_flight=1),)), 126, [(54, "dropped", False)]),
        (books(device=(REJECTED,)), 165, [(15, "rejected", True)]),
        (books(device=(REJECTED,)), 150, [(15, "unexplained", False), (15, "rejected", True)]),
        (books(REQUEUED, device=(REJECTED,)), 165, [(15, "rejected", False)]),
        (books(device=(DROPPED, REJECTED)), 105, [(15, "rejected", True), (60, "dropped", True)]),
        (books(DAMAGED), 177, [(3, "dropped", False)]),
        (books(DAMAGED), 13, [(3, "dropped", False), (164, "unexplained", False)]),
        (books(status=WAITING), 165, [(15, "waiting", False)]),
        (books(status=WAITING), 0, [(15, "waiting", False), (165, "unexplained", False)]),
        (books(status=replace(WAITING, oldest_ms=T + MINUTE)), 165, [(15, "unexplained", False)]),
        (books(status=replace(HEARD, deferred=1)), 170, [(3, "deferred", False), (7, "unexplained", False)]),
        (books(status=replace(HEARD, quarantined=1)), 178, [(2, "quarantined", False)]),
        (books(held=2), 170, [(6, "held", False), (4, "unexplained", False)]),
    ],
)  # fmt: skip
def test_a_cause_explains_as_many_values_as_were_counted_for_it(
    known: DeviceHistory, stored: int, found: list[tuple[int, str, bool]]
) -> None:
    assert found_in(known, stored) == found


def test_records_of_an_edge_are_spent_once_over_all_accounts_and_devices() -> None:
    known = books(status=WAITING)
    later = replace(ACCOUNT, start_ms=T + MINUTE, end_ms=T + 2 * MINUTE)
    assert found_in(known, 170, 0, accounts=(ACCOUNT, later)) == [
        (10, "waiting", False),
        (3, "waiting", False),
        (177, "unexplained", False),
    ]
    records = EdgeRecords(known.edge)
    counted = [CountedSpan(Span(T, T + MINUTE, ACCOUNT), 165)]
    assert [one.cause for one in explain(known, counted, records)] == [Cause.WAITING]
    assert [one.cause for one in explain(replace(known, device="press-2"), counted, records)] == [
        Cause.UNEXPLAINED
    ]


def test_what_an_account_counted_is_certain() -> None:
    account = replace(ACCOUNT, missed=6, blocked=9)
    assert found_in(books(), 165, accounts=(account,)) == [(6, "busy", True), (9, "blocked", True)]


def test_two_accounts_of_one_time_are_not_certain() -> None:
    other = replace(ACCOUNT, start_ms=T + 1000, end_ms=T + MINUTE + 1000)
    [joined] = distinct((ACCOUNT, other))
    assert found_in(books(), 360, accounts=(joined,)) == [(0, "overlap", False)]


def test_an_account_that_was_reported_again_replaces_what_it_has_joined() -> None:
    later = replace(ACCOUNT, start_ms=T + MINUTE, end_ms=T + 2 * MINUTE)
    again = replace(ACCOUNT.joined(later), again=True)
    assert distinct((ACCOUNT, again, later)) == [again]
    assert distinct((replace(ACCOUNT, again=True), ACCOUNT)) == [replace(ACCOUNT, again=True)]


@pytest.mark.parametrize(
    ("cause", "stored", "found"),
    [
        (Cause.DOWN, 0, [(180, "down", True)]),
        (Cause.DOWN, 3, [(177, "down", True)]),  # the record in whose moment it was killed
        (Cause.DOWN, 30, [(150, "not_counted", False)]),
        (Cause.NOT_COUNTED, 180, [(0, "not_counted", False)]),
        (Cause.EDGE_OFFLINE, 0, [(180, "edge_offline", False)]),
        (None, 0, []),
    ],
)
def test_without_an_account_only_a_time_without_gateway_is_certain(
    cause: Cause | None, stored: int, found: list[tuple[int, str, bool]]
) -> None:
    counted = [CountedSpan(Span(T, T + MINUTE, None, cause), stored)]
    missing = explain(books(), counted, EdgeRecords(Edge("edge-1")))
    assert [(one.values, str(one.cause), one.certain) for one in missing] == found


def accounts(*spans: tuple[int, int]) -> tuple[Account, ...]:
    """The last digit of each begin counts as known since: all of one edge that began at T - 600 s."""
    return tuple(
        Account(T + begin * 1000, T + end * 1000, 3 * (end - begin), known_ms=(600 + begin) * 1000)
        for begin, end in spans
    )


def spans(found: list[Span]) -> list[tuple[int, int, str]]:
    """Begin and end in seconds after T, and what it is."""
    return [
        ((s.start_ms - T) // 1000, (s.end_ms - T) // 1000, "account" if s.account else str(s.cause))
        for s in found
    ]


STARTED = happening(EventKind.STARTED, 60, 90)
REMOVED = happening(EventKind.REMOVED, 60, 60, reported_s=90)
BLOCKED = happening(EventKind.DROPPED, 60, 80, code=DropReason.blocked)
STOPPED = happening(EventKind.STOPPED, 60, 60)
CORRECTED = happening(EventKind.CORRECTED, 59, 90, reported_s=91)
AHEAD = happening(EventKind.CLOCK_STEPPED, 60, 90, reported_s=91, code=1)


@pytest.mark.parametrize(
    ("known", "edge", "device", "start", "end", "found"),
    [
        (accounts((0, 60), (60, 120)), (), (), 0, 120, [(0, 60, "account"), (60, 120, "account")]),
        (accounts((0, 60), (60, 120)), (), (), 30, 130, [(60, 120, "account")]),
        (accounts((0, 60), (60, 120)), (), (), 0, 100, [(0, 60, "account")]),
        (accounts((0, 60)), (), (), 0, 200, [(0, 60, "account")]),  # the next may be on its way
        (accounts((0, 60)), (), (), 0, 300, [(0, 60, "account"), (60, 300, "not_counted")]),
        (accounts((0, 60)), (), (), 0, 900, [(0, 60, "account"), (60, 900, "edge_offline")]),
        (accounts((0, 60)), (STOPPED,), (), 0, 900, [(0, 60, "account"), (60, 900, "stopped")]),
        (
            accounts((0, 60), (90, 120)), (), (), 0, 120,
            [(0, 60, "account"), (60, 90, "not_counted"), (90, 120, "account")],
        ),
        (
            accounts((0, 60), (90, 120)), (STARTED,), (), 0, 120,
            [(0, 60, "account"), (60, 90, "down"), (90, 120, "account")],
        ),
        (
            accounts((0, 50), (90, 120)), (STARTED,), (), 0, 120,
            [(0, 50, "account"), (50, 60, "not_counted"), (60, 90, "down"), (90, 120, "account")],
        ),
        (
            accounts((0, 60), (90, 120)), (BLOCKED, STARTED), (), 0, 120,
            [(0, 60, "account"), (60, 80, "blocked"), (80, 90, "down"), (90, 120, "account")],
        ),
        (
            accounts((0, 60), (90, 120)), (AHEAD,), (), 0, 120,
            [(0, 60, "account"), (60, 90, "None"), (90, 120, "account")],
        ),
        (
            accounts((0, 60), (90, 120)), (), (CORRECTED,), 0, 120,
            [(0, 60, "account"), (60, 90, "None"), (90, 120, "account")],
        ),
        (accounts((0, 60)), (), (REMOVED,), 0, 600, [(0, 60, "account"), (60, 600, "None")]),
        (accounts((90, 120)), (STARTED,), (), 70, 120, [(70, 90, "down"), (90, 120, "account")]),
        (accounts((100, 160)), (), (), -300, 160, [(-300, 100, "not_counted"), (100, 160, "account")]),
        (accounts((100, 160)), (), (), -3600, 160, [(-600, 100, "not_counted"), (100, 160, "account")]),
        ((), (), (), 0, 600, []),
        (accounts((0, 400 * 86_400)), (), (), -60, 600, [(-60, 600, "not_counted")]),
        (accounts((-10, 400 * 86_400)), (), (), 0, 600, []),
    ],
)  # fmt: skip
def test_all_time_is_under_an_account_or_reported_or_not_known(
    known: tuple[Account, ...],
    edge: tuple[EdgeEvent, ...],
    device: tuple[EdgeEvent, ...],
    start: int,
    end: int,
    found: list[tuple[int, int, str]],
) -> None:
    status = Status(T + (60 if end == 900 else end) * 1000)
    some = DeviceHistory("press-1", Edge("edge-1", edge, status), known, (), device)
    assert spans(covered_spans(some, T + start * 1000, T + end * 1000)) == found


def test_an_account_is_late_only_when_it_should_have_ended() -> None:
    slow = replace(SCHEDULE, account_interval_s=600)
    edge = Edge("edge-1", (), Status(T + 1_300_000))
    some = DeviceHistory("press-1", edge, accounts((0, 600)), (slow,))
    assert spans(covered_spans(some, T, T + 1_290_000)) == [(0, 600, "account")]
    assert spans(covered_spans(some, T, T + 1_300_000))[1:] == [(600, 1300, "not_counted")]


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
def test_counters_stored_twice_are_reported_from_counters_that_began_anew(
    counters: list[int], twice: list[int]
) -> None:
    found = find_duplicates([Sample(T + index, value) for index, value in enumerate(counters)])
    assert [one.value for one in found] == twice


def test_a_counter_of_a_device_that_was_away_may_begin_anew_with_its_first_counts_lost() -> None:
    counters = [1, 50, 100, 101, 50, 100, 101, 102]
    samples = [Sample(T + 1000 * index, value) for index, value in enumerate(counters)]
    assert [one.value for one in find_duplicates(samples, [T + 1500])] == [50, 100, 101]
    assert find_duplicates(samples, [T + 3500]) == []
