"""Metrics, health and status of an ingester, read by a foreign client."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import yaml

import cloud
from cloud.ingester import Tally
from cloud.metrics_server import MetricsApi
from cloud.observation import IngesterView, Observation
from qilu.contract.ranges import IntervalSet
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.settings import MqttSettings
from tests.cloud.conftest import Start
from tests.cloud.memory import Edge, MemoryStore, record
from tests.servers import free_port

RECORDS = [record("edge-1", "press-1", 1000 + number) for number in range(10)]
SAMPLE = re.compile(r'^([a-z_]+)(?:\{(?:[a-z]+="[^"]*",?)+\})? (-?[0-9.e+-]+)$')


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_the_numbers_of_a_working_ingester_are_served(ingesting: Start) -> None:
    port = free_port()
    async with EmbeddedBroker() as broker:
        listening = {"listen": f"127.0.0.1:{port}"}
        async with (
            ingesting(broker.settings, MemoryStore(), ingester="a", metrics=listening),
            Edge(broker.settings) as edge,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}/") as client,
        ):
            await edge.send(IntervalSet([(0, 9)]), RECORDS)
            await edge.until(durable=10)
            async with client.get("metrics") as reply:
                assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                text = await reply.text()
            async with client.get("readyz") as reply:
                assert (reply.status, (await reply.json())["status"]) == (200, "ok")
            async with client.get("healthz") as reply:
                assert reply.status == 200
            async with client.get("api/v1/status") as reply:
                status = await reply.json()
    samples = {match[1]: float(match[2]) for line in text.splitlines() if (match := SAMPLE.match(line))}
    assert len(samples) == len([line for line in text.splitlines() if not line.startswith("#")])
    assert samples["qilu_ingester_records_total"] == 10
    assert samples["qilu_ingester_broker_up"] == 1
    assert samples["qilu_ingester_store_up"] == 1
    assert all(f"# HELP {name} " in text and f"# TYPE {name} " in text for name in samples)
    assert (status["role"], status["ingester"], status["tally"]["records"]) == ("ingester", "a", 10)


async def test_an_ingester_without_a_broker_works_and_is_not_ready(ingesting: Start) -> None:
    port = free_port()
    mqtt = MqttSettings(port=free_port())
    async with (
        ingesting(mqtt, MemoryStore(), metrics={"listen": f"127.0.0.1:{port}"}),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}/") as client,
    ):
        async with client.get("healthz") as reply:
            assert reply.status == 200
        async with client.get("readyz") as reply:
            assert reply.status == 503
            assert (await reply.json())["checks"] == {"broker": False, "store": True, "writing": True}


async def test_a_store_that_takes_nothing_is_reported_until_it_does(ingesting: Start) -> None:
    port, store = free_port(), MemoryStore(down=True)
    async with EmbeddedBroker() as broker:
        async with (
            ingesting(broker.settings, store, metrics={"listen": f"127.0.0.1:{port}"}),
            Edge(broker.settings) as edge,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}/") as client,
        ):

            async def store_passes() -> bool:
                async with client.get("readyz") as reply:
                    passed: bool = (await reply.json())["checks"]["store"]
                    return passed

            async def fails() -> bool:
                return not await store_passes()

            await edge.send(IntervalSet([(0, 9)]), RECORDS)
            await until(fails)
            store.down = False
            await until(store_passes)


async def test_names_of_others_cannot_break_the_text_of_the_metrics() -> None:
    view = IngesterView('a"}\n# evil', "s\\", {'b"\n': 1}, "", "", 0, 0, 0, Tally())
    (metrics,) = [route for route in MetricsApi(lambda: view, 0).routes() if route.path == "/metrics"]
    response = await metrics.handler(None)  # type: ignore[arg-type]  # reads nothing of the request
    lines = response.body.decode().splitlines()
    assert not [line for line in lines if line.startswith("# evil")]
    assert 'ingester="a\\"}\\n# evil"' in response.body.decode()


def test_the_description_names_the_routes() -> None:
    described = yaml.safe_load((Path(cloud.__path__[0]) / "openapi.yaml").read_text("utf-8"))
    routes = {(name.upper(), path) for path, item in described["paths"].items() for name in item}
    built = {(route.method, route.path) for route in MetricsApi(Observation(Tally()).look, 0).routes()}
    assert built == routes
