"""Records of an edge that was renamed are held until the old name is adopted, or given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.spool.adopt import adopt
from gateway.spool.edges import ADOPTED, decode_adopted, encode_adopted
from gateway.spool.segment import HEADER_SIZE
from qilu.contract.errors import ConfigError, UnreachableError
from tests.gateway.spool.opened import disk_spool, fill, numbers, segments


@pytest.fixture
async def renamed(tmp_path: Path) -> Path:
    """A spool in which edge `old` left 30 records."""
    async with disk_spool(tmp_path, edge="old") as spool:
        fill(spool, range(30))
    return tmp_path


async def test_records_of_another_edge_are_held_and_the_log_names_the_remedy(
    renamed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with disk_spool(renamed, edge="new") as spool:
        fill(spool, range(100, 103))
        assert numbers(spool) == [100, 101, 102]
        assert spool.counts().held == 30
    assert "30 records of edge old are held" in caplog.text
    assert f"`qilu spool adopt {renamed} old`" in caplog.text


async def test_the_old_name_sends_its_records_again(renamed: Path) -> None:
    async with disk_spool(renamed, edge="new") as spool:
        fill(spool, range(100, 103))
    async with disk_spool(renamed, edge="old") as spool:
        assert numbers(spool) == list(range(30))
        assert spool.counts().held == 3


async def test_an_adopted_edge_is_sent_under_its_own_name_by_every_later_run(renamed: Path) -> None:
    assert adopt(renamed, "old") == 30
    for _ in range(2):
        async with disk_spool(renamed, edge="new") as spool:
            assert numbers(spool) == list(range(30))
            assert spool.counts().held == 0
            assert [spool.edges.of(stream) for stream in (*spool.pending(), spool.stream)] == ["old", "new"]


async def test_an_edge_that_the_broker_refuses_is_held_for_ten_minutes(renamed: Path) -> None:
    adopt(renamed, "old")
    now = 0.0
    async with disk_spool(renamed, edge="new", monotonic=lambda: now) as spool:
        fill(spool, range(100, 103))
        spool.edges.refused("old", "not authorized")
        assert numbers(spool) == [100, 101, 102]
        assert spool.counts().held == 30
        now = 601.0
        assert numbers(spool) == [*range(30), 100, 101, 102]


async def test_only_an_edge_of_the_spool_can_be_adopted(renamed: Path) -> None:
    with pytest.raises(ConfigError, match="holds no records of edge odl, but of: old"):
        adopt(renamed, "odl")


async def test_nothing_is_adopted_while_a_gateway_runs(renamed: Path) -> None:
    async with disk_spool(renamed, edge="new"):
        with pytest.raises(
            UnreachableError, match="holds this spool; stop the gateway, run this command again"
        ):
            adopt(renamed, "old")


async def test_records_whose_edge_no_header_names_are_sent_as_those_of_this_edge(renamed: Path) -> None:
    for path in segments(renamed):
        path.write_bytes(bytes(HEADER_SIZE) + path.read_bytes()[HEADER_SIZE:])
    async with disk_spool(renamed, edge="new") as spool:
        assert numbers(spool) == list(range(30))


async def test_a_damaged_list_of_adopted_edges_holds_their_records_again(renamed: Path) -> None:
    adopt(renamed, "old")
    data = (renamed / ADOPTED).read_bytes()
    (renamed / ADOPTED).write_bytes(data.replace(b"old", b"odl"))
    async with disk_spool(renamed, edge="new") as spool:
        assert spool.counts().held == 30


def test_adopted_edges_are_read_back_and_damage_reads_as_none() -> None:
    data = encode_adopted({"old", "\u6d4e\u5357-1"})
    assert decode_adopted(data) == {"old", "\u6d4e\u5357-1"}
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        assert decode_adopted(bytes(flipped)) in (frozenset(), {"old", "\u6d4e\u5357-1"})
