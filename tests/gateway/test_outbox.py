"""The outbox frees only what a trusted store has for good, and sends the rest again: rule by rule.

What holds whatever happens is in test_outbox_histories.py.
"""

from __future__ import annotations

from random import Random

import pytest

from gateway.delivery.limits import Limits
from gateway.delivery.outbox import LONGEST_HORIZON, Outbox
from gateway.interfaces import Record
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet

OURS, OTHERS = "our-store", "a-stranger's-store"
LIMITS = Limits(message=250, queue=600, live_window=600, backlog_window=300, horizon=30)


def records(count: int, stream: int = 1) -> list[Record]:
    return [Record(stream, offset, b"x" * 100) for offset in range(count)]


def test_a_live_record_never_waits_for_the_backlog() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    pending = {1: IntervalSet([(0, 999)])}
    outbox.link_up()
    while outbox.next_backlog(pending) is not None:
        wanted = outbox.next_backlog(pending)
        assert wanted is not None
        outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in wanted[1].take(1)], 0)
    outbox.appended(Record(1, 1000, b"x" * 100))
    assert [record.offset for record in outbox.next_live(0)] == [1000]


def test_what_was_sent_in_vain_begins_anywhere() -> None:
    starts = set()
    for seed in range(20):
        outbox = Outbox([OURS], Random(seed), LIMITS)
        outbox.link_up()
        for record in records(6):
            outbox.appended(record)
        while outbox.next_live(0):
            pass
        outbox.expire(LIMITS.ack_timeout)
        wanted = outbox.next_backlog({1: IntervalSet([(0, 5)])})
        assert wanted is not None
        starts.add(wanted[1].first())
    assert len(starts) > 2


def test_the_oldest_of_the_backlog_goes_first() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    wanted = outbox.next_backlog({7: IntervalSet([(3, 9)]), 8: IntervalSet([(0, 5)])})
    assert wanted == (7, IntervalSet([(3, 9)]))


def test_a_record_overtaken_by_a_stored_one_is_sent_again_before_silence() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    pending = {1: IntervalSet([(0, 1)])}
    for at, record in enumerate(records(2)):
        outbox.appended(record)
        outbox.next_live(at)
    outbox.ack_received(Ack(OURS, "i", 1, stored=IntervalSet([(1, 1)])), pending, 2)
    outbox.expire(LIMITS.reorder_timeout + 1)
    assert outbox.next_backlog(pending) == (1, IntervalSet([(0, 0)]))


def test_a_lost_link_takes_everything_that_was_on_its_way_back_to_the_backlog() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    for record in records(9):
        outbox.appended(record)
    outbox.next_live(0)
    outbox.link_down()
    assert (outbox.queued, outbox.unacknowledged, outbox.backlog({1: IntervalSet([(0, 8)])})) == (0, 0, 9)


def test_a_rejection_opens_the_window_and_sets_aside_only_what_is_kept() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    (record,) = records(1)
    outbox.appended(record)
    outbox.next_live(0)
    no = Refusal(AckCode.BAD_VALUE, "no")
    freed = outbox.ack_received(Ack(OURS, "i", 1, rejected={0: no, 7: no}), {1: IntervalSet([(0, 0)])}, 1)
    assert (outbox.unacknowledged, freed.rejected) == (0, {0: no})


def test_what_was_sent_before_an_ingester_came_is_sent_again_at_once() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    pending = {1: IntervalSet([(0, 1)])}
    first, second = records(2)
    outbox.appended(first)
    outbox.next_live(0)
    outbox.sent_backlog([second], 0)
    outbox.announced(Announcement("i", OTHERS, 5.0), 0)
    assert outbox.unacknowledged == 2
    outbox.announced(Announcement("i", OURS, 5.0), 0)
    assert (outbox.unacknowledged, outbox.backlog(pending)) == (0, 2)


def test_a_flood_of_announcements_triggers_one_resend_a_minute() -> None:
    """They are not signed: any client that may publish them could make an edge send for ever."""
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    pending = {1: IntervalSet([(0, 0)])}
    resent = 0
    for second in range(180):
        for again in range(10):
            if outbox.next_backlog(pending) is not None:
                outbox.sent_backlog(records(1), second)
            outbox.announced(Announcement(f"i{second}", OURS, 5.0, f"run {second} {again}"), second)
            resent += not outbox.unacknowledged
    assert resent == 3


def test_an_announcement_that_came_too_soon_is_followed_when_the_minute_is_over() -> None:
    limits = Limits(ack_timeout=1000, reorder_timeout=1000)
    outbox = Outbox([OURS], Random(0), limits)
    outbox.link_up()
    for second in (0, 1):
        outbox.sent_backlog(records(1), second)
        outbox.announced(Announcement("i", OURS, 5.0), second)
    outbox.expire(59)
    assert outbox.unacknowledged == 1
    outbox.expire(60)
    assert outbox.unacknowledged == 0


def test_stored_but_never_durable_is_sent_again_after_two_announced_horizons() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    outbox.announced(Announcement("i", OURS, 5.0), 0)
    pending = {1: IntervalSet([(0, 0)])}
    outbox.appended(records(1)[0])
    outbox.next_live(0)
    outbox.ack_received(Ack(OURS, "i", 1, stored=IntervalSet([(0, 0)])), pending, 1)
    outbox.expire(10.9)
    assert outbox.next_backlog(pending) is None
    outbox.expire(11)
    assert outbox.next_backlog(pending) == (1, IntervalSet([(0, 0)]))


@pytest.mark.parametrize("horizon", [1e308, float("inf"), 3601.0])
def test_no_announced_horizon_is_longer_than_an_hour(horizon: float) -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    outbox.link_up()
    outbox.announced(Announcement("i", OURS, horizon), 0)
    pending = {1: IntervalSet([(0, 0)])}
    outbox.appended(records(1)[0])
    outbox.next_live(0)
    outbox.ack_received(Ack(OURS, "i", 1, stored=IntervalSet([(0, 0)])), pending, 0)
    outbox.expire(2 * LONGEST_HORIZON - 1)
    assert outbox.next_backlog(pending) is None
    outbox.expire(2 * LONGEST_HORIZON)
    assert outbox.next_backlog(pending) == (1, IntervalSet([(0, 0)]))


def test_an_answer_that_claims_more_than_exists_costs_nothing() -> None:
    outbox = Outbox([OURS], Random(0), LIMITS)
    claim = IntervalSet([(0, 10**15)])
    freed = outbox.ack_received(Ack(OURS, "i", 1, claim, claim), {1: IntervalSet([(2, 3)])}, 0)
    assert freed.durable == IntervalSet([(2, 3)])


def test_the_windows_open_by_what_was_answered() -> None:
    outbox = Outbox([OURS], Random(0), Limits(message=100, live_window=200))
    outbox.link_up()
    for record in records(3):
        outbox.appended(record)
    sent = [outbox.next_live(0) for _ in range(3)]
    assert [len(batch) for batch in sent] == [1, 1, 0]
    outbox.ack_received(Ack(OURS, "i", 1, stored=IntervalSet([(0, 0)])), {1: IntervalSet([(0, 2)])}, 1)
    assert [record.offset for record in outbox.next_live(1)] == [2]
    assert outbox.tally.sent == 3


def test_a_record_that_is_answered_while_it_is_queued_is_not_sent_and_holds_no_window() -> None:
    outbox = Outbox([OURS], Random(0), Limits(message=100, live_window=100, horizon=30))
    outbox.link_up()
    pending = {1: IntervalSet([(0, 2)])}
    for record in records(3):
        outbox.appended(record)
    assert [record.offset for record in outbox.next_live(0)] == [0]
    freed = outbox.ack_received(Ack(OURS, "i", 1, IntervalSet([(1, 1)]), IntervalSet([(2, 2)])), pending, 0)
    pending[1].subtract(freed.durable)
    assert (outbox.queued, outbox.backlog(pending)) == (0, 0)
    outbox.expire(60)  # the first was sent in vain, of the second the store never said that it is safe
    assert outbox.next_live(60) == []
    while (wanted := outbox.next_backlog(pending)) is not None:
        outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in wanted[1]], 60)
    pending[1].subtract(outbox.ack_received(Ack(OURS, "i", 1, durable=pending[1]), pending, 61).durable)
    assert (pending[1], outbox.unacknowledged) == (IntervalSet(), 0)
    assert sum(outbox._in_flight._window.values()) == 0


def test_what_the_outbox_remembers_does_not_grow_with_the_backlog() -> None:
    outbox, dice = Outbox([OURS], Random(0), LIMITS), Random(1)
    pending = {1: IntervalSet([(0, 19_999)])}
    outbox.link_up()
    most, now = 0, 0.0
    while pending[1]:
        now += 1
        outbox.expire(now)
        while (wanted := outbox.next_backlog(pending)) is not None:
            some = wanted[1].take(2)
            outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in some], now)
            if dice.random() < 0.9:  # the others are lost
                pending[1].subtract(
                    outbox.ack_received(Ack(OURS, "i", 1, durable=some), pending, now).durable
                )
        places = outbox._streams[1]
        kept = len(outbox._stored) + len(list(places.not_backlog.runs())) + len(list(places.retry.runs()))
        most = max(most, outbox.unacknowledged + kept)
    assert most < 50
