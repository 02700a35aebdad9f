"""Whoever sets the wall clock, and whenever: no two samples of a series share or swap their times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.completeness.reports import Reports
from gateway.delivery import Delivery
from gateway.outbox import Outbox
from gateway.pipeline import Pipeline, Tally
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.completeness import EventKind
from qilu.contract.reading import Columns, Origin, Poll, Reading, Reason
from qilu.runtime.backoff import Backoff
from qilu.runtime.timebase import ClockStep
from tests.gateway.test_pipeline import STORE, Cloud, Room
from tests.support.virtual_time import virtual_time

NOW = 1_764_000_000.0
HOUR = 3600.0


class Box:
    """An edge whose wall clock anybody may set; it runs with the time of the loop."""

    def __init__(self, wall: float = NOW) -> None:
        self.offset = wall - self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.monotonic() + self.offset

    def clock(self, file: Path) -> Clock:
        return Clock(file, wall=self.wall, monotonic=self.monotonic)


class Numbers(Room):
    """Counts up ten times a second, in two series."""

    name = "numbers"
    busy = False

    def __init__(self, clock: Clock, first: int) -> None:
        self._clock = clock
        self.next = first

    def columns(self) -> Sequence[Columns]:
        return [Columns(Origin("edge-1", "press-1", "test"), group, ("number",)) for group in ("a", "b")]

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            for columns in self.columns():
                time_ms = self._clock.stamp(columns.group)
                yield Poll(time_ms, (Reading(columns, time_ms, (self.next,)),))
            self.next += 1
            await asyncio.sleep(0.1)


class Plant:
    """A gateway that is run again and again over one directory; its cloud remembers everything."""

    def __init__(self, directory: Path, box: Box) -> None:
        self.cloud = Cloud()
        self._directory = directory
        self._box = box
        self._next = 0

    async def run(self, seconds: float, *meanwhile: tuple[float, Callable[[], None]]) -> None:
        """One process; `meanwhile`: after so many seconds something happens. It ends without a goodbye."""
        clock = self._box.clock(self._directory / "clock")
        numbers = Numbers(clock, self._next)
        spool = DiskSpool(SpoolSettings(directory=self._directory, min_free=0), "edge-1")
        quick = Backoff(Random(0), first=0.01, most=0.01)
        monotonic = self._box.monotonic
        origins = {"press-1": numbers.columns()[0].origin}
        edge = Origin("edge-1", "edge-1", "gateway")
        reports = Reports(edge, origins, clock.stamp, every_ms=1000, down_since_ms=clock.alive_ms)
        clock.told = reports.stepped
        delivery = Delivery(
            spool, self.cloud, Outbox([STORE], Random(0)), linger=0.05, backoff=quick, clock=monotonic
        )
        pipeline = Pipeline(
            sources=[numbers],
            processors=[],
            spool=spool,
            delivery=delivery,
            tally=Tally(),
            sync=0.2,
            backoff=lambda: quick,
            stamp=clock.stamp,
            unsure=clock.unsure,
            own=[reports],
            reports=reports,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(clock.run()),
                    tasks.create_task(pipeline.run(asyncio.Event(), 0)),
                ]
                begun = monotonic()
                for after, happens in meanwhile:
                    await asyncio.sleep(begun + after - monotonic())
                    happens()
                await asyncio.sleep(begun + seconds - monotonic())
                for task in running:
                    task.cancel()
        finally:
            self._next = numbers.next + 1

    def samples(self, group: str) -> list[tuple[int, int, Reason | None]]:
        """Number, time and reason of a series, in the order in which they were polled."""
        found = []
        for poll in self.cloud.stored.values():
            [reading] = poll.readings
            value = reading.values[0]
            if reading.columns.group == group and isinstance(value, int):
                found.append((value, reading.time_ms, reading.reasons.get(0)))
        return sorted(found)

    def events(self, kind: EventKind) -> list[float]:
        """The lengths of the events of this kind (s)."""
        return [
            length
            for poll in self.cloud.stored.values()
            for reading in poll.readings
            if reading.columns.group == "events" and reading.values[0] == kind
            if isinstance(length := reading.values[2], float)
        ]


def assert_in_order(plant: Plant) -> None:
    for group in ("a", "b"):
        times = [time_ms for _, time_ms, _ in plant.samples(group)]
        assert len(times) > 10
        assert all(before < after for before, after in pairwise(times))


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 2.0, -2.0])
def test_a_step_is_an_event_and_costs_no_sample(tmp_path: Path, seconds: float) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box)
        await plant.run(20, (5.35, lambda: setattr(box, "offset", box.offset + seconds)))
        await plant.run(5)
        assert_in_order(plant)
        assert plant.events(EventKind.CLOCK_STEPPED) == [pytest.approx(seconds)]
        unsure = [number for number, _, reason in plant.samples("a") if reason is Reason.CLOCK_UNSURE]
        assert bool(unsure) == (seconds < 0)
        if seconds == -2:
            assert 20 <= len(unsure) <= 60  # made up for at half speed
        assert all(reason in (None, Reason.CLOCK_UNSURE) for _, _, reason in plant.samples("a"))

    scene()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_while_nobody_runs_swaps_nothing(tmp_path: Path, seconds: float) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box)
        await plant.run(5.5)
        box.offset += seconds
        await plant.run(5.5)
        assert_in_order(plant)
        marked = {reason for number, _, reason in plant.samples("a") if number > 60}
        assert marked == ({None} if seconds > 0 else {Reason.CLOCK_UNSURE})

    scene()


def test_a_box_without_a_battery_is_uncertain_until_it_is_put_right(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wall=1000.0)
        plant = Plant(tmp_path, box)
        await plant.run(10, (5.0, lambda: setattr(box, "offset", NOW)))
        assert_in_order(plant)
        samples = plant.samples("a")
        for _, time_ms, reason in samples:
            assert (reason is Reason.CLOCK_UNSURE) == (time_ms < NOW * 1000) or time_ms < NOW * 1000 + 2000
        assert samples[0][2] is Reason.CLOCK_UNSURE
        assert samples[-1][2] is None

    scene()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1, 6), st.floats(0.1, 0.9), st.sampled_from([-HOUR, -1.5, -0.3, 0.3, 2.0, HOUR]),
                  st.booleans()),
        min_size=2, max_size=6,
    )
)  # fmt: skip
def test_no_steps_and_restarts_make_times_meet(runs: list[tuple[float, float, float, bool]]) -> None:
    @virtual_time
    async def scene(directory: Path) -> None:
        box = Box()
        plant = Plant(directory, box)
        for seconds, share, step, while_running in runs:

            def happens(step: float = step) -> None:
                box.offset += step

            if while_running:
                await plant.run(seconds, (seconds * share, happens))
            else:
                happens()
                await plant.run(seconds)
        assert_in_order(plant)

    with TemporaryDirectory() as directory:
        scene(Path(directory))


async def test_the_folder_of_a_first_start_is_waited_for_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "spool" / "clock"
    clock = Clock(file, wall=lambda: NOW, monotonic=lambda: 0.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(clock.run(), name="clock")
        await asyncio.sleep(0)
        file.parent.mkdir()
        async with asyncio.timeout(10):
            while not file.exists():
                await asyncio.sleep(0.01)
        running.cancel()
    assert caplog.records == []


async def test_a_clock_tells_how_long_nobody_ran(tmp_path: Path) -> None:
    steps: list[ClockStep] = []
    wall, passed = [NOW], [0.0]
    clock = Clock(tmp_path / "clock", wall=lambda: wall[0], monotonic=lambda: passed[0])
    assert clock.alive_ms is None
    assert not clock.unsure()
    clock.told = steps.append
    wall[0], passed[0] = NOW + 1 - HOUR, 1.0
    clock.look()
    assert [step.seconds for step in steps] == [-HOUR]
    assert clock.unsure()
    assert clock.now_ms() == (NOW + 1) * 1000


@virtual_time
async def test_since_when_the_spool_takes_nothing_is_known_to_the_next_run_and_the_one_after(
    tmp_path: Path,
) -> None:
    file, box = tmp_path / "clock", Box()
    for _ in range(2):
        clock = box.clock(file)
        watching = asyncio.create_task(clock.run())
        await asyncio.sleep(10)
        clock.blocked(True)
        await asyncio.sleep(10)
        clock.blocked(True)
        watching.cancel()
        await asyncio.wait((watching,))
    clock = box.clock(file)
    assert clock.blocked_ms == (NOW + 10) * 1000
    assert clock.alive_ms is not None
    assert clock.alive_ms >= (NOW + 40) * 1000
    clock.blocked(False)
    watching = asyncio.create_task(clock.run())
    await asyncio.sleep(1)
    watching.cancel()
    assert box.clock(file).blocked_ms is None


def test_a_mark_of_a_version_that_knew_nothing_of_blocked_spools_is_understood(tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(b"001764000000000.")
    clock = Clock(tmp_path / "clock", wall=lambda: NOW + HOUR, monotonic=lambda: 0.0)
    assert (clock.alive_ms, clock.blocked_ms) == (1764000000000, None)
