"""What an edge tells of itself: starts, stops, losses, refusals, steps of the clock, devices."""

from __future__ import annotations

import itertools
import json
from collections.abc import Hashable, Iterable, Mapping

from gateway.accounting.accounting_source import AccountingSource
from gateway.interfaces import DropReport, Event, Record
from gateway.record_content import Content, content_of, from_plain, to_plain
from qilu.contract.accounting import COUNTS_POINTS, EDGE_COLLECTION, EVENT_POINTS, DropReason, EventKind
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, Reason, TimeTrust
from qilu.contract.record_codec import encode_record
from qilu.runtime.monotonic_utc import ClockStep
from tests.gateway.completeness.test_counts import COLUMNS, ORIGIN, poll

TIMEOUT = Reason.TIMEOUT
START = 1_764_000_000_000
EDGE = Origin("edge-1", "edge-1", "gateway", site="jinan")


def reports(
    down_since_ms: int | None = None,
    blocked_since_ms: int | None = None,
    devices: Mapping[str, Origin] = {"press-1": ORIGIN},
) -> AccountingSource:
    clock = itertools.count(START, 1000)

    def stamp(_: Hashable) -> int:
        return next(clock)

    return AccountingSource(
        EDGE, devices, stamp, every_ms=60_000, down_since_ms=down_since_ms,
        blocked_since_ms=blocked_since_ms,
    )  # fmt: skip


def reported(some: AccountingSource) -> list[tuple[str, dict[str, object]]]:
    """Device and points of every report that waits but sums, without the points that are 0 and the text."""
    return rows_of([one for one in some.drain() if one.origin.profile != EDGE_COLLECTION])


def rows_of(polls: Iterable[Poll]) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []
    for one in polls:
        [reading] = one.readings
        points = dict(zip(reading.columns.points, reading.values, strict=True))
        points.pop("text", None)
        found.append((one.origin.device, {point: value for point, value in points.items() if value}))
    return found


def test_a_start_tells_how_long_nobody_collected() -> None:
    first, second = reports(), reports(START - 7500)
    first.started()
    second.started()
    assert reported(first) == [("edge-1", {"event": EventKind.STARTED})]
    assert reported(second) == [
        ("edge-1", {"event": EventKind.STARTED, "start_ago_s": 7.5, "duration_s": 7.5})
    ]


def test_a_start_tells_since_when_the_spool_had_taken_nothing_before() -> None:
    some = reports(START - 7500, blocked_since_ms=START - 60_000)
    some.started()
    assert reported(some)[1:] == [
        (
            "edge-1",
            {"event": EventKind.DROPPED, "start_ago_s": 61.0, "duration_s": 52.5, "code": DropReason.blocked},
        )
    ]


OTHER = Origin("edge-1", "press-2", ORIGIN.profile, site="jinan")
OF_OTHER = BlockSchema(OTHER, COLUMNS.group, COLUMNS.points)


def sums(some: AccountingSource) -> list[dict[str, object]]:
    polls = [one for one in some.drain() if one.origin.profile == EDGE_COLLECTION]
    return [points for _, points in rows_of(polls)]


def test_the_edge_has_one_account_which_is_the_sum_of_those_of_its_devices() -> None:
    some = reports(devices={"press-1": ORIGIN, "press-2": OTHER})
    some.started()
    for minute in range(3):
        time_ms = START + 60_000 * minute + 10
        some.record_poll(poll(time_ms), [poll(time_ms)])
        bad = Poll(time_ms, (Reading(OF_OTHER, time_ms, (None,) * 3, dict.fromkeys(range(3), TIMEOUT)),))
        some.record_poll(bad, [bad])
    both = {"expected": 6.0, "good": 3.0, "no_reply": 3.0}
    assert sums(some) == [both, both]


def test_a_device_that_ends_its_second_account_ends_that_of_the_edge() -> None:
    some = reports(devices={"press-1": ORIGIN, "press-2": OTHER})
    some.started()
    for minute in range(4):
        some.record_poll(poll(START + 60_000 * minute + 10), [poll(START + 60_000 * minute + 10)])
    assert sums(some) == [{"expected": 3.0, "good": 3.0}] * 2
    some.stopped()
    assert sums(some) == [{"expected": 3.0, "good": 3.0}, {"expected": 3.0, "good": 3.0}]


def test_a_stop_ends_the_accounts_and_is_reported_once() -> None:
    some = reports()
    some.started()
    some.record_poll(poll(START + 10), [poll(START + 10)])
    some.drain()
    some.stopped()
    some.stopped()
    assert reported(some) == [
        (
            "press-1",
            {"span_ms": 1000, "expected": 3, "good": 3, "sent_records": 1, "largest_record_values": 3},
        ),
        ("edge-1", {"event": EventKind.STOPPED}),
    ]


def test_devices_tell_when_they_went_and_for_how_long() -> None:
    some = reports()
    some.started()
    some.drain()
    some.device(Event(START + 100, "press-1", "offline", "does not answer", Reason.TIMEOUT))
    some.device(Event(START + 8600, "press-1", "online", "answers again"))
    some.device(Event(START + 9000, "press-1", "limits_learned", "no coils"))
    assert reported(some) == [
        ("press-1", {"event": EventKind.OFFLINE, "code": Reason.TIMEOUT.code}),
        ("press-1", {"event": EventKind.ONLINE, "start_ago_s": 8.5, "duration_s": 8.5}),
        ("press-1", {"event": EventKind.LIMITS_LEARNED}),
    ]


def test_a_step_of_the_clock_is_an_event() -> None:
    some = reports()
    some.clock_stepped(ClockStep(START, -3600.0))
    assert reported(some) == [("edge-1", {"event": EventKind.CLOCK_STEPPED, "duration_s": -3600.0})]


def test_while_a_backlog_lasts_each_telling_of_a_loss_repeats_all_of_it() -> None:
    some = reports()
    for first in (0, 10):
        ms = START - 100_000 + first * 1000
        some.dropped(DropReport(7, IntervalSet([(first, first + 9)]), "max_bytes", ms, ms + 10_000))
    losing = [some.has_open_losses]
    some.drained()
    losing.append(some.has_open_losses)
    assert losing == [True, False]
    some.dropped(DropReport(7, IntervalSet([(20, 24)]), "max_bytes", START - 10_000, START - 5000))
    code = DropReason.max_bytes
    assert reported(some) == [
        (
            "edge-1",
            {"event": 4, "start_ago_s": 100, "duration_s": 10, "records": 10, "unread": 10, "code": code},
        ),
        (
            "edge-1",
            {"event": 4, "start_ago_s": 101, "duration_s": 20, "records": 20, "unread": 20, "code": code},
        ),
        ("edge-1", {"event": 4, "start_ago_s": 12, "duration_s": 5, "records": 5, "unread": 5, "code": code}),
    ]


def test_what_a_store_refuses_is_notified_of_its_device() -> None:
    some = reports()
    own = BlockSchema(Origin("edge-1", "press-1", "collection"), "counts", ("expected",))
    polls = [
        *(Poll(time, (Reading(COLUMNS, time, (1, 2, 3)),)) for time in (START - 9000, START - 5000)),
        Poll(START, (Reading(own, START, (1,)),)),
    ]
    records = [Record(7, offset, encode_record(one)) for offset, one in enumerate(polls)]
    some.rejected([*records, Record(7, 9, b"garbage")], "too old")
    event = {"event": EventKind.REJECTED, "start_ago_s": 9, "duration_s": 4, "records": 2, "values": 6}
    assert reported(some) == [("press-1", event)]


def polled(time_ms: int) -> bytes:
    return encode_record(poll(time_ms))


def lost(bodies: list[bytes], reason: str = "max_bytes") -> DropReport:
    return DropReport(7, IntervalSet([(0, len(bodies) - 1)]), reason, START, START + 1000, content_of(bodies))


def account(begin_ms: int, **points: float) -> bytes:
    own = BlockSchema(Origin("edge-1", "press-1", "collection"), "counts", COUNTS_POINTS)
    values = tuple(points.get(point, 0) for point in COUNTS_POINTS)
    return encode_record(Poll(begin_ms, (Reading(own, begin_ms, values),)))


def test_what_a_spool_gave_up_is_notified_of_each_device_with_its_values() -> None:
    some = reports()
    some.dropped(lost([polled(START - 9000), polled(START - 5000), b"garbage"]))
    edge, device = reported(some)
    assert (edge[1]["records"], edge[1]["unread"]) == (3, 1)
    assert device == (
        "press-1",
        {
            "event": 4,
            "start_ago_s": 10,
            "duration_s": 4,
            "records": 2,
            "values": 6,
            "code": DropReason.max_bytes,
        },
    )
    some.dropped(lost([polled(START - 4000)]))
    assert reported(some)[1][1]["values"] == 9  # the whole stretch again


def again(**points: float) -> dict[str, float]:
    return {f"recount_{point}": value for point, value in points.items()}


def test_accounts_that_a_spool_gave_up_are_reported_again_as_one() -> None:
    some = reports()
    some.dropped(lost([account(START - 3000, span_ms=1000, expected=5, largest_record_values=2, known_s=7)]))
    assert reported(some)[1] == (
        "press-1",
        again(start_ago_s=4, span_ms=1000, expected=5, largest_record_values=2, known_s=7),
    )
    more = [
        account(START - 2000, span_ms=1000, expected=6, largest_record_values=3, known_s=8),
        account(START, span_ms=1),
    ]
    some.dropped(lost(more))
    assert reported(some)[1:] == [
        ("press-1", again(start_ago_s=6, span_ms=2000, expected=11, largest_record_values=3, known_s=7)),
        ("press-1", again(start_ago_s=4, span_ms=1)),
    ]


def test_what_was_given_up_goes_through_a_journal_unchanged() -> None:
    content = content_of([polled(START), account(START, span_ms=1000, expected=5)])
    assert from_plain(json.loads(json.dumps(to_plain(content)))) == content
    assert from_plain({"devices": 3}) == from_plain(None) == Content()


def test_turns_that_the_spool_blocked_are_counted_from_the_reports_of_the_pipeline() -> None:
    some = reports()  # each stamp is a second later
    some.started()
    some.record_poll(poll(START + 100), [poll(0)])
    for refused in (True, True, False):
        some.blocked(refused)  # from START + 1 s to START + 2 s
    some.record_poll(poll(START + 2100, skipped=1), [poll(0)])
    some.stopped()
    [account] = [points for _, points in reported(some) if "span_ms" in points]
    assert (account["blocked"], account["expected"]) == (3, 9)
    assert "missed" not in account


def test_records_that_came_back_from_the_quarantine_are_an_event() -> None:
    some = reports()
    some.requeued(7)
    assert reported(some) == [("edge-1", {"event": EventKind.REQUEUED, "records": 7})]


def test_a_start_that_a_spool_gave_up_is_reported_again() -> None:
    own = BlockSchema(Origin("edge-1", "press-1", "collection"), "events", EVENT_POINTS)
    row = (int(EventKind.STARTED), 60.0, 60.0, 0, 0, 0, 0, 0, "")
    some = reports()
    some.dropped(lost([encode_record(Poll(START, (Reading(own, START, row),)))]))
    [_, event] = reported(some)
    assert event == ("press-1", {"event": EventKind.STARTED, "start_ago_s": 61, "duration_s": 60})


def test_losses_are_reported_again_until_the_report_of_them_is_durable() -> None:
    some = reports()
    some.dropped(lost([polled(START)]))
    assert not some.losses_durable({})
    waiting = some.drain()
    for offset, one in enumerate(waiting):
        some.appended(one, Record(7, offset, b""))
    last = len(waiting) - 1
    assert not some.losses_durable({7: IntervalSet([(last, last + 5)])})
    assert some.losses_durable({7: IntervalSet([(last + 1, last + 5)])})
    assert some.losses_durable({8: IntervalSet([(0, 5)])})


def test_the_time_between_two_readings_around_a_correction_of_the_clock_is_reported() -> None:
    some = reports()
    some.started()
    some.drain()
    before, after = EpochTag(5, TimeTrust.HELD, 1000), EpochTag(9, TimeTrust.KNOWN, 61_000)
    for time_ms, tag in ((START, before), (START + 500, before), (START + 61_500, after)):
        one = poll(time_ms)._replace(epoch=tag)
        some.record_poll(one, [one])
    [event] = [points for _, points in reported(some) if points.get("event") == EventKind.CORRECTED]
    assert event["duration_s"] == 2.0  # a second between the readings, and the margin
