"""The brokers that every link must get on with: mosquitto in both versions of MQTT, and the embedded one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto


@pytest.fixture(params=["mosquitto 5", "mosquitto 3.1.1", "embedded"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MqttSettings]:
    """How to reach a running broker."""
    if request.param == "embedded":
        async with EmbeddedBroker() as embedded:
            yield embedded.settings
    else:
        with Mosquitto(tmp_path) as server:
            yield MqttSettings(port=server.port, protocol=request.param.split()[1])
