"""The real servers as pytest fixtures: started with defaults, ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.authority import Authority
from tests.servers.influxdb1 import Influxdb1
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria_metrics import VictoriaMetrics


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto that admits everybody, without TLS; others are made with the class."""
    with Mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def victoria_metrics(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    """An empty VictoriaMetrics that removes duplicates."""
    with VictoriaMetrics(tmp_path) as server:
        yield server


@pytest.fixture
def influxdb1(tmp_path: Path) -> Iterator[Influxdb1]:
    """An InfluxDB 1.x with the empty database `qilu`."""
    with Influxdb1(tmp_path) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority that nobody trusts."""
    return Authority(tmp_path / "authority")
