"""What every spool promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.interfaces import Spool
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.errors import DataError
from qilu.contract.ranges import IntervalSet
from tests.support.memory_spool import MemorySpool

Make = Callable[..., Spool]


def ranges(text: str) -> IntervalSet:
    return IntervalSet.parse(text)


@pytest.fixture(params=["disk", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def disk(max_bytes: int = 10**7, policy: str = "drop_oldest") -> Spool:
        settings = {
            "directory": tmp_path / "spool",
            "max_bytes": max_bytes,
            "when_full": policy,
            "min_free_disk": 0,
        }
        return DiskSpool(SpoolSettings.model_validate(settings), "edge-1")

    def memory(max_bytes: int = 10**7, policy: str = "drop_oldest") -> Spool:
        return MemorySpool(max_bytes, policy="block" if policy == "block" else "drop_oldest")

    return {"disk": disk, "memory": memory}[request.param]


@pytest.fixture
async def spool(make: Make) -> AsyncIterator[Spool]:
    async with make() as opened:
        yield opened


def fill(spool: Spool, count: int, size: int = 100) -> list[bytes]:
    bodies = [b"%d:" % number + b"x" * size for number in range(count)]
    for number, body in enumerate(bodies):
        record = spool.append(body)
        assert record is not None
        assert (record.stream, record.offset, record.body) == (spool.stream, number, body)
    return bodies


async def test_a_record_is_pending_and_readable_from_the_moment_it_was_appended(spool: Spool) -> None:
    bodies = fill(spool, 10)
    assert dict(spool.pending()) == {spool.stream: ranges("0-9")}
    assert [record.body for record in spool.read(spool.stream, ranges("0-9"), 10**6)] == bodies
    await spool.commit()
    assert [record.body for record in spool.read(spool.stream, ranges("0-9"), 10**6)] == bodies


async def test_reading_returns_only_what_is_wanted_and_kept_in_rising_order(spool: Spool) -> None:
    bodies = fill(spool, 20)
    spool.forget(spool.stream, ranges("4"))
    found = spool.read(spool.stream, ranges("2-5,11,19-30"), 10**6)
    assert [record.offset for record in found] == [2, 3, 5, 11, 19]
    assert [record.body for record in found] == [bodies[record.offset] for record in found]
    assert list(spool.read(spool.stream ^ 1, ranges("0-9"), 10**6)) == []


async def test_reading_stops_at_its_bound_but_returns_one_record_at_least(spool: Spool) -> None:
    fill(spool, 5, size=98)
    assert [record.offset for record in spool.read(spool.stream, ranges("0-4"), 200)] == [0, 1]
    assert [record.offset for record in spool.read(spool.stream, ranges("0-4"), 250)] == [0, 1]
    assert [record.offset for record in spool.read(spool.stream, ranges("3-4"), 1)] == [3]


async def test_what_is_forgotten_is_gone_and_forgetting_it_again_does_not_matter(spool: Spool) -> None:
    fill(spool, 10)
    spool.forget(spool.stream, ranges("0-3,7"))
    spool.forget(spool.stream, ranges("3,7,90-99"))
    spool.forget(spool.stream ^ 1, ranges("5"))
    assert spool.pending()[spool.stream] == ranges("4-6,8-9")
    spool.forget(spool.stream, ranges("0-9"))
    assert not spool.pending().get(spool.stream)
    assert list(spool.read(spool.stream, ranges("0-9"), 10**6)) == []
    record = spool.append(b"next")
    assert record is not None
    assert record.offset == 10


async def test_what_is_quarantined_is_forgotten(spool: Spool) -> None:
    fill(spool, 5)
    spool.quarantine(spool.stream, {1: "no such measurement", 3: "", 77: "never appended"})
    assert spool.pending()[spool.stream] == ranges("0,2,4")


async def test_each_opening_begins_a_stream_of_its_own(make: Make) -> None:
    streams = set()
    for _ in range(3):
        async with make() as spool:
            fill(spool, 2)
            streams.add(spool.stream)
    assert len(streams) == 3


async def test_at_the_bound_the_oldest_are_given_up_and_reported(make: Make) -> None:
    async with make(max_bytes=100_000) as spool:
        fill(spool, 400, size=1000)
        await spool.commit()
        [dropped] = spool.dropped()
        assert (dropped.stream, dropped.reason) == (spool.stream, "max_bytes")
        assert dropped.offsets.first() == 0
        assert 300 <= len(dropped.offsets) <= 340
        assert spool.pending()[spool.stream] == ranges(f"{dropped.offsets.last() + 1}-399")
        assert list(spool.dropped()) == []
        assert [r.offset for r in spool.read(spool.stream, ranges("0-399"), 1)] == [
            dropped.offsets.last() + 1
        ]


async def test_at_the_bound_a_blocking_spool_takes_nothing_until_there_is_room(make: Make) -> None:
    async with make(max_bytes=100_000, policy="block") as spool:
        taken = 0
        while spool.append(b"x" * 1000) is not None:
            taken += 1
        assert 60 <= taken <= 100
        assert spool.append(b"x" * 1000) is None
        assert list(spool.dropped()) == []
        assert spool.pending()[spool.stream] == ranges(f"0-{taken - 1}")
        spool.forget(spool.stream, ranges("0-29"))
        record = spool.append(b"x" * 1000)
        assert record is not None
        assert record.offset == taken
        spool.forget(spool.stream, ranges(f"0-{taken}"))
        assert [spool.append(b"x" * 1000) is not None for _ in range(60)] == [True] * 60


async def test_a_record_that_can_never_fit_is_refused_for_good(make: Make) -> None:
    async with make(max_bytes=100_000) as spool:
        with pytest.raises(DataError, match="longer than the whole spool"):
            spool.append(b"x" * 100_001)
        fill(spool, 3)


async def test_records_of_every_size_come_back_as_they_were(spool: Spool) -> None:
    bodies = [
        bytes([number % 256]) * size for number, size in enumerate([0, 1, 2, 65_535, 65_536, 200_000, 3, 0])
    ]
    for body in bodies:
        assert spool.append(body) is not None
    assert [record.body for record in spool.read(spool.stream, ranges("0-7"), 10**7)] == bodies
    for offset, body in reversed(list(enumerate(bodies))):
        assert [record.body for record in spool.read(spool.stream, IntervalSet.of([offset]), 1)] == [body]
