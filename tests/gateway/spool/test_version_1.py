"""A spool that a gateway left years ago is drained by the gateway of today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.spool.ages import AGES
from gateway.spool.inspect import inspect
from gateway.spool.segment import HEADER_SIZE, VERSION, decode_header
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.golden import DIRECTORY, KILLED, STOPPED, WRITTEN, golden_body, make
from tests.gateway.spool.opened import body, disk_spool, everything, fill, lost, segments

WAIT = {STOPPED: [0, 3, 4, 5, 7], KILLED: [0, 1]}
"""Stream -> the offsets that are neither durable, nor rejected, nor torn."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of it: opening writes."""
    return Path(shutil.copytree(DIRECTORY, tmp_path / "spool"))


def test_it_is_of_version_1() -> None:
    headers = [decode_header(path.read_bytes()[:HEADER_SIZE]) for path in segments(DIRECTORY)]
    assert [header and (header.version, header.stream, header.first) for header in headers] == [
        (1, STOPPED, 0),
        (1, STOPPED, 6),
        (1, KILLED, 0),
    ]


async def test_every_record_of_it_is_read_and_it_goes_on(old: Path) -> None:
    expected = {stream: [(o, golden_body(o)) for o in offsets] for stream, offsets in WAIT.items()}
    async with disk_spool(old, clock=lambda: WRITTEN + 60) as spool:
        assert everything(spool) == expected
        assert lost(spool) == {}
        fill(spool, range(5))
        spool.forget(STOPPED, IntervalSet([(0, 7)]))
        await spool.commit()
        new = spool.stream
    async with disk_spool(old, clock=lambda: WRITTEN + 120) as spool:
        assert everything(spool) == {KILLED: expected[KILLED], new: [(n, body(n)) for n in range(5)]}


def test_it_can_be_looked_into(old: Path) -> None:
    found = inspect(old)
    assert {one.stream: list(one.pending) for one in found.streams} == WAIT
    assert found.quarantined == 1


@pytest.mark.skipif(VERSION != 1, reason="what is written today is of another version")
async def test_version_1_is_still_written_to_the_byte(tmp_path: Path) -> None:
    await make(tmp_path)
    (tmp_path / AGES).unlink()  # of this run, not of the format
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in DIRECTORY.iterdir()
    }
