"""A gateway that is put together from its settings, at its end."""

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.app import build
from gateway.settings import DeliverySettings, GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.config.profiles import profiles
from tests.servers import free_port


async def test_a_gateway_that_stops_logs_its_polls_and_those_that_were_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device = DeviceSettings(device="meter-1", profile="three-phase-energy-meter")
    source = ModbusSettings(type="modbus", url=f"tcp://127.0.0.1:{free_port()}", devices=(device,))
    settings = GatewaySettings(
        edge="edge-1",
        spool=SpoolSettings(directory=tmp_path / "spool"),
        delivery=DeliverySettings(free_on="broker"),
        sources=(source,),
    )
    gateway = build(settings, profiles([device.profile]))
    gateway.sources[0].stats.missed_polls = 3
    stop = asyncio.Event()
    stop.set()
    with caplog.at_level(logging.INFO, "gateway.app"):
        await gateway.run(stop)
    (line,) = [text for text in caplog.messages if "stopped" in text]
    assert line.startswith("edge edge-1 stopped after ")
    assert "polls: 3 polls skipped, " in line
