"""Whoever sets the wall clock, and whenever: times are true again soon, and no two samples share one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.timekeeping.clock_file import read_saved
from gateway.timekeeping.doubt import EARLIEST, STEADY_S
from gateway.timekeeping.time_synchronisation import NEVER
from qilu.contract.accounting import EventKind
from qilu.contract.reading import Reason, TimeTrust
from qilu.runtime.monotonic_utc import ClockStep
from tests.gateway.edge_box import NOW, Box, Plant, assert_times_hold
from tests.support.virtual_time import virtual_time

HOUR, DAY = 3600.0, 86_400.0
NEAR = 0.2
"""Seconds by which a time may be wrong that was made or corrected with a true clock."""


def set_by(box: Box, seconds: float) -> None:
    box.wrong_s += seconds


def test_a_clock_that_is_right_delays_nothing(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        plant = Plant(tmp_path, Box())
        await plant.run(3)
        await plant.run(3)
        assert len(plant.samples("a")) >= 55
        assert all(abs(error) < NEAR for error in plant.errors().values())
        assert all(reason is None for _, _, reason in plant.samples("a"))
        assert plant.events(EventKind.CLOCK_STEPPED) == []

    scene()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 2.0, -2.0])
def test_a_clock_that_is_set_right_makes_times_true_and_costs_no_sample(
    tmp_path: Path, seconds: float
) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=-seconds)
        plant = Plant(tmp_path, box)
        await plant.run(60, (10.5, lambda: set_by(box, seconds)))
        assert_times_hold(plant)
        errors = plant.errors()
        assert len(errors) > 580
        assert all(abs(error + seconds) < NEAR for number, error in errors.items() if number < 100)
        assert all(abs(error) < NEAR for number, error in errors.items() if number > 120)
        assert all(reason is None for _, _, reason in plant.samples("a"))
        assert plant.events(EventKind.CLOCK_STEPPED) == [pytest.approx(seconds, abs=0.1)]

    scene()


@pytest.mark.parametrize("days", [40.0, 400.0, -3.0])
@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("killed", [False, True])
def test_a_clock_that_is_wrong_for_seconds_falsifies_nothing(
    tmp_path: Path, days: float, away: bool, killed: bool
) -> None:
    """Attacks 02a, 02b and 02c: 40 or 400 days ahead for 5 s, with and without an outage or a restart."""

    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box)
        plant.cloud.away = away
        wrong, right = (10.3, lambda: set_by(box, days * DAY)), (15.3, lambda: set_by(box, -days * DAY))
        if killed:
            await plant.run(13, wrong)
            box.wrong_s = 0.0
            await plant.run(60)
        else:
            await plant.run(73, wrong, right)
        plant.cloud.away = False
        await plant.run(40)
        assert_times_hold(plant)
        errors = plant.errors()
        assert len(errors) > 1100
        assert all(abs(error) < NEAR for error in errors.values())
        assert all(reason is None for _, _, reason in plant.samples("a"))
        assert plant.events(EventKind.CLOCK_STEPPED) == []

    scene()


def test_times_of_a_clock_that_was_wrong_for_a_week_are_true_within_a_minute_of_its_being_right(
    tmp_path: Path,
) -> None:
    """Attack 02b: they ran on 400 days ahead at half speed, over each restart, in silence."""

    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=400 * DAY)
        plant = Plant(tmp_path, box)
        await plant.run(20)
        box.wrong_s = 0.0
        first = len(plant.taken)
        await plant.run(60)
        await plant.run(20)
        assert_times_hold(plant)
        assert all(abs(error) < NEAR for number, error in plant.errors().items() if number >= first)
        assert len(plant.errors()) > 950

    scene()


def test_what_is_saved_is_saved_again_where_the_folder_was_removed(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box, file = Box(), tmp_path / "spool" / "clock"
        file.parent.mkdir()
        clock = box.clock(file)
        watching = asyncio.create_task(clock.run())
        await asyncio.sleep(5)
        shutil.rmtree(file.parent)
        await asyncio.sleep(5)
        file.parent.mkdir()
        clock.open_again()
        await asyncio.sleep(5.5)
        saved = read_saved(file)
        assert saved is not None
        assert saved.alive_ms == pytest.approx((NOW + 15) * 1000, abs=100)
        file.unlink()
        await asyncio.sleep(1)
        assert read_saved(file) is not None
        watching.cancel()

    scene()


def test_a_first_boot_two_years_slow_is_put_right_before_anything_is_sent(tmp_path: Path) -> None:
    """Attack 03b."""

    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=-2 * 365 * DAY)
        plant = Plant(tmp_path, box)
        await plant.run(80, (20.4, lambda: set_by(box, 2 * 365 * DAY)))
        assert_times_hold(plant)
        assert len(plant.errors()) > 780
        assert all(abs(error) < NEAR for error in plant.errors().values())
        assert all(reason is None for _, _, reason in plant.samples("a"))

    scene()


def test_a_time_service_is_waited_for_at_a_first_start_and_no_longer_than_clock_hold(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=-2 * DAY)
        box.service = NEVER
        plant = Plant(tmp_path, box, period=1.0, hold_s=120.0)
        await plant.run(100)
        assert plant.cloud.stored == {}
        early: list[int] = []
        await plant.run(200, (15.0, lambda: early.append(len(plant.cloud.stored))))
        assert early == [0]  # not even the reports of a gateway that was stopped in doubt
        marked = plant.samples("a")
        assert len(marked) > 290
        assert {reason for _, _, reason in marked} == {Reason.CLOCK_UNCERTAIN}
        box.service = 1
        set_by(box, 2 * DAY)
        first = len(plant.taken) + 40
        await plant.run(100)
        assert_times_hold(plant)
        later = {number: error for number, error in plant.errors().items() if number >= first}
        assert len(later) > 50
        assert all(abs(error) < NEAR for error in later.values())
        assert {reason for number, _, reason in plant.samples("a") if number >= first} == {None}

    scene()


@pytest.mark.parametrize("days", [40.0, -3.0])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_wrong_and_stays_so_is_not_believed_beside_a_time_service(
    tmp_path: Path, days: float, restarts: bool
) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box()
        box.service = 1
        plant = Plant(tmp_path, box, period=1.0, hold_s=120.0)
        await plant.run(40)
        wrong_from = len(plant.taken)
        if restarts:
            set_by(box, days * DAY)
            await plant.run(100)
            await plant.run(100)
        else:
            await plant.run(200, (0.3, lambda: set_by(box, days * DAY)))
        known = {number for number, _, reason in plant.samples("a") if reason is None}
        assert known <= set(range(wrong_from + 2))  # none of the others is good
        assert max(number for number, _, _ in plant.samples("a")) > wrong_from + 150

        def synchronised() -> None:
            set_by(box, -days * DAY)
            box.service = 2

        right_from = len(plant.taken) + 45
        await plant.run(100, (5.3, synchronised))
        assert_times_hold(plant)
        later = {number: error for number, error in plant.errors().items() if number >= right_from}
        assert len(later) > 40
        assert all(abs(error) < NEAR for error in later.values())
        assert {reason for number, _, reason in plant.samples("a") if number >= right_from} == {None}

    scene()


@pytest.mark.parametrize("by_service", [True, False])
def test_beside_a_time_service_a_clock_is_believed_that_it_set_or_that_was_set_back(
    tmp_path: Path, by_service: bool
) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=DAY if by_service else 0.0)
        box.service = 1
        plant = Plant(tmp_path, box, period=1.0)

        def synchronised() -> None:
            set_by(box, -DAY)
            box.service = 2

        if by_service:
            await plant.run(80, (10.3, synchronised))
        else:
            await plant.run(80, (10.3, lambda: set_by(box, DAY)), (20.3, lambda: set_by(box, -DAY)))
        assert_times_hold(plant)
        times = plant.samples("a")
        assert {reason for _, _, reason in times} == {None}
        assert len(times) > 70
        assert all(abs(error) < NEAR for number, error in plant.errors().items() if number > 12)

    scene()


@pytest.mark.parametrize(("heals", "restarts"), [(True, False), (True, True), (False, False)])
def test_without_a_time_service_a_clock_that_stood_long_is_given_up_for_one_that_stands_as_long(
    tmp_path: Path, heals: bool, restarts: bool
) -> None:
    """A clock that is set wrong, stays so for a minute and heals had falsified half of that minute."""

    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box, period=1.0, hold_s=120.0)
        await plant.run(130)
        wrong_from, sent = len(plant.taken), list[int]()
        wrong = (0.3, lambda: set_by(box, 3 * DAY))
        looked = (99.0, lambda: sent.append(max(number for number, _, _ in plant.samples("a"))))
        healed = (100.3, lambda: set_by(box, -3 * DAY if heals else 0.0))
        if restarts:
            await plant.run(20, wrong)
            await plant.run(140, looked, healed)
        else:
            await plant.run(160, wrong, looked, healed)
        assert sent[0] <= wrong_from + 1
        assert_times_hold(plant)
        errors = plant.errors()
        assert len(errors) > 270
        assert {reason for _, _, reason in plant.samples("a")} == {None}
        if heals:
            assert all(abs(error) < NEAR for error in errors.values())
        else:
            later = [error for number, error in errors.items() if number > wrong_from + 1]
            assert all(abs(error - 3 * DAY) < NEAR for error in later)

    scene()


def test_records_of_a_boot_that_is_over_are_sent_as_uncertain(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=-40 * 365 * DAY)
        plant = Plant(tmp_path, box)
        await plant.run(20)
        assert plant.cloud.stored == {}
        first = len(plant.taken)
        box.wrong_s = 0.0
        box.reboot()
        await plant.run(60)
        assert_times_hold(plant)
        for number, time_ms, reason in plant.samples("a"):
            assert reason is (Reason.CLOCK_UNCERTAIN if number < first else None)
            assert time_ms >= EARLIEST * 1000
        assert all(abs(error) < NEAR for number, error in plant.errors().items() if number >= first)
        assert len(plant.samples("a")) > 780

    scene()


def test_what_was_sent_keeps_its_time_also_when_it_is_sent_again(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box)
        plant.cloud.lost = True  # taken, and never answered
        await plant.run(60, (5.3, lambda: set_by(box, HOUR)), (9.3, lambda: set_by(box, -HOUR + 1)))
        sent = len(plant.cloud.sent)
        assert sent > 1000
        await plant.run(60, (5.0, lambda: set_by(box, -HOUR)))
        plant.cloud.lost = False
        await plant.run(60)
        assert len(plant.cloud.stored) > 3500
        assert_times_hold(plant)

    scene()


def test_restarts_in_doubt_continue_one_epoch(tmp_path: Path) -> None:
    """Twelve restarts within half a minute once used up the grids: later records got times 13 s too late."""

    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box)
        await plant.run(40)
        box.wrong_s = 9.0
        first = len(plant.taken)
        for _ in range(12):
            await plant.run(4.2)
        await plant.run(60)
        assert_times_hold(plant)
        stored = {number: reason for number, _, reason in plant.samples("a") if number >= first}
        assert len(stored) > 1000
        assert set(stored.values()) == {None}
        errors = [error - 9.0 for number, error in plant.errors().items() if number >= first]
        assert max(map(abs, errors)) < 2 * NEAR  # the first times after a restart are a little late

    scene()


def test_a_gateway_that_restarts_again_and_again_waits_no_longer_than_clock_hold(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box()
        plant = Plant(tmp_path, box, period=1.0, hold_s=100.0)
        await plant.run(40)
        first = len(plant.taken)
        for number in range(12):
            box.wrong_s = 10.0 + number
            await plant.run(20)
        assert_times_hold(plant)
        uncertain = [number for number, _, reason in plant.samples("a") if reason is Reason.CLOCK_UNCERTAIN]
        assert len(uncertain) > 150
        assert min(uncertain) - first < 25

    scene()


def test_times_before_2025_are_never_believed(tmp_path: Path) -> None:
    @virtual_time
    async def scene() -> None:
        box = Box(wrong_s=-NOW)
        clock = box.clock(tmp_path / "clock", hold_s=50.0)

        async def trusts(seconds: int) -> list[TimeTrust]:
            found = []
            for _ in range(seconds):
                await asyncio.sleep(1)
                clock.check()
                found.append(clock.trust)
            return found

        assert (await trusts(60)).index(TimeTrust.UNCERTAIN) == 49
        box.wrong_s = 0.0
        assert (await trusts(60)).index(TimeTrust.KNOWN) == STEADY_S
        assert abs(clock.now_ms() / 1000 - box.true()) < NEAR

    scene()


WRONG = [0.0, 0.0, HOUR, -HOUR, 2.0, -2.0, 0.3, 400 * DAY, -3 * DAY]


@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(
            st.floats(20, 100),
            st.lists(st.tuples(st.floats(1, 99), st.sampled_from(WRONG)), max_size=3),
            st.sampled_from(["kill", "kill", "boot"]),
            st.booleans(),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_no_steps_restarts_and_outages_make_times_meet_or_stay_wrong(
    runs: list[tuple[float, list[tuple[float, float]], str, bool]],
) -> None:
    """Each run: how long, when the clock is wrong by how much, how it ends, whether the cloud is away."""

    @virtual_time
    async def scene(directory: Path) -> None:
        box = Box()
        plant = Plant(directory, box, period=1.0)
        right_since = box.true()
        true_from: list[tuple[float, float]] = []  # between these times the clock was right

        def become(wrong_s: float) -> None:
            nonlocal right_since
            if box.wrong_s == 0.0 and wrong_s != 0.0:
                true_from.append((right_since, box.true()))
            if box.wrong_s != 0.0 and wrong_s == 0.0:
                right_since = box.true()
            box.wrong_s = wrong_s

        for seconds, steps, end, away in runs:
            plant.cloud.away = away
            happens = [
                (after, lambda wrong_s=wrong_s: become(wrong_s))
                for after, wrong_s in sorted(steps)
                if after < seconds
            ]
            await plant.run(seconds, *happens)
            if end == "boot":
                box.reboot()
        plant.cloud.away = False
        become(0.0)
        last_run = box.true()
        await plant.run(100)
        true_from.append((right_since, box.true()))
        assert_times_hold(plant)
        stored = plant.samples("a")
        assert len(stored) >= len(plant.taken) - plant.runs - 1  # a kill may cost the sample of its moment
        errors = plant.errors()
        for number, _, reason in stored:
            taken = plant.taken[number].true_s
            settled = any(begin + 60 <= taken <= end for begin, end in true_from)
            known = plant.taken[number].trust is TimeTrust.KNOWN  # else a wrong clock may be believed later
            if settled and known and reason is None:
                assert abs(errors[number]) < 1.0
            if taken > last_run + 60:
                assert settled
                assert reason is None

    with TemporaryDirectory() as directory:
        scene(Path(directory))


async def test_the_folder_of_a_first_start_is_waited_for_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "spool" / "clock"
    clock = Clock(file, wall=lambda: NOW, monotonic=lambda: 0.0, service=lambda: None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(clock.run(), name="clock")
        await asyncio.sleep(0)
        file.parent.mkdir()
        async with asyncio.timeout(60):
            while not file.exists():
                await asyncio.sleep(0.01)
        running.cancel()
    assert caplog.records == []


@virtual_time
async def test_a_step_is_logged_and_known_when_the_clock_was_steady(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box()
    clock = box.clock(tmp_path / "clock")
    assert clock.alive_ms is None
    steps: list[ClockStep] = []
    clock.listen(on_step=[steps.append])
    await asyncio.sleep(1)
    set_by(box, -HOUR)
    clock.check()
    assert not clock.deciding
    assert clock.now_ms() == round((NOW + 1) * 1000)
    assert "the wall clock was set by -3600.0 s" in caplog.text
    assert "the time is in doubt: records are kept and not sent" in caplog.text
    for _ in range(int(STEADY_S)):
        assert steps == []
        await asyncio.sleep(1)
        clock.check()
    assert steps == [ClockStep(round((NOW + 1) * 1000), -HOUR)]
    assert clock.trust is TimeTrust.KNOWN


@virtual_time
async def test_since_when_the_spool_takes_nothing_is_known_to_the_next_run_and_the_one_after(
    tmp_path: Path,
) -> None:
    file, box = tmp_path / "clock", Box()
    for _ in range(2):
        clock = box.clock(file)
        watching = asyncio.create_task(clock.run())
        await asyncio.sleep(10)
        clock.set_spool_blocked(True)
        await asyncio.sleep(10)
        clock.set_spool_blocked(True)
        watching.cancel()
        await asyncio.wait((watching,))
    clock = box.clock(file)
    assert clock.blocked_ms == (NOW + 10) * 1000
    assert clock.alive_ms is not None
    assert clock.alive_ms >= (NOW + 40) * 1000
    clock.set_spool_blocked(False)
    watching = asyncio.create_task(clock.run())
    await asyncio.sleep(1)
    watching.cancel()
    await asyncio.wait((watching,))
    assert box.clock(file).blocked_ms is None


@virtual_time
async def test_the_offset_is_what_the_systems_clock_is_ahead_of_the_times_of_readings(tmp_path: Path) -> None:
    box = Box()
    clock = box.clock(tmp_path / "clock")
    assert clock.wall_offset_s == pytest.approx(0, abs=NEAR)
    set_by(box, 30.0)
    assert clock.wall_offset_s == pytest.approx(30, abs=NEAR)
