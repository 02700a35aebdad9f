"""A gateway whose wall clock a test sets, run over one directory again and again; the true time is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple, Self
from uuid import UUID

from gateway.accounting.accounting_source import AccountingSource
from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.interfaces import ExpectedPolls, Record
from gateway.pipeline import Pipeline, Tally
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.accounting import EventKind
from qilu.contract.ack_codes import Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, TimeTrust
from qilu.contract.topics import Lane
from qilu.runtime.backoff import Backoff
from tests.gateway.test_pipeline import STORE, Cloud, Room

NOW = 1_764_000_000.0


class Box:
    """An edge with a wall clock that is wrong by `wrong_s`; true time goes with the loop."""

    def __init__(self, wrong_s: float = 0.0) -> None:
        self.wrong_s = wrong_s
        self.boot = UUID(int=1)
        self.service: int | None = None
        self._loop = asyncio.get_running_loop()
        self._begin = self._booted = self._loop.time()

    def reboot(self) -> None:
        self.boot = UUID(int=self.boot.int + 1)
        self._booted = self._loop.time() - 1.0

    def monotonic(self) -> float:
        return self._loop.time() - self._booted

    def true(self) -> float:
        return NOW + self._loop.time() - self._begin

    def wall(self) -> float:
        return self.true() + self.wrong_s

    def clock(self, file: Path, hold_s: float = 600.0) -> Clock:
        return Clock(
            file,
            boot=self.boot,
            hold_s=hold_s,
            wall=self.wall,
            monotonic=self.monotonic,
            service=lambda: self.service,
        )


class Taken(NamedTuple):
    """What a test knows of a sample: when it was truly taken, and in which run and epoch."""

    true_s: float
    run: int
    epoch: int
    trust: TimeTrust


class Numbers(Room):
    """Counts up every `period` seconds, in two series."""

    name = "numbers"
    busy = False

    def __init__(self, clock: Clock, plant: Plant, period: float) -> None:
        self._clock = clock
        self._plant = plant
        self._period = period

    def columns(self) -> Sequence[BlockSchema]:
        return [BlockSchema(Origin("edge-1", "press-1", "test"), group, ("number",)) for group in ("a", "b")]

    def expected(self) -> Sequence[ExpectedPolls]:
        return [ExpectedPolls(one.origin, one.group, self._period, 1) for one in self.columns()]

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            number, tag = len(self._plant.taken), self._clock.tag()
            taken = Taken(self._plant.box.true(), self._plant.runs, tag.number, tag.trust)
            self._plant.taken.append(taken)
            for columns in self.columns():
                time_ms = self._clock.stamp(columns.group)
                yield Poll(time_ms, (Reading(columns, time_ms, (number,)),), epoch=tag)
            await asyncio.sleep(self._period)


class Far(Cloud):
    """A cloud that is away now and then; it remembers what was sent first under each name."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.lost = False
        """Whether it takes records and neither stores nor answers."""
        self.sent: dict[tuple[int, int], bytes] = {}

    async def __aenter__(self) -> Self:
        if self.away:
            raise UnreachableError("away")
        return self

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        if self.away:
            raise UnreachableError("away")
        for record in records:
            assert self.sent.setdefault((record.stream, record.offset), record.body) == record.body
        return {} if self.lost else await super().send(lane, records)


class Plant:
    """The gateway and its cloud, which remembers everything."""

    def __init__(self, directory: Path, box: Box, *, period: float = 0.1, hold_s: float = 600.0) -> None:
        self.cloud = Far()
        self.box = box
        self.taken: list[Taken] = []
        self.runs = 0
        self.spool_records = 0
        self._directory = directory
        self._period = period
        self._hold_s = hold_s

    async def run(self, seconds: float, *meanwhile: tuple[float, Callable[[], None]]) -> None:
        """One process; `meanwhile`: after so many seconds something happens. It ends without a goodbye."""
        self.runs += 1
        box = self.box
        clock = box.clock(self._directory / "clock", self._hold_s)
        numbers = Numbers(clock, self, self._period)
        settings = SpoolSettings(directory=self._directory, min_free_disk=0)
        spool = DiskSpool(
            settings, "edge-1", boot=box.boot, time_authority=clock, clock=box.wall, monotonic=box.monotonic
        )
        quick = Backoff(Random(0), first=1.0, max_s=1.0)
        origins = {"press-1": numbers.columns()[0].origin}
        edge = Origin("edge-1", "edge-1", "gateway")
        reports = AccountingSource(
            edge, origins, clock.stamp, every_ms=5000, down_since_ms=clock.alive_ms, tag=clock.tag
        )
        clock.listen(on_step=[reports.clock_stepped], on_wall_clock_set=[spool.clock_stepped])
        outbox = Outbox([STORE], Random(0))
        delivery = Delivery(spool, self.cloud, outbox, linger=0.05, backoff=quick, clock=box.monotonic)
        pipeline = Pipeline(
            sources=[numbers],
            processors=[],
            spool=spool,
            delivery=delivery,
            tally=Tally(),
            sync=1.0,
            backoff=lambda: quick,
            clock=clock,
            reports=reports,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(clock.run()),
                tasks.create_task(pipeline.run(asyncio.Event(), 0)),
            ]
            begun = asyncio.get_running_loop().time()
            for after, happens in meanwhile:
                await asyncio.sleep(begun + after - asyncio.get_running_loop().time())
                happens()
            await asyncio.sleep(begun + seconds - asyncio.get_running_loop().time())
            self.spool_records = sum(map(len, spool.pending().values()))
            for task in running:
                task.cancel()

    def samples(self, group: str) -> list[tuple[int, int, Reason | None]]:
        """Number, time and reason of a series, in the order in which they were polled."""
        found = []
        for poll in self.cloud.stored.values():
            [reading] = poll.readings
            value = reading.values[0]
            if reading.columns.group == group and isinstance(value, int):
                found.append((value, reading.time_ms, reading.reasons.get(0)))
        return sorted(found)

    def errors(self, group: str = "a") -> dict[int, float]:
        """Number -> by how many seconds the time that the store has of it is wrong."""
        return {
            number: time_ms / 1000 - self.taken[number].true_s for number, time_ms, _ in self.samples(group)
        }

    def events(self, kind: EventKind) -> list[float]:
        """The lengths of the events of this kind (s)."""
        return [
            length
            for poll in self.cloud.stored.values()
            for reading in poll.readings
            if reading.columns.group == "events" and reading.values[0] == kind
            if isinstance(length := reading.values[2], float)
        ]


def assert_times_hold(plant: Plant) -> None:
    """No time twice in a series; rising within each epoch."""
    seen: set[tuple[str, str, str, int]] = set()
    for poll in plant.cloud.stored.values():
        for reading in poll.readings:
            origin = reading.columns.origin
            key = origin.device, origin.profile, reading.columns.group, reading.time_ms
            assert key not in seen, key
            seen.add(key)
    for group in ("a", "b"):
        last: dict[tuple[int, int], int] = {}
        for number, time_ms, _ in plant.samples(group):
            epoch = plant.taken[number].run, plant.taken[number].epoch
            assert time_ms > last.get(epoch, 0)
            last[epoch] = time_ms
