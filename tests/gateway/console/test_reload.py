"""An operator at the console lets the gateway take other settings: every view follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gateway.console.app import Console
from gateway.load import load
from tests.gateway.console.conftest import Client, free_port

PROFILE = "three-phase-energy-meter"


def write(file: Path, devices: dict[str, int], **more: Any) -> None:
    """Settings of a gateway with these devices: name -> unit id."""
    document = {
        "edge": "edge-1",
        "mqtt": {"port": PORT},
        "delivery": {"free_on": "broker"},
        "spool": {"directory": "spool", "min_free_disk": 0},
        "console": {"listen": "127.0.0.1:0"},
        "sources": [
            {
                "type": "modbus",
                "url": f"tcp://127.0.0.1:{PORT}",
                "devices": [
                    {"device": name, "unit_id": unit, "profile": PROFILE} for name, unit in devices.items()
                ],
            }
        ],
    }
    file.write_text(yaml.safe_dump(document | more))


PORT = free_port()
"""Nobody listens there."""


@pytest.fixture
async def edited(tmp_path: Path) -> AsyncIterator[tuple[Client, Path]]:
    """The console of a gateway over two meters, and its settings file."""
    file = tmp_path / "gateway.yaml"
    write(file, {"meter-1": 1, "meter-2": 2})
    settings, profiles = load(file)
    async with (
        Console(settings, profiles, version="1.2.3", page=None, file=file) as console,
        aiohttp.ClientSession() as session,
    ):
        stop = asyncio.Event()
        running = asyncio.create_task(console.gateway.run(stop))
        try:
            yield Client(console, session), file
        finally:
            stop.set()
            await running


async def post(client: Client, body: Any, status: int = 200) -> Any:
    url = client.console.server.url.rstrip("/") + "/api/v1/commands/reload"
    async with client.session.post(url, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_a_reload_shows_in_every_view_and_is_an_event(edited: tuple[Client, Path]) -> None:
    client, file = edited
    await client.eventually("/api/v1/devices", lambda found: len(found["rows"]) == 2)
    write(file, {"meter-3": 3, "meter-2": 2})
    plan = await client.get("/api/v1/commands/reload")
    assert [(entry["device"], entry["fate"]) for entry in plan["devices"]] == [
        ("meter-3", "added"),
        ("meter-1", "removed"),
    ]
    assert (await post(client, {}))["outcome"] == "taken"
    assert [row[0] for row in (await client.get("/api/v1/devices"))["rows"]] == ["meter-3", "meter-2"]
    assert list((await client.snapshot("overview"))["devices"]) == ["meter-3", "meter-2"]
    assert (await client.get("/api/v1/devices/meter-3"))["unit_id"] == 3
    await client.get("/api/v1/devices/meter-1", status=404)
    events = (await client.get("/api/v1/events"))["events"]
    (event,) = [event for event in events if event["kind"] == "reload"]
    assert event["text"]["en"].startswith("local (127.0.0.1) reloaded the settings: device meter-3 added")
    assert (await post(client, {"last_good": True}))["outcome"] == "taken"
    assert [row[0] for row in (await client.get("/api/v1/devices"))["rows"]] == ["meter-1", "meter-2"]


async def test_what_cannot_be_taken_is_refused_with_its_remedy(edited: tuple[Client, Path]) -> None:
    client, file = edited
    assert (await post(client, {}))["outcome"] == "nothing"
    write(file, {"meter-1": 1, "meter-2": 2}, edge="another")
    error = (await post(client, {}, 409))["error"]
    assert (error["code"], error["text"].startswith("edge: ")) == ("restart", True)
    file.write_text("edge: [\n")
    error = (await post(client, {}, 422))["error"]
    assert "gateway.yaml:" in error["text"]
    await post(client, {"last_good": 3}, 400)
    assert len((await client.get("/api/v1/devices"))["rows"]) == 2
