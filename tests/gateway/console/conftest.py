"""A console over two simulated devices, without a broker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from gateway.console.app import Console
from gateway.settings import ConsoleSettings, GatewaySettings
from gateway.sources.modbus.settings import ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.mqtt.settings import MqttSettings
from qilu_cli.commands.plant_gateway import gateway_settings
from simulator.app import load, simulate

PLANT = """
plant: two-machines
step: 100ms
machines:
  - {device: pump-1, label: {zh: 循环泵, en: Pump}, place: U-05, machine: centrifugal-pump, port: 5033}
  - {device: odd, machine: screw-air-compressor, port: 5034, line: utilities}
"""


ODD = "<img-onerror=alert(1)>"


class Client(NamedTuple):
    """The console, and what a browser would use."""

    console: Console
    session: aiohttp.ClientSession

    async def get(self, path: str, status: int = 200) -> Any:
        """The JSON document at a path."""
        async with self.session.get(self.console.server.url.rstrip("/") + path) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def text(self, path: str) -> str:
        """The text at a path."""
        async with self.session.get(self.console.server.url.rstrip("/") + path) as response:
            return await response.text()

    async def snapshot(self, topic: str) -> Any:
        """The first snapshot of a topic."""
        async with self.session.ws_connect(self.console.server.url.rstrip("/") + "/api/v1/live") as live:
            await live.send_json({"subscribe": [topic]})
            while True:
                message = await live.receive_json(timeout=60)
                if message.get("topic") == topic:
                    return message["snapshot"]

    async def eventually(self, path: str, condition: Any, within_s: float = 60.0) -> Any:
        """The document at a path as soon as it fulfils a condition."""
        async with asyncio.timeout(within_s):
            while not condition(document := await self.get(path)):
                await asyncio.sleep(0.1)
            return document


def all_polled(table: Any) -> bool:
    """Whether all devices have values, also those of the poll group with the state."""
    return all(row[9] and row[7] != "unknown" for row in table["rows"])


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def with_odd_name(source: ModbusSettings) -> ModbusSettings:
    """The device `odd` has a name that a browser could take for more than a text."""
    devices = tuple(
        device.model_copy(update={"device": ODD}) if device.device == "odd" else device
        for device in source.devices
    )
    return source.model_copy(update={"devices": devices})


def settings_of(settings: GatewaySettings, **console: Any) -> GatewaySettings:
    return settings.model_copy(update={"console": ConsoleSettings(listen="127.0.0.1:0", **console)})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT, encoding="utf-8")
    plant = load(file)
    async with simulate(plant, free_ports=True) as simulation:
        settings = gateway_settings(
            plant.settings,
            plant.profiles,
            simulation.ports,
            edge="edge-1",
            spool=SpoolSettings(directory=tmp_path / "spool"),
            mqtt=MqttSettings(port=free_port()),
            store="plant-store",
        )
        settings = settings.model_copy(update={"sources": tuple(map(with_odd_name, settings.sources))})
        async with (
            Console(settings_of(settings), plant.profiles, version="1.2.3", page=None) as console,
            aiohttp.ClientSession() as session,
        ):
            stop = asyncio.Event()
            running = asyncio.create_task(console.gateway.run(stop))
            made = Client(console, session)
            try:
                await made.eventually("/api/v1/devices", all_polled)
                yield made
            finally:
                stop.set()
                await running
