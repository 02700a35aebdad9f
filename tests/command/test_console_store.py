"""`qilu console --store` shows what a store has, and writes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from qilu.contract.errors import ConfigError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.commands.console.store import show_store
from tests.gateway.console.conftest import free_port

POINTS = ("discharge_pressure", "state")
START = 1_780_000_000_000


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Two edges with a device of one name, a minute of samples each second; one is bad."""
    file = tmp_path / "store.db"
    async with SqliteStore(file) as opened:
        for edge in ("east", "west"):
            schema = BlockSchema(Origin(edge, "compressor-1", "screw-air-compressor"), "fast", POINTS)
            readings = tuple(
                Reading(schema, START + 1000 * number, (7.0 + number / 100, 3))
                if number != 30
                else Reading(schema, START + 1000 * number, (None, 3), {0: Reason.TIMEOUT})
                for number in range(60)
            )
            await opened.write([Poll(START, readings)])
    return file


async def get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        return await response.json()


async def devices_when_served(session: aiohttp.ClientSession, api: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            try:
                return await get(session, f"{api}/devices")
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)


async def test_devices_values_and_charts_of_a_store_are_shown_and_the_file_stays_as_it_is(
    store: Path,
) -> None:
    before = hashlib.sha256(store.read_bytes()).digest()
    port = free_port()
    serving = asyncio.create_task(show_store(str(store), f"127.0.0.1:{port}", None))
    try:
        api = f"http://127.0.0.1:{port}/api/v1"
        async with aiohttp.ClientSession() as session:
            table = await devices_when_served(session, api)
            assert [row[0] for row in table["rows"]] == ["compressor-1@east", "compressor-1@west"]
            assert (await get(session, f"{api}/info"))["role"] == "store"
            device = f"{api}/devices/compressor-1@east"
            described = await get(session, device)
            assert {point["point"] for point in described["points"]} >= set(POINTS)
            chart = await get(session, f"{device}/points/discharge_pressure/series?from_ms={START}&pixels=10")
            assert sum(chart["n"]) == 59
            assert [stretch["reason"] for stretch in chart["bad"]] == ["timeout"]
            assert (await get(session, f"{api}/devices/none"))["error"]["code"] == "no_device"
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    assert hashlib.sha256(store.read_bytes()).digest() == before


async def test_only_this_machine_may_look(store: Path) -> None:
    with pytest.raises(ConfigError, match="is not loopback.*ssh -L"):
        await show_store(str(store), "0.0.0.0:8081", None)
