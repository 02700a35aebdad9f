"""What every store promises, of SQLite, a local history, VictoriaMetrics and InfluxDB 1."""

import asyncio
import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from qilu.contract.ack_codes import Family
from qilu.contract.errors import UnreachableError
from qilu.contract.limits import MAX_FLOAT, MAX_TEXT, MAX_TIME_MS
from qilu.contract.point_info import PointInfo, rows
from qilu.contract.reading import BlockSchema, DeviceKey, Origin, Poll, Reading, Reason, Value
from qilu.stores.factory import open_reader, open_store
from qilu.stores.interfaces import DescribedPoint, Device, Reader, Sample, Store
from qilu.stores.settings import InfluxSettings, SqliteSettings, StoreSettings
from qilu.stores.sqlite.history.reader import HistoryReader
from qilu.stores.validation import unstorable_reason
from tests.servers import Influxdb1, VictoriaMetrics
from tests.stores.history.history_store import HistoryStore

START = 1_764_000_000_000
NOBODY = DeviceKey("edge-1", "nobody")
_turn = itertools.count(1)


class Subject:
    """One kind of store under test; `device` is a name that no other test uses."""

    def __init__(self, settings: dict[str, Any], server: VictoriaMetrics | Influxdb1 | None) -> None:
        adapter: TypeAdapter[SqliteSettings | InfluxSettings] = TypeAdapter(StoreSettings)
        self.settings = adapter.validate_python(settings)
        self.server = server
        self.device = f"press-{next(_turn)}"
        self.origin = Origin("edge-1", self.device, "hydraulic-press", "acme", "jinan", "line-a")
        self.columns = BlockSchema(self.origin, "fast", ("force", "state", "running"))

    @property
    def key(self) -> DeviceKey:
        return self.origin.key

    def store(self) -> Store:
        return open_store(self.settings)

    def reader(self) -> Reader:
        return open_reader(self.settings)

    @property
    def has_texts(self) -> bool:
        return not isinstance(self.server, VictoriaMetrics)

    async def settle(self) -> None:
        """What VictoriaMetrics took becomes readable within a second; do not wait for it."""
        if isinstance(self.server, VictoriaMetrics):
            await asyncio.to_thread(self.server.flush)

    def poll(self, time_ms: int, *values: Value, **reasons: Reason) -> Poll:
        points = self.columns.points
        bad = {points.index(point): reason for point, reason in reasons.items()}
        return Poll(time_ms, (Reading(self.columns, time_ms, values, bad),))


class History(Subject):
    """The folder of a local history."""

    def store(self) -> Store:
        return HistoryStore(self.settings.file)  # type: ignore[union-attr]

    def reader(self) -> Reader:
        return HistoryReader(self.settings.file)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def one_victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    with VictoriaMetrics(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def one_influxdb1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxdb1]:
    with Influxdb1(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(params=["sqlite", "history", "victoriametrics", "influxdb1"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """A store of each kind; the servers are shared by the tests of this file."""
    if request.param == "sqlite":
        return Subject({"type": "sqlite", "file": tmp_path / "store.db"}, None)
    if request.param == "history":
        return History({"type": "sqlite", "file": tmp_path / "history"}, None)
    if request.param == "victoriametrics":
        vm: VictoriaMetrics = request.getfixturevalue("one_victoria_metrics")
        return Subject({"type": "influx", "server": "victoriametrics", "url": vm.url}, vm)
    influxdb1: Influxdb1 = request.getfixturevalue("one_influxdb1")
    database = f"plant {next(_turn)}"
    return Subject(
        {"type": "influx", "server": "influxdb1", "url": influxdb1.url, "database": database}, influxdb1
    )


async def test_every_value_reason_and_time_that_is_stored_is_readable(subject: Subject) -> None:
    numbers = [0.0, -1.5, 81.53125, 0.1, 1e-3, 123456789.0, 1e6, -0.0, 1, -7, 4294967295]
    polls = [subject.poll(START + i, number, i, i % 2 == 0) for i, number in enumerate(numbers)]
    polls.append(subject.poll(START + 100, None, 2, True, force=Reason.TIMEOUT))
    polls.append(subject.poll(START + 101, 5.5, 2, True, force=Reason.CLOCK_UNCERTAIN))
    polls.append(subject.poll(START + 102, 9.0, 2, True, force=Reason.OUT_OF_LIMITS))
    polls.append(subject.poll(START + 103, None, None, None))
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write(polls) == {}
        await subject.settle()
        force = await reader.samples(subject.key, "force", START, START + 1000)
        assert force == [
            *(Sample(START + i, number) for i, number in enumerate(numbers)),
            Sample(START + 100, None, Reason.TIMEOUT),
            Sample(START + 101, 5.5, Reason.CLOCK_UNCERTAIN),
            Sample(START + 102, None, Reason.OUT_OF_LIMITS),
            Sample(START + 103, None, Reason.UNDECODABLE),
        ]
        running = await reader.samples(subject.key, "running", START, START + 3)
        assert [sample.value for sample in running] == [1, 0, 1]
        assert await reader.samples(subject.key, "force", START + 1, START + 2) == [Sample(START + 1, -1.5)]
        assert await reader.samples(subject.key, "force", START + 5000, START + 6000) == []
        assert await reader.samples(subject.key, "nothing", START, START + 1000) == []
        assert await reader.samples(NOBODY, "force", START, START + 1000) == []


async def test_numbers_of_every_size_are_kept_to_the_last_bit(subject: Subject) -> None:
    if isinstance(subject.server, VictoriaMetrics):
        pytest.skip("VictoriaMetrics keeps 12 digits, and less beside numbers of another size")
    numbers = [1e-9, 1e16, 3.4028234663852886e38, 5e-324, MAX_FLOAT, -MAX_FLOAT, 2**53, 0.1 + 0.2, -1 / 3]
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write([subject.poll(START + i, n, n, n) for i, n in enumerate(numbers)]) == {}
        found = await reader.samples(subject.key, "force", START, START + 100)
        assert [sample.value for sample in found] == numbers


async def test_every_reason_keeps_its_name(subject: Subject) -> None:
    async with subject.store() as store, subject.reader() as reader:
        await store.write([subject.poll(START + reason.code, None, 1, 1, force=reason) for reason in Reason])
        await subject.settle()
        found = await reader.samples(subject.key, "force", START, START + 100)
        assert [sample.reason for sample in found] == sorted(Reason, key=lambda reason: reason.code)


async def test_a_text_is_kept_where_there_is_a_place_for_it_and_hurts_nothing_elsewhere(
    subject: Subject,
) -> None:
    text = 'over "pressure", \\ 100 % 停机\nsecond line'
    async with subject.store() as store, subject.reader() as reader:
        assert (
            await store.write([subject.poll(START, text, 2, True), subject.poll(START + 1, 1.5, 3, True)])
            == {}
        )
        await subject.settle()
        expected = [Sample(START, text)] if subject.has_texts else []
        found = await reader.samples(subject.key, "force", START, START + 10)
        assert found == [*expected, Sample(START + 1, 1.5)]
        assert [one.value for one in await reader.samples(subject.key, "state", START, START + 10)] == [
            2,
            3,
        ]
        assert await reader.points(subject.key) == ["force", "running", "state"]


BEYOND = [
    *(Poll(START, (Reading(BlockSchema(Origin("e", "d", "p"), "g", ("x",)), START, (value,)),))
      for value in (10**400, -(10**400), 2**64, -(2**63) - 1, 1.7976931348623157e308, math.nan, -math.inf,
                    math.nextafter(MAX_FLOAT, math.inf), "x" * (MAX_TEXT + 1), "\ud800")),
    *(Poll(time_ms, (Reading(BlockSchema(Origin("e", "d", "p"), "g", ("x",)), START, (1.0,)),))
      for time_ms in (-1, 2**63 - 1, -(2**63), 10**400, -(10**400))),
    *(Poll(START, (Reading(BlockSchema(Origin("e", "d", "p"), "g", ("x",)), time_ms, (1.0,)),))
      for time_ms in (-1, 2**63 - 1, -(2**63), -(2**63) + 59_999, 2**63, 10**400, MAX_TIME_MS + 1)),
]  # fmt: skip


async def test_what_is_beyond_the_limits_is_rejected_alike_and_costs_no_other_poll(subject: Subject) -> None:
    """The same code and the same words from every store; a clock or a setting cannot mend any of it."""
    polls = [poll for bad in BEYOND for poll in (bad, subject.poll(START, 1.0, 1, True))]
    async with subject.store() as store, subject.reader() as reader:
        refused = await store.write(polls)
        assert sorted(refused) == list(range(0, len(polls), 2))
        assert {one.family for one in refused.values()} == {Family.REJECTED}
        assert [refused[2 * index] for index in range(len(BEYOND))] == [
            unstorable_reason(bad) for bad in BEYOND
        ]
        assert all(len(one.text) < 200 for one in refused.values())
        await subject.settle()
        found = await reader.samples(subject.key, "force", START, START + 1)
        assert [one.value for one in found] == [1.0]


async def test_writing_twice_leaves_one(subject: Subject) -> None:
    polls = [subject.poll(START + i, float(i), i, True, state=Reason.CLOCK_UNCERTAIN) for i in range(50)]
    async with subject.store() as store, subject.reader() as reader:
        await store.write([*polls, *polls])
        await store.write(polls)
        await subject.settle()
        for point in subject.columns.points:
            found = await reader.samples(subject.key, point, START, START + 100)
            assert [sample.time_ms for sample in found] == [poll.due_ms for poll in polls]
        mean = await reader.samples(subject.key, "force", START, START + 100, every_ms=1000)
        assert mean == [Sample(START, 24.5)]


async def test_a_poll_that_can_never_be_stored_costs_only_itself(subject: Subject) -> None:
    polls = [subject.poll(START + i, float(i), i, True) for i in range(40)]
    polls[7] = subject.poll(START + 7, math.nan, 7, True)
    polls[8] = subject.poll(START + 8, 8.0, math.inf, True)
    polls[9] = subject.poll(START + 9, 1.0)
    polls[10] = subject.poll(START + 10, 10.0, "\ud800", True)
    polls[31] = subject.poll(START + 31, 31.0, 10**400, True)
    polls[32] = subject.poll(2**64, 32.0, 1, True)
    polls[33] = subject.poll(-(2**64), 33.0, 1, True)
    async with subject.store() as store, subject.reader() as reader:
        refused = await store.write(polls)
        assert sorted(refused) == [7, 8, 9, 10, 31, 32, 33]
        assert "'force': nan" in refused[7].text
        assert "'state': inf" in refused[8].text
        assert all(one.text and one.family is Family.REJECTED for one in refused.values())
        await subject.settle()
        found = await reader.samples(subject.key, "force", START, START + 100)
        assert [s.time_ms - START for s in found] == [i for i in range(40) if i not in refused]


NAMES = [
    "温度 1",
    "a b",
    "a,b",
    "a=b",
    "a'b",
    "a\\b",
    "ü{}[]()*.+?^$|",
    "%s %d",
    "-",
    "Ω/m²",
    "$x;--",
    "-- x",
]
STRANGE_NAMES = [
    'a"b',
    '"',
    "\x00",
    "\n",
    "a\nb",
    "\t",
    "x\\",
    "\\",
    "a\\ b",
    "a\\,b",
    "#",
    "",
    "time",
    "site",
]
STRANGE_NAMES += [
    "a__q",
    "a__text",
    "a_b",
    "_",
    "x" * 300,
    "\ud800",
    " ",
    "=",
    ",",
    "\u2028",
    "\x85",
    "__name__",
]


async def test_names_that_nobody_expects_survive(subject: Subject) -> None:
    devices = [f"{subject.device} {name}" for name in NAMES]
    polls = []
    for device in devices:
        origin = Origin("e'd,g=e 1", device, "press-温 ,度", "", '济"南, 山东', "l\\i")
        values = tuple(float(i) for i in range(len(NAMES)))
        columns = BlockSchema(origin, "g", tuple(NAMES))
        polls.append(Poll(START, (Reading(columns, START, values, {3: Reason.CLOCK_UNCERTAIN}),)))
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write(polls) == {}
        await subject.settle()
        found = {device.device: device for device in await reader.devices()}
        for device in devices:
            assert found[device] == Device(device, "press-温 ,度", "e'd,g=e 1", "l\\i", START)
        assert await reader.points(DeviceKey("e'd,g=e 1", devices[0])) == sorted(NAMES)
        for device, (index, name) in itertools.product(devices, enumerate(NAMES)):
            reason = Reason.CLOCK_UNCERTAIN if index == 3 else None
            expected = [Sample(START, float(index), reason)]
            assert await reader.samples(DeviceKey("e'd,g=e 1", device), name, START, START + 1) == expected


async def test_a_name_is_stored_and_readable_or_refused_with_a_reason(subject: Subject) -> None:
    polls = [subject.poll(START, 1.0, 1, True)]
    for name in STRANGE_NAMES:
        device = f"{subject.device}{len(polls)}"
        for origin, point in (
            (Origin("e", f"{device}{name}", "p"), "x"),
            (Origin("e", f"{device}b", f"p{name}"), "x"),
            (Origin("e", f"{device}c", name), "x"),
            (Origin("e", f"{device}d", "p"), name),
            (Origin("e", f"{device}e", "p", line=name), "x"),
        ):
            polls.append(Poll(START, (Reading(BlockSchema(origin, "g", (point,)), START, (1.0,)),)))
    polls.append(subject.poll(START + 1, 2.0, 1, True))
    async with subject.store() as store, subject.reader() as reader:
        refused = await store.write(polls)
        assert not {0, len(polls) - 1} & refused.keys()
        assert all(one.text for one in refused.values())
        await subject.settle()
        for index, poll in enumerate(polls[1:-1], 1):
            if index not in refused:
                columns = poll.readings[0].columns
                found = await reader.samples(columns.origin.key, columns.points[0], START, START + 1)
                assert found == [Sample(START, 1.0)], columns
        found = await reader.samples(subject.key, "force", START, START + 9)
        assert [sample.value for sample in found] == [1.0, 2.0]


async def test_devices_are_reported_with_their_last_time(subject: Subject) -> None:
    other = Origin("edge-2", f"{subject.device}-b", "lathe", "acme", "jinan", "line-b")
    slow = BlockSchema(subject.origin, "slow", ("oil",))
    async with subject.store() as store, subject.reader() as reader:
        await store.write([subject.poll(START, 1.0, 1, True)])
        await store.write([Poll(START, (Reading(slow, START + 5, (1.0,)), Reading(slow, START + 7, (2.0,))))])
        await store.write([Poll(START, (Reading(BlockSchema(other, "g", ("x",)), START + 1, (1.0,)),))])
        await subject.settle()
        devices = [one for one in await reader.devices() if one.device.startswith(subject.device)]
        assert devices == [
            Device(subject.device, "hydraulic-press", "edge-1", "line-a", START + 7),
            Device(f"{subject.device}-b", "lathe", "edge-2", "line-b", START + 1),
        ]
        assert await reader.points(subject.key) == ["force", "oil", "running", "state"]
        assert await reader.points(other.key) == ["x"]
        assert await reader.points(NOBODY) == []


async def test_two_edges_that_share_a_device_name_are_two_machines(subject: Subject) -> None:
    """The same device, profile, points and times at both: nothing of the one is read as the other's."""
    other = BlockSchema(
        Origin("edge-2", subject.device, "hydraulic-press", "acme", "jinan", "line-a"),
        "fast",
        subject.columns.points,
    )
    theirs = [
        Poll(time_ms, (Reading(other, time_ms, (99.9, None, True), {1: Reason.TIMEOUT}),))
        for time_ms in range(START, START + 300_000, 10_000)
    ]
    ours = [subject.poll(poll.due_ms + 5_000 * (i % 2), 1.0, i, False) for i, poll in enumerate(theirs)]
    third = BlockSchema(Origin("edge-2", subject.device, "lathe"), "fast", ("spindle",))
    theirs.append(Poll(START, (Reading(third, START, (5.0,)),)))
    span = (START, START + 300_000)
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write([*ours, *theirs]) == {}
        await subject.settle()
        for key, force in ((subject.key, 1.0), (other.origin.key, 99.9)):
            assert {one.value for one in await reader.samples(key, "force", *span)} == {force}
            for every_ms in (1000, 60_000):
                mean = await reader.samples(key, "force", *span, every_ms)
                assert [one.value for one in mean] == pytest.approx([force] * len(mean))
        assert [one.time_ms for one in await reader.samples(subject.key, "state", *span)] == [
            poll.due_ms for poll in ours
        ]
        assert await reader.count(subject.key, "hydraulic-press", *span) == {None: 90}
        assert await reader.count(other.origin.key, "hydraulic-press", *span) == {
            None: 60,
            Reason.TIMEOUT: 30,
        }
        assert await reader.points(subject.key) == ["force", "running", "state"]
        assert "spindle" in await reader.points(other.origin.key)
        assert await reader.samples(DeviceKey("edge-3", subject.device), "force", *span) == []
        listed = [one for one in await reader.devices() if one.device == subject.device]
        assert [(one.edge, one.profile) for one in listed] == [
            ("edge-1", "hydraulic-press"),
            ("edge-2", "hydraulic-press"),
            ("edge-2", "lathe"),
        ]


async def test_the_newest_sample_of_each_point_is_known_whatever_its_quality(subject: Subject) -> None:
    slow = BlockSchema(subject.origin, "slow", ("oil", "label"))
    moved = BlockSchema(
        Origin("edge-1", subject.device, "hydraulic-press", line="line-b"), "fast", ("force",)
    )
    other = BlockSchema(Origin("edge-2", subject.device, "hydraulic-press"), "fast", ("force",))
    label: Value = "A-17" if subject.has_texts else 17.0
    polls = [
        subject.poll(START - 40 * 86_400_000, 0.5, 1, False),
        subject.poll(START, 1.0, 2, True),
        subject.poll(START + 10, None, 3, True, force=Reason.TIMEOUT),
        subject.poll(START + 20, 2.5, 4, True, running=Reason.CLOCK_UNCERTAIN),
        subject.poll(START + 30, 3.0, None, True, state=Reason.TIMEOUT),
        Poll(START, (Reading(slow, START - 7_200_000, (50.0, label)),)),
        Poll(START, (Reading(moved, START + 40, (4.0,)),)),
        Poll(START, (Reading(other, START + 50, (99.0,)),)),
    ]
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write(polls) == {}
        await subject.settle()
        assert await reader.latest(subject.key) == {
            "force": Sample(START + 40, 4.0),
            "state": Sample(START + 30, None, Reason.TIMEOUT),
            "running": Sample(START + 30, True),
            "oil": Sample(START - 7_200_000, 50.0),
            "label": Sample(START - 7_200_000, label),
        }
        assert await reader.latest(other.origin.key) == {"force": Sample(START + 50, 99.0)}
        assert await reader.latest(subject.key, profile="lathe") == {}
        assert await reader.latest(NOBODY) == {}


async def test_intervals_are_the_same_arithmetic_everywhere(subject: Subject) -> None:
    chance = random.Random(5)
    raw: list[Sample] = []
    for i in range(500):
        time_ms = START + i * 997
        kind = chance.random()
        if kind < 0.2 or 100 < i < 140:
            raw.append(Sample(time_ms, None, chance.choice([Reason.TIMEOUT, Reason.SENTINEL])))
        elif kind < 0.4:
            raw.append(Sample(time_ms, round(chance.uniform(0, 9), 2), Reason.CLOCK_UNCERTAIN))
        else:
            raw.append(Sample(time_ms, round(chance.uniform(0, 9), 2)))
    polls = [
        subject.poll(one.time_ms, one.value, 1, True, **({"force": one.reason} if one.reason else {}))
        for one in raw
    ]
    async with subject.store() as store, subject.reader() as reader:
        await store.write(polls)
        await subject.settle()
        for every in (1000, 7000, 60_000, 3_600_000):
            found = await reader.samples(subject.key, "force", START + 500, START + 400_000, every)
            expected = [one for one in raw if START + 500 <= one.time_ms < START + 400_000]
            begins = sorted({one.time_ms // every * every for one in expected})
            assert [one.time_ms for one in found] == begins
            for one in found:
                inside = [s for s in expected if s.time_ms // every * every == one.time_ms]
                values = [s.value for s in inside if isinstance(s.value, float)]
                assert one.value == (pytest.approx(sum(values) / len(values)) if values else None)
                good = any(s.reason is None for s in inside)
                assert one.reason == (None if good else inside[-1].reason)


async def test_what_is_no_quantity_has_the_last_value_of_an_interval_and_no_mean(subject: Subject) -> None:
    """`state` is the code of an enum; the last good one where there is any, so that good means good."""
    polls = [
        subject.poll(START, 1.0, 2, True),
        subject.poll(START + 100, 2.0, 6, False),
        subject.poll(START + 200, 3.0, 4, True, state=Reason.CLOCK_UNCERTAIN),
        subject.poll(START + 300, 4.0, None, False, state=Reason.TIMEOUT),
        subject.poll(START + 1000, 5.0, 7, True, state=Reason.CLOCK_UNCERTAIN),
        subject.poll(START + 1100, 6.0, 5, True, state=Reason.CLOCK_UNCERTAIN),
        subject.poll(START + 2000, 7.0, None, True, state=Reason.TIMEOUT),
    ]
    codes = [
        (START, 6, None),
        (START + 1000, 5, Reason.CLOCK_UNCERTAIN),
        (START + 2000, None, Reason.TIMEOUT),
    ]
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write(polls) == {}
        await subject.settle()
        found = await reader.samples(subject.key, "state", START, START + 3000, 1000, last=True)
        assert [(one.time_ms, one.value, one.reason) for one in found] == codes
        (hour,) = await reader.samples(subject.key, "state", START, START + 3000, 3_600_000, last=True)
        assert (hour.value, hour.reason) == (6, None)
        flags = await reader.samples(
            subject.key, "running", START, START + 3000, 1000, last=subject.server is not None
        )
        assert [one.value for one in flags] == [False, True, True]
        mean = await reader.samples(subject.key, "force", START, START + 1000, 1000)
        assert [one.value for one in mean] == [2.5]


async def test_values_are_counted_by_reason_to_the_millisecond(subject: Subject) -> None:
    text: Value = "over pressure" if subject.has_texts else 1.0
    polls = [subject.poll(START + i, float(i), i, i % 2 == 0) for i in range(0, 100, 2)]
    polls.append(subject.poll(START + 1, None, 2, True, force=Reason.TIMEOUT))
    polls.append(subject.poll(START + 3, 5.5, None, True, force=Reason.CLOCK_UNCERTAIN, state=Reason.TIMEOUT))
    polls.append(subject.poll(START + 5, text, 2, True))
    polls.append(subject.poll(START + 7, None, None, None))
    other = Origin("edge-1", subject.device, "collection")
    polls.append(Poll(START, (Reading(BlockSchema(other, "counts", ("force", "x")), START + 9, (7.0, 8.0)),)))
    late = 2 * 86_400_000
    polls.append(subject.poll(START + late, 1.0, 2, False))
    async with subject.store() as store, subject.reader() as reader:
        assert await store.write([*polls, *polls]) == {}
        await subject.settle()

        async def counted(start: int, end: int) -> dict[Reason | None, int]:
            return dict(await reader.count(subject.key, "hydraulic-press", START + start, START + end))

        bad: dict[Reason | None, int] = {Reason.TIMEOUT: 2, Reason.CLOCK_UNCERTAIN: 1, Reason.UNDECODABLE: 3}
        assert await counted(0, 100) == bad | {None: 156}
        assert await counted(0, late + 1) == bad | {None: 159}
        assert await counted(0, late) == bad | {None: 156}
        for start, end, rows in ((10, 12, 1), (11, 12, 0), (10, 11, 1), (9, 12, 1), (8, 13, 3), (10, 10, 0)):
            assert await counted(start, end) == ({None: 3 * rows} if rows else {}), (start, end)
        assert await counted(-50, 0) == {}
        assert await reader.count(subject.key, "collection", START, START + 100) == {None: 2}
        assert await reader.count(NOBODY, "hydraulic-press", START, START + 100) == {}
        found = await reader.samples(subject.key, "force", START, START + 100, profile="collection")
        assert found == [Sample(START + 9, 7.0)]
        found = await reader.samples(subject.key, "force", START + 8, START + 11, profile="hydraulic-press")
        assert found == [Sample(START + 8, 8.0), Sample(START + 10, 10.0)]
        assert await reader.points(subject.key, profile="collection") == ["force", "x"]
        assert await reader.points(subject.key, profile="hydraulic-press") == ["force", "running", "state"]
        assert await reader.points(subject.key, profile="nothing") == []


async def test_what_was_durable_survives_a_restart_and_the_identity_stays(subject: Subject) -> None:
    async with subject.store() as store:
        identity = store.identity
        before = (await store.mark()).incarnation
        await store.write([subject.poll(START, 1.5, 2, True)])
        await subject.settle()
        if subject.server is not None:
            # What counts as durable only after the horizon is flushed by a stop in good order.
            stop = subject.server.stop if store.durability_delay else subject.server.kill
            await asyncio.to_thread(stop)
            with pytest.raises(UnreachableError):
                await store.write([subject.poll(START + 1, 1.5, 2, True)])
            subject.server.start()  # from this thread: the server ends with the one that started it
            assert await store.write([subject.poll(START + 1, 2.5, 2, True)]) == {}
        else:
            assert await store.write([subject.poll(START + 1, 2.5, 2, True)]) == {}
        if store.durability_delay:
            await asyncio.sleep(1.1)  # a start is known for a second
            assert (await store.mark()).incarnation != before
        else:
            assert (await store.mark()).incarnation == before
    async with subject.store() as store, subject.reader() as reader:
        assert store.identity == identity
        await subject.settle()
        found = await reader.samples(subject.key, "force", START, START + 9)
        assert found == [Sample(START, 1.5), Sample(START + 1, 2.5)]


async def test_a_store_that_is_gone_raises_unreachable_everywhere(subject: Subject) -> None:
    if subject.server is None:
        pytest.skip("a file is not gone by itself; test_sqlite.py fills its disk and locks it")
    async with subject.store() as store, subject.reader() as reader:
        await store.write([subject.poll(START, 1.0, 1, True)])
        await asyncio.to_thread(subject.server.stop)
        try:
            for question in (
                store.write([subject.poll(START + 1, 1.0, 1, True)]),
                reader.devices(),
                reader.points(subject.key),
                reader.samples(subject.key, "force", START, START + 1),
                reader.count(subject.key, "hydraulic-press", START, START + 1),
            ):
                with pytest.raises(UnreachableError, match=str(subject.server.port)):
                    await question
            with pytest.raises(UnreachableError):
                async with subject.store():
                    pass
        finally:
            subject.server.start()  # from this thread: the server ends with the one that started it


async def test_nothing_written_is_nothing_stored(subject: Subject) -> None:
    async with subject.store() as store:
        assert await store.write([]) == {}


@pytest.fixture
def describing(subject: Subject) -> Subject:
    """A store that keeps what points are; at the edge the profiles stand beside the history."""
    if isinstance(subject, History):
        pytest.skip("the history of an edge keeps no descriptions")
    return subject


async def test_the_newest_description_of_a_point_is_kept_beside_its_values(describing: Subject) -> None:
    subject = describing
    origin = Origin("edge-1", subject.device, "hydraulic-press", "acme", "济南", "a b")
    first = PointInfo(
        "hydraulic-press", "bar", 'Oil, "hot" = \\x', "油压", "Press 1", "1 号压机", normal_min=-1.5
    )
    newer = PointInfo("hydraulic-press", "kN", kind="counter", period_s=0.5, codes_zh="0=停机; 1=运行")
    polls = [
        Poll(time_ms, tuple(Reading(columns, time_ms, values) for columns, values in rows(origin, infos)))
        for time_ms, infos in (
            (START + 5, [("force", newer)]),
            (START, [("force", first), ("oil", first)]),
        )
    ]
    async with subject.store() as store, open_reader(subject.settings) as reader:
        before = await reader.devices()
        assert await store.write([subject.poll(START, 1.0, 1, True), *polls, *polls]) == {}
        await subject.settle()
        key = DeviceKey("edge-1", subject.device)
        assert await reader.point_info(key) == [
            DescribedPoint(key, "force", START + 5, newer),
            DescribedPoint(key, "oil", START, first),
        ]
        assert {each.key for each in await reader.point_info()} >= {key}
        assert await reader.point_info(DeviceKey("edge-1", "nothing")) == []
        # A description is no value of the device, and no sign of life.
        assert (await reader.latest(subject.key)).keys() == {"force", "running", "state"}
        assert await reader.points(subject.key) == ["force", "running", "state"]
        assert len(await reader.devices()) == len(before) + 1
        assert (await reader.samples(key, "force", START, START + 10))[-1].time_ms == START


async def test_a_description_that_cannot_be_read_is_refused_alone(describing: Subject) -> None:
    subject = describing
    columns = BlockSchema(Origin("edge-1", subject.device, "point-info"), "point_info", ("force",))
    polls = [
        Poll(START, (Reading(columns, START, (text,)),)) for text in ("not json", 5, '{"profile":"a\\n"}')
    ]
    async with subject.store() as store:
        assert sorted(await store.write([*polls, subject.poll(START, 1.0, 1, True)])) == [0, 1, 2]
