"""What a store defers stays at the edge, is sent again later and later, and stops nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from gateway.delivery.delivery import Delivery
from gateway.delivery.limits import Limits
from gateway.delivery.outbox import Outbox, Release
from gateway.delivery.resend import request_resend, take_resend_request
from gateway.interfaces import Record
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.runtime.backoff import Backoff
from tests.gateway.test_lanes import Timed, body
from tests.gateway.test_pipeline import STORE
from tests.support.memory_spool import MemorySpool
from tests.support.virtual_time import virtual_time

MINUTE, HOUR = 60.0, 3600.0
FULL = AckCode.STORE_LIMIT


def deferred(offsets: IntervalSet, code: AckCode = FULL, store: str = STORE) -> Ack:
    return Ack(store, "i", 1, deferred={code: offsets})


class Edge:
    """An outbox with records of one stream, all of which were sent live."""

    def __init__(self, count: int, limits: Limits | None = None) -> None:
        self.outbox = Outbox([STORE], Random(0), limits)
        self.outbox.link_up()
        self.pending = {1: IntervalSet([(0, count - 1)])}
        for offset in range(count):
            self.outbox.appended(Record(1, offset, b"x" * 100))
        while self.outbox.next_live(0):
            pass

    def ack_received(self, ack: Ack, now: float) -> Release:
        freed = self.outbox.ack_received(ack, self.pending, now)
        for gone in (freed.durable, IntervalSet.of(freed.rejected)):
            self.pending[1].subtract(gone)
        return freed

    def due(self, now: float, count: int | None = None) -> IntervalSet:
        """What is sent again now, at most `count`; it counts as sent."""
        found = self.outbox.next_deferred(self.pending, now)
        if found is None:
            return IntervalSet()
        some = found[1] if count is None else found[1].take(count)
        self.outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in some], now)
        return some


def test_deferred_records_wait_a_minute_then_twice_as_long_each_time_up_to_an_hour() -> None:
    edge, now, waits = Edge(3), 0.0, []
    edge.ack_received(deferred(IntervalSet([(0, 2)])), now)
    for _ in range(9):
        began = now
        while not edge.due(now):
            assert edge.outbox.next_backlog(edge.pending) is None
            now += 1.0
        waits.append(now - began)
        edge.ack_received(deferred(IntervalSet([(0, 2)])), now)
    for wait, least in zip(waits, (60, 120, 240, 480, 960, 1920, 3600, 3600, 3600), strict=True):
        assert least <= wait <= least * 1.125 + 1
    assert edge.outbox.deferred(edge.pending) == {FULL: 3}
    assert edge.outbox.tally.deferred == 30


def test_a_new_run_of_a_trusted_ingester_makes_deferred_records_due_at_once() -> None:
    edge = Edge(2)
    edge.outbox.announced(Announcement("i", STORE, 0.0, "run 1"), -MINUTE)
    edge.ack_received(deferred(IntervalSet([(0, 1)])), 0.0)
    edge.outbox.announced(Announcement("i", STORE, 0.0, "run 1"), 0)  # retained: the edge connected again
    edge.outbox.announced(Announcement("x", "another store", 0.0, "run 2"), 0)
    assert not edge.due(1.0)
    edge.outbox.announced(Announcement("i", STORE, 0.0, "run 2"), 0)
    assert edge.due(1.0) == IntervalSet([(0, 1)])


def test_a_request_makes_deferred_records_due_at_once_and_does_not_shorten_the_next_wait() -> None:
    edge = Edge(1)
    edge.ack_received(deferred(IntervalSet([(0, 0)])), 0.0)
    edge.outbox.resend()
    assert edge.due(1.0)
    edge.ack_received(deferred(IntervalSet([(0, 0)])), 1.0)
    assert not edge.due(1.0 + MINUTE + 10)
    assert edge.due(1.0 + 2 * MINUTE + 15)


def test_what_was_deferred_and_lost_on_its_way_again_waits_as_a_deferred_record() -> None:
    edge = Edge(1)
    edge.ack_received(deferred(IntervalSet([(0, 0)])), 0.0)
    assert edge.due(2 * MINUTE)
    edge.outbox.link_down()
    edge.outbox.link_up()
    assert edge.outbox.next_backlog(edge.pending) is None
    assert edge.due(2 * MINUTE)
    edge.outbox.expire(2 * MINUTE + 30)  # nobody answered
    assert edge.outbox.next_backlog(edge.pending) is None
    assert edge.due(2 * MINUTE + 30)


def test_records_that_are_stored_or_rejected_later_wait_no_more() -> None:
    edge = Edge(4)
    edge.ack_received(deferred(IntervalSet([(0, 3)])), 0.0)
    edge.ack_received(Ack(STORE, "i", 1, IntervalSet([(0, 0)]), IntervalSet([(1, 1)])), 1.0)
    edge.ack_received(Ack(STORE, "i", 1, rejected={2: Refusal(AckCode.BAD_VALUE, "x")}), 1.0)
    assert edge.due(2 * MINUTE) == IntervalSet([(3, 3)])


def test_a_record_that_is_stored_but_in_doubt_is_deferred_and_sent_again() -> None:
    edge = Edge(1)
    edge.ack_received(Ack(STORE, "i", 1, stored=IntervalSet([(0, 0)])), 0.0)
    edge.ack_received(deferred(IntervalSet([(0, 0)]), AckCode.STORE_IN_DOUBT), 90.0)
    edge.outbox.expire(1000.0)
    assert edge.outbox.next_backlog(edge.pending) is None
    assert edge.due(1000.0) == IntervalSet([(0, 0)])


def test_a_store_that_is_not_trusted_defers_nothing() -> None:
    edge = Edge(1)
    edge.ack_received(deferred(IntervalSet([(0, 0)]), store="another store"), 0.0)
    assert edge.outbox.unacknowledged == 1
    assert not edge.outbox.deferred(edge.pending)


def test_records_that_the_spool_gave_up_are_not_sent_again() -> None:
    edge = Edge(6)
    edge.ack_received(deferred(IntervalSet([(0, 5)])), 0.0)
    edge.pending[1].remove(0, 3)
    assert edge.outbox.deferred(edge.pending) == {FULL: 2}
    assert edge.due(2 * MINUTE) == IntervalSet([(4, 5)])


def test_where_a_backlog_waits_deferred_records_are_a_tenth_of_what_is_sent() -> None:
    edge = Edge(40, Limits(backlog_window=10_000))
    edge.ack_received(deferred(IntervalSet([(0, 39)])), 0.0)
    edge.pending[1].add(40, 9_999)
    sent = {"deferred": 0, "backlog": 0}
    for _ in range(1000):
        offsets = edge.outbox.next_deferred(edge.pending, HOUR)
        kind = "backlog" if offsets is None else "deferred"
        if offsets is None:
            offsets = edge.outbox.next_backlog(edge.pending)
        assert offsets is not None
        some = offsets[1].take(5)
        edge.outbox.sent_backlog([Record(1, offset, b"x" * 100) for offset in some], HOUR)
        sent[kind] += len(some)
        answer = deferred(some) if kind == "deferred" else Ack(STORE, "i", 1, durable=some)
        edge.ack_received(answer, HOUR)
        edge.outbox.resend()
    assert sent["backlog"] >= 9 * sent["deferred"] - 50
    assert sent["deferred"] >= sent["backlog"] / 9 - 50, "they are starved"


def test_no_more_than_a_tenth_of_the_backlog_window_is_on_its_way_again() -> None:
    edge = Edge(100)
    edge.ack_received(deferred(IntervalSet([(0, 99)])), 0.0)
    assert edge.due(HOUR, 50)
    assert not edge.due(HOUR), "the first of them are not answered yet"
    assert edge.outbox.limits.deferred_window == edge.outbox.limits.backlog_window // 10


class Deferring(Timed):
    """A sink whose store defers every third record while it is `full`, and whose transport refuses none."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True
        self.durable: list[int] = []

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        now = asyncio.get_running_loop().time()
        self.sends.append((now, lane, sum(len(record.body) for record in records)))
        some = IntervalSet.of(record.offset for record in records if self.full and record.offset % 3 == 0)
        rest = IntervalSet.of(record.offset for record in records).difference(some)
        self.durable += rest
        await self._answers.put(Ack(STORE, "i", records[0].stream, durable=rest, deferred={FULL: some}))
        return {}


@virtual_time
async def test_a_gateway_keeps_deferred_records_delivers_the_others_and_names_the_remedy(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    clock, quick = asyncio.get_running_loop().time, Backoff(Random(0), first=0.001, max_s=0.001)
    sink = Deferring()
    reported: list[tuple[str, list[int]]] = []
    async with MemorySpool() as spool:
        outbox = Outbox([STORE], Random(0))
        delivery = Delivery(
            spool, sink, outbox, linger=0.1, backoff=quick, clock=clock,
            resend_requested=lambda: take_resend_request(tmp_path),
            deferred=lambda records, code: reported.append((code, [record.offset for record in records])),
        )  # fmt: skip
        running = asyncio.create_task(delivery.run())
        for number in range(300):
            record = spool.append(body(number))
            assert record is not None
            delivery.appended(record)
            await asyncio.sleep(1)
        [kept] = spool.pending().values()
        assert kept == IntervalSet.of(range(0, 300, 3))
        assert sorted(sink.durable) == [number for number in range(300) if number % 3]
        assert outbox.deferred(spool.pending()) == {FULL: 100}
        lines = [one.message for one in caplog.records if "deferred as" in one.message]
        assert 4 <= len(lines) <= 6, "one line a minute"
        assert "deferred as store_limit" in lines[-1]
        assert FULL.summary in lines[-1]
        assert FULL.remedy in lines[-1]
        assert "no store acknowledged" not in caplog.text
        again = [size for _, lane, size in sink.sends if lane is Lane.BACKLOG]
        assert max(again) <= outbox.limits.deferred_window
        sink.full = False
        request_resend(tmp_path)
        await asyncio.sleep(70)
        assert not kept
        assert len(reported) <= 7, "once a minute"
        known = [offset for _, offsets in reported for offset in offsets]
        assert known == sorted(set(known)), "each of them once"
        assert len(known) > 80
        assert {code for code, _ in reported} == {"store_limit"}
        assert not take_resend_request(tmp_path)
        running.cancel()
        await asyncio.wait([running])
    assert sorted(sink.durable) == list(range(300))


class Narrow(Timed):
    """A transport that is too narrow for one record, and then for none."""

    wide = False

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        if not self.wide and records[0].offset == 0:
            return {0: Refusal(AckCode.TOO_LARGE, "packet too large")}
        return await super().send(lane, records)


@virtual_time
async def test_a_record_too_large_for_the_broker_is_kept_until_the_limit_is_raised() -> None:
    clock, quick = asyncio.get_running_loop().time, Backoff(Random(0), first=0.001, max_s=0.001)
    sink = Narrow()
    async with MemorySpool() as spool:
        outbox = Outbox([STORE], Random(0), Limits(message=1000))
        delivery = Delivery(spool, sink, outbox, linger=0.1, backoff=quick, clock=clock)
        for number in range(3):
            assert spool.append(body(number))
        running = asyncio.create_task(delivery.run())
        await asyncio.sleep(30)
        assert spool.pending()[spool.stream] == IntervalSet([(0, 0)])
        assert outbox.deferred(spool.pending()) == {AckCode.TOO_LARGE: 1}
        sink.wide = True
        await asyncio.sleep(70)
        assert not spool.pending()[spool.stream]
        running.cancel()
        await asyncio.wait([running])
