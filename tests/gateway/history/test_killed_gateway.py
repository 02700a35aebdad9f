"""A real gateway with a history, killed: what stood in its queue comes again from the spool."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.road import FixedReplyProtocol
from gateway.spool.disk import DiskSpool
from gateway.spool.settings import SpoolSettings
from qilu.contract.reading import DeviceKey, Reason
from qilu.contract.record_codec import decode_record
from qilu.stores.interfaces import Sample
from qilu.stores.sqlite.history.reader import HistoryReader
from tests.gateway.spool.opened import everything
from tests.servers import free_port

DEVICE = DeviceKey("edge-1", "press-1")


def write_settings(folder: Path, port: int, **more: object) -> None:
    """One device of 50 numbers, read ten times a second; a broker that is not there."""
    points = [{"name": f"p{n}", "table": "holding", "address": 2 * n, "type": "float32"} for n in range(50)]
    profile = {"profile": "bench", "limits": {"max_registers": 100}, "points": points}
    settings = {
        "edge": "edge-1",
        "profiles": "profiles",
        "spool": {"directory": "spool", "min_free_disk": 0},
        "mqtt": {"host": "127.0.0.1", "port": free_port()},
        "delivery": {"trusted_stores": ["store"]},
        "accounting_interval": "2s",
        "sources": [
            {
                "type": "modbus",
                "url": f"tcp://127.0.0.1:{port}",
                "devices": [{"device": "press-1", "profile": "bench", "poll_periods": {"default": "100ms"}}],
            }
        ],
        "history": {},
        **more,
    }
    (folder / "profiles").mkdir()
    (folder / "profiles" / "bench.yaml").write_text(json.dumps(profile))
    (folder / "gateway.yaml").write_text(json.dumps(settings))


async def start(folder: Path) -> Process:
    with (folder / "gateway.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from qilu_cli.main import main; main()", "gateway", "gateway.yaml",
            cwd=folder, stderr=log,
        )  # fmt: skip


async def stored(folder: Path) -> dict[int, Sample]:
    """Time -> sample of the point p7 in the history."""
    async with HistoryReader(folder / "history") as reader:
        return {
            sample.time_ms: sample for sample in await reader.samples(DEVICE, "p7", 0, 2**43, profile="bench")
        }


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await holds():
            await asyncio.sleep(0.2)


async def in_spool(folder: Path) -> dict[int, float]:
    """Time -> value of the point p7 of every record that the spool keeps."""
    values: dict[int, float] = {}
    async with DiskSpool(SpoolSettings(directory=folder / "spool", min_free_disk=0), "edge-1") as spool:
        for records in everything(spool).values():
            for _, body in records:
                for reading in decode_record(body).readings:
                    if reading.columns.origin.profile == "bench":
                        value = reading.values[reading.columns.points.index("p7")]
                        values[reading.time_ms] = float(value or 0)
    return values


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a device that answers everything with the same numbers."""
    server = await asyncio.get_running_loop().create_server(FixedReplyProtocol, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.slow
async def test_a_killed_gateway_has_all_that_its_spool_holds_in_its_history_again(
    tmp_path: Path, port: int
) -> None:
    write_settings(tmp_path, port)
    gateway = await start(tmp_path)

    async def written() -> bool:
        return bool(await stored(tmp_path))

    await until(written)
    gateway.send_signal(signal.SIGKILL)
    await gateway.wait()
    before = await in_spool(tmp_path)
    lost_ms = max(before) - max(await stored(tmp_path))
    assert lost_ms <= 10_000, "a kill costs what stood in the queue"
    gateway = await start(tmp_path)

    async def refilled() -> bool:
        return set(before) < set(await stored(tmp_path))

    await until(refilled)
    gateway.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await gateway.wait() == 0, (tmp_path / "gateway.log").read_text()
    after = await in_spool(tmp_path)
    kept = await stored(tmp_path)
    assert set(before) < set(after)
    assert set(kept) == set(after)
    assert all(sample.reason in (None, Reason.NOT_POLLED) for sample in kept.values())
    async with HistoryReader(tmp_path / "history") as reader:
        assert await reader.rows(DEVICE, "collection", "counts", 0, 2**43)


@pytest.mark.slow
async def test_a_history_that_cannot_be_written_stops_no_poll(tmp_path: Path, port: int) -> None:
    (tmp_path / "file").write_text("no folder")
    write_settings(tmp_path, port, history={"directory": "file"})
    gateway = await start(tmp_path)
    log = tmp_path / "gateway.log"

    async def complained() -> bool:
        return "local history: nothing is written to" in log.read_text()

    await until(complained)
    await asyncio.sleep(2)
    gateway.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await gateway.wait() == 0
    assert "0 polls skipped" in log.read_text()
    assert len(await in_spool(tmp_path)) > 1
