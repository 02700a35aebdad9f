"""The pipeline keeps every poll until it is durable, and one odd source never stops the others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import pytest

from gateway.accounting.accounting_source import AccountingSource
from gateway.delivery.delivery import Delivery
from gateway.delivery.limits import Limits
from gateway.delivery.outbox import Outbox
from gateway.interfaces import DropReport, Equipment, ExpectedPolls, Processor, Record
from gateway.pipeline import Pipeline
from gateway.processors.select import PointSelector
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.accounting import EventKind
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading, Reason
from qilu.contract.record_codec import decode_record
from qilu.contract.topics import Lane
from qilu.runtime.backoff import Backoff

STORE = "the-store"


class Room:
    """A test double of an enter-and-leave part."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Counting(Room):
    """A source that counts up to `most` as fast as it may; it breaks at `bug`."""

    def __init__(self, name: str, most: int, bug: int | None = None) -> None:
        self.name = name
        self.busy = False
        self._columns = BlockSchema(Origin("edge-1", name, "test"), "fast", ("counter", "spare"))
        self._most = most
        self._bug = bug
        self._next = 0

    def columns(self) -> Sequence[BlockSchema]:
        return (self._columns,)

    def expected(self) -> Sequence[ExpectedPolls]:
        return [ExpectedPolls(self._columns.origin, self._columns.group, 1.0, 2)]

    async def polls(self) -> AsyncGenerator[Poll]:
        while self._next < self._most:
            number, self._next = self._next, self._next + 1
            if number == self._bug:
                raise ZeroDivisionError("a bug")
            yield Poll(number, (Reading(self._columns, number, (number, 0)),))
            await asyncio.sleep(0)
        await asyncio.Event().wait()


class StoppedClock:
    """It is always the same moment."""

    def stamp(self, series: Hashable) -> int:
        return 10**6

    def tag(self) -> EpochTag | None:
        return None

    def set_spool_blocked(self, blocked: bool) -> None:
        return None


class NoReports:
    """Counts nothing and reports nothing."""

    name = "reports"

    async def polls(self) -> AsyncGenerator[Poll]:
        await asyncio.Event().wait()
        yield Poll(0, ())

    def started(self) -> None: ...
    def requeued(self, records: int) -> None: ...
    def blocked(self, blocked: bool) -> None: ...
    def record_poll(self, poll: Poll, kept: Sequence[Poll]) -> None: ...
    def appended(self, poll: Poll, record: Record) -> None: ...
    def dropped(self, dropped: DropReport, in_flight: int = 0) -> None: ...
    def drained(self) -> None: ...
    def stopped(self) -> None: ...

    def losses_durable(self, pending: Mapping[int, IntervalSet]) -> bool:
        return False

    def drain(self) -> Sequence[Poll]:
        return ()


class Cloud(Room):
    """A sink with its ingester and store: fails to connect `refusals` times, loses what `loses` says."""

    def __init__(self, refusals: int = 0, loses: Callable[[Lane, Record], bool] | None = None) -> None:
        self.stored: dict[tuple[int, int], Poll] = {}
        self.sends: list[tuple[Lane, list[int]]] = []
        self._refusals = refusals
        self._loses = loses or (lambda lane, record: False)
        self._answers: asyncio.Queue[Ack | Announcement] = asyncio.Queue(100)

    async def __aenter__(self) -> Self:
        if self._refusals:
            self._refusals -= 1
            raise UnreachableError("nobody there")
        return self

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        self.sends.append((lane, [record.offset for record in records]))
        kept = [record for record in records if not self._loses(lane, record)]
        for record in kept:
            self.stored[record.stream, record.offset] = decode_record(record.body)
        offsets = IntervalSet.of(record.offset for record in kept)
        if offsets:
            await self._answers.put(Ack(STORE, "i", records[0].stream, durable=offsets))
        return {}

    async def acks(self) -> AsyncGenerator[Ack | Announcement]:
        while True:
            yield await self._answers.get()

    def counters(self, device: str) -> list[int]:
        return sorted(
            value
            for poll in self.stored.values()
            for reading in poll.readings
            if poll.origin.device == device and isinstance(value := reading.values[0], int)
        )


def pipeline(
    tmp_path: Path,
    sources: Sequence[Equipment],
    cloud: Cloud,
    processors: Sequence[Processor] = (),
    limits: Limits | None = None,
) -> Pipeline:
    spool = DiskSpool(SpoolSettings(directory=tmp_path, min_free_disk=0), "edge-1")
    quick = Backoff(Random(0), first=0.001, max_s=0.001)
    outbox = Outbox([STORE], Random(0), limits)
    delivery = Delivery(spool, cloud, outbox, linger=0.001, backoff=quick, clock=time.monotonic)
    return Pipeline(
        sources=list(sources),
        processors=list(processors),
        spool=spool,
        delivery=delivery,
        reports=NoReports(),
        clock=StoppedClock(),
        sync=0.01,
        backoff=lambda: Backoff(Random(0), first=0.001, max_s=0.001),
    )


async def run_until(whole: Pipeline, done: Callable[[], bool]) -> None:
    """Run until `done`, then stop and drain."""
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(whole.run(stop, grace=10))
        while not done():
            await asyncio.sleep(0.005)
        stop.set()


async def test_every_poll_reaches_the_store_and_the_spool_is_empty_at_the_end(tmp_path: Path) -> None:
    cloud = Cloud()
    whole = pipeline(tmp_path, [Counting("a", 300), Counting("b", 200)], cloud)
    await run_until(whole, lambda: whole.tally.polls == 500)
    assert cloud.counters("a") == list(range(300))
    assert cloud.counters("b") == list(range(200))
    assert not any(whole.spool.pending().values())
    assert whole.tally.points == 1000


async def test_what_was_polled_while_nobody_was_there_arrives_when_somebody_is(tmp_path: Path) -> None:
    cloud = Cloud(refusals=20)
    whole = pipeline(tmp_path, [Counting("a", 100)], cloud)
    await run_until(whole, lambda: len(cloud.stored) == 100)
    assert {lane for lane, _ in cloud.sends} == {Lane.BACKLOG}


async def test_records_lost_on_the_way_are_sent_again_on_the_backlog_lane(tmp_path: Path) -> None:
    limits = Limits(message=300, reorder_timeout=0.01, ack_timeout=0.05)
    cloud = Cloud(loses=lambda lane, record: lane is Lane.LIVE and record.offset % 3 == 0)
    whole = pipeline(tmp_path, [Counting("a", 60)], cloud, limits=limits)
    await run_until(whole, lambda: whole.tally.polls == 60)
    assert cloud.counters("a") == list(range(60))
    assert Lane.BACKLOG in {lane for lane, _ in cloud.sends}


async def test_what_a_stopped_gateway_left_is_delivered_by_the_next_one(tmp_path: Path) -> None:
    away = pipeline(tmp_path, [Counting("a", 50)], Cloud(refusals=10**6))
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(away.run(stop, grace=0))
        while away.tally.polls < 50:
            await asyncio.sleep(0.005)
        stop.set()
    cloud = Cloud()
    await run_until(pipeline(tmp_path, [], cloud), lambda: len(cloud.stored) == 50)
    assert cloud.counters("a") == list(range(50))


async def test_a_bug_in_one_source_marks_its_points_and_leaves_the_others_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = Cloud()
    whole = pipeline(tmp_path, [Counting("odd", 20, bug=7), Counting("sound", 200)], cloud)
    await run_until(whole, lambda: whole.tally.polls == 220)
    assert cloud.counters("sound") == list(range(200))
    assert cloud.counters("odd") == [number for number in range(20) if number != 7]
    bad = [
        reading
        for poll in cloud.stored.values()
        for reading in poll.readings
        if reading.reasons and poll.origin.device == "odd"
    ]
    assert [list(reading.reasons.values()) for reading in bad] == [[Reason.INTERNAL_ERROR] * 2]
    assert "ZeroDivisionError" in caplog.text


async def test_what_a_processor_leaves_out_is_counted(tmp_path: Path) -> None:
    cloud = Cloud()
    whole = pipeline(tmp_path, [Counting("a", 10)], cloud, processors=[PointSelector(["counter"])])
    await run_until(whole, lambda: whole.tally.polls == 10)
    assert whole.tally.suppressed_points == 10
    assert cloud.counters("a") == list(range(10))


class Absurd(Counting):
    """Its first point says what a broken float64 or a counter that was unwrapped too often may say."""

    async def polls(self) -> AsyncGenerator[Poll]:
        async for poll in super().polls():
            number = int(poll.due_ms)
            value = 1.7976931348623157e308 if number % 2 else 2**64
            yield Poll(number, (Reading(self._columns, number, (value, number)),))


async def test_a_value_that_no_store_can_keep_is_bad_and_its_neighbours_arrive(tmp_path: Path) -> None:
    cloud = Cloud()
    whole = pipeline(tmp_path, [Absurd("a", 10)], cloud)
    await run_until(whole, lambda: whole.tally.polls == 10)
    found = [poll.readings[0] for _, poll in sorted(cloud.stored.items())]
    assert [reading.values for reading in found] == [(None, number) for number in range(10)]
    assert all(reading.reasons == {0: Reason.OUT_OF_LIMITS} for reading in found)


class Slow(Counting):
    """In the middle of its second turn until `may_continue`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 2)
        self.go_on = asyncio.Event()

    async def polls(self) -> AsyncGenerator[Poll]:
        async for poll in super().polls():
            if poll.due_ms == 1:
                self.busy = True
                await self.go_on.wait()
            yield poll


async def test_a_turn_that_is_under_way_when_the_gateway_stops_is_kept(tmp_path: Path) -> None:
    """And a source that waits for its next turn, in an hour perhaps, is not waited for."""
    cloud, slow, idle = Cloud(), Slow("slow"), Counting("idle", 1)
    whole, stop = pipeline(tmp_path, [slow, idle], cloud), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(whole.run(stop, grace=10))
        while not slow.busy or whole.tally.polls < 2:
            await asyncio.sleep(0.005)
        stop.set()
        await asyncio.sleep(0.05)
        slow.go_on.set()
    assert cloud.counters("slow") == [0, 1]


async def test_a_turn_that_does_not_end_is_not_waited_for_without_end(tmp_path: Path) -> None:
    slow = Slow("slow")
    whole, stop = replace(pipeline(tmp_path, [slow], Cloud()), shutdown_grace=0.01), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(whole.run(stop, grace=10))
        while not slow.busy:
            await asyncio.sleep(0.005)
        stop.set()
    assert whole.tally.polls == 1


async def test_what_an_earlier_run_gave_up_is_reports_seen_until_it_is_on_its_way(tmp_path: Path) -> None:
    line = {"stream": "7", "records": 3, "offsets": "0-2", "reason": "max_age", "from_ms": 1, "to_ms": 2}
    journal = tmp_path / "dropped.jsonl"
    journal.write_text(json.dumps({"qilu": 1} | line | {"dropped_ms": 3}) + "\n")
    for expected in (1, 0):
        cloud = Cloud()
        edge = Origin("edge-1", "edge-1", "gateway")
        reports = AccountingSource(edge, {}, lambda series: 10**6, every_ms=1000, down_since_ms=None)
        whole = replace(pipeline(tmp_path, [], cloud), reports=reports)
        await run_until(whole, lambda: "reported_ms" in journal.read_text())
        events = [poll.readings[0].values for poll in cloud.stored.values()]
        assert [values[3] for values in events if values[0] == EventKind.DROPPED] == [3] * expected


class Refusing(Cloud):
    """It rejects everything."""

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        return {record.offset: Refusal(AckCode.BAD_VALUE, "no") for record in records}


class Full(DiskSpool):
    """Its disk takes no copy of the first record."""

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> IntervalSet:
        return super().quarantine(stream, rejected).difference(IntervalSet([(0, 0)]))


async def test_only_rejected_records_that_were_set_aside_are_reported_as_rejected(tmp_path: Path) -> None:
    """The others are sent, and rejected, again at the next start: they would be counted twice."""
    source, reported = Counting("one", 5), list[int]()
    spool = Full(SpoolSettings(directory=tmp_path, min_free_disk=0), "edge-1")
    delivery = Delivery(
        spool, Refusing(), Outbox([STORE], Random(0)), linger=0.001, backoff=Backoff(Random(0)),
        clock=time.monotonic,
        rejected=lambda records, _reason, _values: reported.extend(record.offset for record in records),
    )  # fmt: skip
    whole = replace(pipeline(tmp_path, [source], Cloud()), spool=spool, delivery=delivery)
    await run_until(whole, lambda: len(reported) >= 4)
    assert reported == [1, 2, 3, 4]


async def test_a_spool_that_was_full_before_and_gave_nothing_up_has_nothing_in_its_journal(
    tmp_path: Path,
) -> None:
    """The end of the earlier run is told as a stretch of time, and no record was lost in it."""
    cloud, edge = Cloud(), Origin("edge-1", "edge-1", "gateway")
    reports = AccountingSource(
        edge, {}, lambda series: 10**6, every_ms=1000, down_since_ms=10**6 - 5, blocked_since_ms=10**6 - 10
    )
    whole = replace(pipeline(tmp_path, [], cloud), reports=reports)
    await run_until(whole, lambda: not reports.has_open_losses and bool(cloud.stored))
    events = [poll.readings[0].values for poll in cloud.stored.values()]
    assert EventKind.DROPPED in [values[0] for values in events]
    assert not (tmp_path / "dropped.jsonl").exists()
