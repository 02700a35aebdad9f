"""What a setting or a proxy costs for a while is kept at the edge, and is in the store afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.spool.requeue import quarantined
from tests.servers import Influxdb1, Mosquitto
from tests.system.programs import eventually, qilu
from tests.system.road import Road


async def test_records_of_a_device_that_another_edge_owns_wait_and_come_when_the_owners_are_corrected(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with Road(tmp_path, {"port": mosquitto.port}, {"type": "sqlite", "file": "store.db"}) as road:
        await road.flows()
        file, ingester = road.ingester_file, road.ingesters[0]
        settings = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(settings | {"owners": {"press-*": "edge-9"}}))
        await asyncio.to_thread(ingester.stop)
        await asyncio.to_thread(ingester.start)
        await eventually(lambda: "deferred as not_owner" in road.gateway.output(), "the line of the gateway")
        devices, road.devices = road.devices, [one for one in road.devices if one != "press-1"]
        await road.flows()  # nobody else is stopped
        road.devices = devices
        assert "'press-1' comes from edge 'edge-1'" in ingester.output()
        assert "names 'edge-9'" in ingester.output()
        file.write_text(yaml.safe_dump(settings))
        await asyncio.to_thread(ingester.stop)
        await asyncio.to_thread(ingester.start)
        verdict = await road.settled()
        assert verdict.findings == [], road.logs()
        assert not list(quarantined(road.folder / "spool"))
        await road.stop()


class Proxy:
    """Stands before an InfluxDB; while `refuses`, it answers writes with an error in JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.refuses = False
        self.refused = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        async with ClientSession() as self._session, TestServer(app, host="127.0.0.1") as server:
            yield str(server.make_url("")).rstrip("/")

    async def _pass(self, request: web.Request) -> web.Response:
        if self.refuses and request.path == "/write":
            self.refused += 1
            return web.json_response({"error": "invalid_request", "code": 22}, status=422)
        url = f"{self._url}{request.path_qs}"
        headers = {key: request.headers[key] for key in ("Content-Type",) if key in request.headers}
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers
        ) as reply:
            version = {key: value for key, value in reply.headers.items() if key.startswith("X-Influx")}
            return web.Response(status=reply.status, body=await reply.read(), headers=version)


async def test_a_proxy_that_refuses_for_a_while_costs_nothing_and_a_request_brings_all_of_it_at_once(
    mosquitto: Mosquitto, influxdb1: Influxdb1, tmp_path: Path
) -> None:
    proxy = Proxy(influxdb1.url)
    async with proxy.served() as url:
        store = {"type": "influx", "server": "influxdb1", "url": url, "database": influxdb1.database}
        async with Road(tmp_path, {"port": mosquitto.port}, store) as road:
            await road.flows()
            proxy.refuses = True
            await eventually(
                lambda: "deferred as store_refused" in road.gateway.output(), "the gateway's line"
            )
            await asyncio.sleep(5)
            proxy.refuses = False
            await road.flows()
            asked = await asyncio.to_thread(qilu, "spool", "resend", road.folder / "gateway.yaml")
            assert asked.returncode == 0, asked.stderr
            verdict = await road.settled()
            assert verdict.findings == [], road.logs()
            assert proxy.refused > 10
            assert not list(quarantined(road.folder / "spool"))
            await road.stop()
