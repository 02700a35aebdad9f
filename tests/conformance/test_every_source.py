"""What every source promises, and what every source that talks to equipment promises besides.

A new protocol adds a `Bench`: its source with a far side that replies, is silent or refuses.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Literal, Protocol

import pytest

from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.daily_source import DescriptionSource
from gateway.accounting.schedule_source import ScheduleSource
from gateway.diagnosis.view import GatewayView
from gateway.edge_info import EdgeInfoSource
from gateway.health import POINTS, StatusSource
from gateway.interfaces import Equipment, Source
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Poll
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.peer import Line, Peer, dial_in_memory, normal
from tests.support.virtual_time import virtual_time

FarSide = Literal["replies", "is silent", "refuses connections", "closes connections"]
GONE: Sequence[FarSide] = ("is silent", "refuses connections", "closes connections")
ORIGIN = Origin("edge-1", "edge-1", "gateway")
PROFILE = DeviceProfile.model_validate(
    {
        "profile": "meter",
        "groups": {"fast": 1.0, "slow": 4.0},
        "points": [
            {"name": f"p{address}", "table": "holding", "address": address, "type": "uint16", "group": group}
            for group, addresses in (("fast", (0, 1, 2, 300)), ("slow", (400, 401)))
            for address in addresses
        ],
    }
)


class Bench(Protocol):
    """Equipment of one protocol on virtual time, two devices with `PROFILE`."""

    source: Equipment

    def become(self, far_side: FarSide) -> None: ...


class ModbusBench:
    """Two units behind one endpoint."""

    def __init__(self, url: str) -> None:
        self._far_side: FarSide = "replies"
        self._peer = Peer(self._behave, refuses=lambda: self._far_side == "refuses connections")
        settings = ModbusSettings.model_validate(
            {
                "type": "modbus",
                "url": url,
                "timeout": 0.1,
                "devices": [
                    {"device": f"meter-{unit}", "unit_id": unit, "profile": "meter"} for unit in (1, 2)
                ],
            }
        )
        self._peer.framing = settings.endpoint.framing
        setups = [
            DeviceSetup(device, PROFILE, Origin("edge-1", device.device, "meter"))
            for device in settings.devices
        ]
        timebase = Timebase(1.8e9, asyncio.get_running_loop().time())
        self.source: Equipment = ModbusSource(
            settings, setups, timebase, Random(7), dial=dial_in_memory(self._peer)
        )

    def become(self, far_side: FarSide) -> None:
        self._far_side = far_side
        if far_side != "replies":
            for line in self._peer.lines:
                line.reset()

    def _behave(self, line: Line, asked: object) -> None:
        if self._far_side == "replies":
            normal(line, asked)  # type: ignore[arg-type]
        elif self._far_side == "closes connections":
            line.end()


BENCHES: Mapping[str, Callable[[], Bench]] = {
    "modbus-tcp": lambda: ModbusBench("tcp://10.0.0.1"),
    "modbus-rtu-over-tcp": lambda: ModbusBench("rtu+tcp://10.0.0.1"),
}
every_equipment = pytest.mark.parametrize("make", BENCHES.values(), ids=BENCHES.keys())


async def polled(source: Source, seconds: float) -> list[Poll]:
    """All that it yields in so many seconds."""
    found: list[Poll] = []
    async with aclosing(source.polls()) as polls:
        try:
            async with asyncio.timeout(seconds):
                async for poll in polls:
                    found.append(poll)  # noqa: PERF401 - the time-out ends it
        except TimeoutError:
            pass
    return found


def points_of(poll: Poll) -> Counter[str]:
    return Counter(point for reading in poll.readings for point in reading.columns.points)


def bad(poll: Poll) -> bool:
    """Whether each of its values is none, and has a reason."""
    return all(
        value is None and index in reading.reasons
        for reading in poll.readings
        for index, value in enumerate(reading.values)
    )


def good(poll: Poll) -> bool:
    return not any(reading.reasons for reading in poll.readings)


# --- equipment


@every_equipment
@virtual_time
async def test_every_expected_value_arrives_once_in_each_poll_and_as_often_as_expected(
    make: Callable[[], Bench],
) -> None:
    source = make().source
    async with source:
        polls = await polled(source, 40.0)
    expected = {(group.origin.device, group.group): group for group in source.expected()}
    assert len(expected) == 4
    for (device, name), group in expected.items():
        own = [
            poll for poll in polls if poll.origin.device == device and poll.readings[0].columns.group == name
        ]
        assert abs(len(own) - 40 / group.period) <= 1
        assert all(good(poll) for poll in own)
        for poll in own:
            assert points_of(poll).total() == len(points_of(poll)) == group.points
            assert all(reading.columns.origin == group.origin for reading in poll.readings)


@every_equipment
@virtual_time
async def test_its_columns_are_all_that_it_is_expected_to_read(make: Callable[[], Bench]) -> None:
    source = make().source
    found = Counter(
        (columns.origin.device, columns.group, point)
        for columns in source.columns()
        for point in columns.points
    )
    assert set(found.values()) == {1}
    counted = Counter((device, group) for device, group, _ in found)
    assert counted == {(one.origin.device, one.group): one.points for one in source.expected()}


@every_equipment
@pytest.mark.parametrize("far_side", GONE)
@virtual_time
async def test_without_its_equipment_every_expected_value_is_bad_and_then_good_again(
    make: Callable[[], Bench], far_side: FarSide
) -> None:
    bench = make()
    async with bench.source as source:
        before = await polled(source, 10.0)
        bench.become(far_side)
        away = await polled(source, 60.0)
        bench.become("replies")
        await polled(source, 120.0)  # the pauses between its attempts have an upper bound
        after = await polled(source, 10.0)
    assert all(map(good, before))
    assert all(map(bad, away))
    assert all(map(good, after))
    assert {poll.origin.device for poll in away} == {"meter-1", "meter-2"}
    assert {points_of(poll).total() for poll in away} == {4, 2}
    expected = sum(60.0 / group.period for group in source.expected())
    assert abs(len(away) + sum(poll.skipped for poll in away) - expected) <= len(source.expected())


@every_equipment
@virtual_time
async def test_equipment_that_was_never_there_does_not_end_its_source(make: Callable[[], Bench]) -> None:
    bench = make()
    bench.become("refuses connections")
    async with bench.source as source:
        polls = await polled(source, 20.0)
    assert polls
    assert all(map(bad, polls))


@every_equipment
@virtual_time
async def test_the_times_of_a_series_rise_and_so_do_the_polls_of_a_group(make: Callable[[], Bench]) -> None:
    bench = make()
    async with bench.source as source:
        polls = await polled(source, 10.0)
        for far_side in GONE:
            bench.become(far_side)
            polls += await polled(source, 20.0)
    due: dict[tuple[str, str], list[int]] = {}
    times: dict[tuple[str, str, str], list[int]] = {}
    for poll in polls:
        device, group = poll.origin.device, poll.readings[0].columns.group
        due.setdefault((device, group), []).append(poll.due_ms)
        for reading in poll.readings:
            for point in reading.columns.points:
                times.setdefault((device, group, point), []).append(reading.time_ms)
    for rising in (*due.values(), *times.values()):
        assert all(one < other for one, other in itertools.pairwise(rising))


@every_equipment
@virtual_time
async def test_it_can_be_entered_again_and_leaves_no_task_behind(make: Callable[[], Bench]) -> None:
    source = make().source
    before = asyncio.all_tasks()
    for _ in range(3):
        async with source:
            polls = await polled(source, 5.0)
            assert polls
            assert all(map(good, polls))
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert not source.busy


@every_equipment
@virtual_time
async def test_it_is_busy_while_a_reply_is_due_and_not_while_it_waits(make: Callable[[], Bench]) -> None:
    bench = make()
    async with bench.source as source:
        seen: set[bool] = set()
        bench.become("is silent")
        polling = asyncio.create_task(polled(source, 60.0))
        for _ in range(500):
            seen.add(source.busy)
            await asyncio.sleep(0.01)
        while not source.busy:
            await asyncio.sleep(0.01)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        assert seen == {False, True}
        assert not source.busy


# --- every source


def _status(stamp: Callable[[object], int]) -> Source:
    return StatusSource(ORIGIN, 1.0, lambda: dict.fromkeys(POINTS, 0.0), stamp)


def _schedule(stamp: Callable[[object], int]) -> Source:
    with_two_groups = ModbusBench("tcp://10.0.0.1").source.expected()
    return ScheduleSource(with_two_groups, 60.0, stamp)


def _descriptions(stamp: Callable[[object], int]) -> Source:
    return DescriptionSource([(BlockSchema(ORIGIN, "point_info", ("force",)), ("{}",))], stamp)


def _reports(stamp: Callable[[object], int]) -> Source:
    reports = AccountingSource(ORIGIN, {}, stamp, every_ms=1000, down_since_ms=None)
    reports.started()
    return reports


INTERNAL: Mapping[str, Callable[[Callable[[object], int]], Source]] = {
    "status": _status,
    "schedule": _schedule,
    "descriptions": _descriptions,
    "edge info": lambda stamp: EdgeInfoSource(
        ORIGIN, "1.2.3", "0123abcd", lambda: GatewayView("edge-1", 0), 10.0, stamp
    ),
    "reports": _reports,
}


@pytest.mark.parametrize("make", INTERNAL.values(), ids=INTERNAL.keys())
@virtual_time
async def test_a_source_about_the_gateway_itself_yields_whole_polls_until_it_is_cancelled(
    make: Callable[[Callable[[object], int]], Source],
) -> None:
    moments = itertools.count(1000)
    source = make(lambda _: next(moments))
    assert source.name
    polls = await polled(source, 90_000.0)
    assert polls
    for poll in polls:
        for reading in poll.readings:
            assert reading.columns.origin.edge == "edge-1"
            assert len(reading.values) == len(reading.columns.points)
            assert reading.time_ms == poll.due_ms
    again: AsyncGenerator[Poll] = source.polls()
    waiting = asyncio.ensure_future(anext(again))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await again.aclose()
    assert len(asyncio.all_tasks()) == 1
