"""Each stream of a spool knows the edge and the boot under which it was written."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from gateway.interfaces import StreamOrigin
from gateway.spool.segment import HEADER_SIZE
from qilu.runtime.boot import UNKNOWN_BOOT, boot_id
from tests.gateway.spool.opened import disk_spool, fill, segments

FIRST, SECOND = UUID(int=1), UUID(int=2)


async def test_a_stream_keeps_edge_and_boot_when_both_change(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="edge-1", boot=FIRST) as spool:
        old = spool.stream
        fill(spool, range(30))
    async with disk_spool(tmp_path, edge="济南-2", boot=SECOND) as spool:
        assert spool.origin(spool.stream) == StreamOrigin("济南-2", SECOND)
        assert spool.origin(old) == StreamOrigin("edge-1", FIRST)


async def test_one_undamaged_header_of_a_stream_is_enough(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="edge-1", boot=FIRST) as spool:
        old = spool.stream
        fill(spool, range(30))
    *damaged, _ = segments(tmp_path)
    for path in damaged:
        path.write_bytes(bytes(HEADER_SIZE) + path.read_bytes()[HEADER_SIZE:])
    async with disk_spool(tmp_path) as spool:
        assert len(spool.pending()[old]) == 30
        assert spool.origin(old) == StreamOrigin("edge-1", FIRST)


async def test_an_origin_that_no_header_holds_is_unknown(tmp_path: Path) -> None:
    async with disk_spool(tmp_path, edge="edge-1", boot=FIRST) as spool:
        old = spool.stream
        fill(spool, range(3))
    [path] = segments(tmp_path)
    path.write_bytes(bytes(HEADER_SIZE) + path.read_bytes()[HEADER_SIZE:])
    async with disk_spool(tmp_path) as spool:
        assert len(spool.pending()[old]) == 3
        assert spool.origin(old) == StreamOrigin()


def test_a_system_without_a_boot_id_has_an_unknown_one(tmp_path: Path) -> None:
    assert boot_id(tmp_path / "none") == UNKNOWN_BOOT
    (tmp_path / "id").write_text("7d3c3f6e-5c1e-4d0e-9d6f-0f2a4a1c9b11\n")
    assert boot_id(tmp_path / "id") == UUID("7d3c3f6e-5c1e-4d0e-9d6f-0f2a4a1c9b11")
