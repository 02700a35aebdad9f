"""What is wrong outside of us is told, costs only itself, and stops nobody."""

import asyncio
import json
import re
import time
from collections import Counter
from pathlib import Path

from gateway.spool.requeue import quarantined
from tests.servers import Influxdb1, Mosquitto
from tests.system.ledger import read_served
from tests.system.programs import eventually, qilu
from tests.system.road import Road
from tests.system.strangers import publish_garbage_for_notices, publish_garbage_for_records


async def test_a_gateway_collects_without_a_broker_and_garbage_on_the_broker_stops_nobody(
    tmp_path: Path,
) -> None:
    broker = Mosquitto(tmp_path)
    store = {"type": "sqlite", "file": "store.db"}
    async with Road(tmp_path, {"port": broker.port}, store) as road:
        reported = (
            f"not connected: MQTT broker 127.0.0.1:{broker.port}: nothing listens there; start the broker"
        )
        gateway, ingester = road.gateway, road.ingesters[0]
        await eventually(lambda: reported in gateway.output() and reported in ingester.output(), reported)
        await eventually(
            lambda: min(Counter(one.device for one in read_served(road.truth)).values(), default=0) > 4,
            "every machine being polled",
        )
        with broker:
            await road.flows()
            pids = (gateway.pid, ingester.pid)

            publish_garbage_for_records(broker)
            publish_garbage_for_notices(broker)
            await eventually(
                lambda: "qilu/live/edge-1: ignored: " in ingester.output(), "the ingester's word"
            )
            await eventually(
                lambda: "qilu/live/edge-1: left for a newer ingester: " in ingester.output(),
                "a newer version",
            )
            await eventually(lambda: "qilu/ack/edge-1: ignored: " in gateway.output(), "the gateway's word")
            await road.flows()
            verdict = await road.settled()
            assert verdict.findings == [], road.logs()
            assert (gateway.pid, ingester.pid) == pids
            await road.stop()
            assert "Traceback" not in gateway.output() + ingester.output()


async def test_a_point_that_the_store_refuses_is_set_aside_on_the_edge_and_the_rest_flows(
    mosquitto: Mosquitto, influxdb1: Influxdb1, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    refused = influxdb1.write(f'screw_air_compressor,device=old discharge_pressure="seven" {now}')
    assert refused.status == 204  # from now on this field takes texts only
    store = {"type": "influx", "server": "influxdb1", "url": influxdb1.url, "database": influxdb1.database}
    async with Road(tmp_path, {"port": mosquitto.port}, store) as road:
        await road.flows()
        publish_garbage_for_records(mosquitto)
        spool = road.folder / "spool"
        await eventually(lambda: bool(list(spool.glob("*.quarantine"))), "the quarantine")
        await road.flows()
        verdict = await road.settled()
        assert verdict.findings == [], road.logs()
        assert "Traceback" not in road.ingesters[0].output()
        aside = list(quarantined(spool))
        assert {json.loads(one.body)["device"] for one in aside} == {"compressor-1"}
        assert all(b"discharge_pressure" in one.body for one in aside)
        assert all("discharge_pressure" in one.reason for one in aside), aside[0].reason
        await road.stop()


async def test_neither_a_second_start_nor_a_secret_that_disappears_stops_anybody(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    broker = Mosquitto(tmp_path, users={"works": "open sesame"})
    mqtt = {"port": broker.port, "username": "works", "password_file": str(secret)}
    with broker:
        async with Road(tmp_path, mqtt, {"type": "sqlite", "file": "store.db"}) as road:
            gateway, ingester = road.gateway, road.ingesters[0]
            await road.flows()
            # By mistake: with code 1 a service manager tries again, an ingester does so itself.
            for program, code in ((gateway, 1), (ingester, 0)):
                second = await asyncio.to_thread(qilu, *program.arguments, "--duration", "5")
                assert second.returncode == code
                assert re.search("process .* (holds|writes) this (spool|store);", second.stderr), (
                    second.stderr
                )
            secret.unlink()
            broker.kill()
            broker.start()
            reported = f"not connected: mqtt.password_file: {secret}: no such file"
            await eventually(lambda: reported in gateway.output() and reported in ingester.output(), reported)
            secret.write_text("open sesame\n")
            await road.flows()
            verdict = await road.settled()
            assert verdict.findings == [], road.logs()
            await road.stop()
