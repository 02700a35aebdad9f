"""A day of the local history: what was due and what came, and when a device was offline."""

from __future__ import annotations

from gateway.console.day_report import Day, completeness, offline_times
from qilu.contract.accounting import EventKind
from qilu.contract.edge_events import EdgeEvent
from qilu.contract.reading import Reason

DAY = Day.of("2026-11-30")
MINUTE = 60_000


def account(minute: int, **counts: float) -> tuple[int, dict[str, float]]:
    return DAY.start_ms + minute * MINUTE, {"span_ms": MINUTE, "expected": 60, "good": 60, **counts}


def event(kind: EventKind, minute: float, code: int = 0) -> EdgeEvent:
    time_ms = DAY.start_ms + round(minute * MINUTE)
    return EdgeEvent(kind, time_ms, time_ms, time_ms, code=code)


def test_values_that_nobody_polled_between_two_accounts_are_due_and_missing() -> None:
    found = completeness([account(0), account(1, good=50, no_reply=10), account(5, good=55, missed=5)])
    assert found["due"] == 3 * 60 + 3 * 60
    assert (found["good"], found["bad"]) == (165, 10)
    assert found["missing"] == {"gateway_down": 180, "endpoint_busy": 5}
    accounted = found["good"] + found["bad"] + found["uncertain"] + sum(found["missing"].values())
    assert accounted == found["due"]


def test_a_day_without_accounts_is_empty() -> None:
    assert completeness([])["due"] == 0


def test_an_outage_has_begin_end_and_reason_and_stays_within_the_day() -> None:
    events = [
        event(EventKind.ONLINE, 0),
        event(EventKind.OFFLINE, 10, Reason.TIMEOUT.code),
        event(EventKind.ONLINE, 25),
        event(EventKind.OFFLINE, 1430, Reason.UNREACHABLE.code),
        event(EventKind.ONLINE, 1500),
    ]
    first, second = offline_times(events, DAY, DAY.end_ms + 10**9)
    assert (first["to_ms"] - first["from_ms"], first["reason"]) == (15 * MINUTE, "timeout")
    assert (second["to_ms"], second["reason"]) == (DAY.end_ms, "unreachable")


def test_an_outage_that_goes_on_ends_now() -> None:
    now_ms = DAY.start_ms + 40 * MINUTE
    (outage,) = offline_times([event(EventKind.OFFLINE, 10, 1)], DAY, now_ms)
    assert outage["to_ms"] == now_ms
