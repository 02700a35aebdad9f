"""The devices of a gateway as its settings and its sources have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import build
from gateway.settings import DeliverySettings, GatewaySettings
from gateway.sources.modbus.settings import ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.contract.profile import DeviceProfile
from qilu.mqtt.settings import MqttSettings

PROFILE = DeviceProfile.model_validate(
    {"profile": "meter", "points": [{"name": "p", "table": "holding", "address": 0, "type": "uint16"}]}
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://10.0.0.5:502", "10.0.0.5:502"),
        ("rtu+tcp://[fd00::5]:4001", "[fd00::5]:4001"),
        ("rtu:///dev/ttyUSB0", "/dev/ttyUSB0"),
    ],
)
def test_an_endpoint_with_skipped_polls_is_named_as_people_write_it(
    tmp_path: Path, url: str, shown: str
) -> None:
    settings = GatewaySettings(
        edge="edge-1",
        spool=SpoolSettings(directory=tmp_path),
        mqtt=MqttSettings(port=1),
        delivery=DeliverySettings(free_on="broker"),
        sources=(
            ModbusSettings.model_validate(
                {"type": "modbus", "url": url, "devices": [{"device": "m", "unit_id": 1, "profile": "meter"}]}
            ),
        ),
    )
    book = build(settings, {"meter": PROFILE}).devices
    [name] = book.skipped_polls()
    assert book.endpoint_of(name) == shown
