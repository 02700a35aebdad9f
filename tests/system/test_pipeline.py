"""The road over every kind of link and store: what machines serve arrives, once, and can be asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from qilu.mqtt.broker import EmbeddedBroker
from tests.servers import Authority, Influxdb1, Mosquitto, VictoriaMetrics
from tests.system.programs import qilu
from tests.system.road import Road

Settings = Mapping[str, Any]

COUNTERS = 8
"""Of each device that are waited for."""


@asynccontextmanager
async def a_broker(kind: str, folder: Path) -> AsyncIterator[Settings]:
    """A running broker of this kind, as settings."""
    if kind == "embedded":
        async with EmbeddedBroker() as broker:
            yield {"port": broker.port, "protocol": "3.1.1"}
        return
    if kind == "plain":
        with Mosquitto(folder) as mosquitto:
            yield {"port": mosquitto.port}
        return
    authority = Authority(folder / "authority")
    secret = folder / "password"
    secret.write_text("open sesame\n")
    with Mosquitto(folder, tls=authority.issue(), users={"works": "open sesame"}) as mosquitto:
        yield {
            "port": mosquitto.port,
            "username": "works",
            "password_file": str(secret),
            "tls": {"ca": str(authority.ca)},
        }


@contextmanager
def a_store(kind: str, folder: Path) -> Iterator[Settings]:
    """An empty store of this kind, which runs where it is a server, as settings."""
    if kind == "sqlite":
        yield {"type": "sqlite", "file": "store.db"}
    elif kind == "victoriametrics":
        with VictoriaMetrics(folder) as metrics:
            yield {"type": "influx", "server": kind, "url": metrics.url}
    else:
        with Influxdb1(folder) as influx:
            yield {"type": "influx", "server": kind, "url": influx.url, "database": influx.database}


@pytest.mark.parametrize(
    ("broker", "kind"),
    [
        ("tls", "sqlite"),
        ("embedded", "sqlite"),
        ("plain", "victoriametrics"),
        ("plain", "influxdb1"),
    ],
)
async def test_everything_served_is_stored_once_and_can_be_asked_for(
    broker: str, kind: str, tmp_path: Path
) -> None:
    async with a_broker(broker, tmp_path) as mqtt:
        with a_store(kind, tmp_path) as store:
            async with Road(tmp_path, mqtt, store) as road:
                await road.flows(COUNTERS)
                verdict = await road.settled()
                await road.stop()
                assert verdict.findings == [], road.logs()
                await assert_query_answers(road.ingester_file)
                assert " ERROR " not in road.logs()


async def assert_query_answers(store: Path) -> None:
    """`qilu query` tells of the store what the road has put into it."""
    pressure = ("--device", "compressor-1", "--point", "discharge_pressure")
    devices, points, samples, means = await asyncio.gather(
        answer("--store", store, "--devices"),
        answer("--store", store, "--points", "--device", "compressor-1"),
        answer("--store", store, *pressure, "--last", "5m"),
        answer("--store", store, *pressure, "--last", "5m", "--every", "1h"),
    )
    assert {one["device"]: one["profile"] for one in devices}.items() >= {
        "cnc-1": "cnc-machining-centre",
        "meter-1": "three-phase-energy-meter",
        "edge-1": "gateway",
    }.items()
    assert {"serve_counter", "discharge_pressure", "state", "loaded"} <= {one["point"] for one in points}
    assert len(samples) >= COUNTERS
    assert {one["quality"] for one in samples} == {"good"}
    assert all(0 <= one["value"] <= 16 for one in samples)
    assert len(means) in (1, 2)  # an hour may just have ended
    lowest, highest = min(one["value"] for one in samples), max(one["value"] for one in samples)
    assert all(lowest <= one["value"] <= highest for one in means)


async def answer(*question: str | Path) -> list[dict[str, Any]]:
    """What `qilu query` prints, as a program reads it."""
    done = await asyncio.to_thread(qilu, "query", *question, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
