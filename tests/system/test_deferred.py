"""What a setting or a proxy costs for a while is kept at the edge, and is in the store afterwards."""

import asyncio
from pathlib import Path

import yaml

from gateway.spool.requeue import quarantined
from tests.servers import Influxdb1, Mosquitto
from tests.system.programs import eventually, qilu
from tests.system.road import Road
from tests.system.store_proxy import StoreProxy


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


async def test_a_proxy_that_refuses_for_a_while_costs_nothing_and_a_request_brings_all_of_it_at_once(
    mosquitto: Mosquitto, influxdb1: Influxdb1, tmp_path: Path
) -> None:
    proxy = StoreProxy(influxdb1.url)
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
