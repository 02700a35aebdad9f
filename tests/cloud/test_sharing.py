"""Several ingesters share the records of one store; one that dies takes nothing with it."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from qilu.contract.ranges import IntervalSet
from qilu.mqtt.settings import MqttSettings
from tests.cloud.conftest import Start
from tests.cloud.doomed import doomed_ingester
from tests.cloud.memory import Edge, MemoryStore, record
from tests.servers.mosquitto import Mosquitto


def records(count: int, first: int = 0) -> dict[int, bytes]:
    return {number: record("edge-1", "press-1", 1000 + number) for number in range(first, first + count)}


async def test_two_ingesters_of_a_store_share_its_records(mosquitto: Mosquitto, ingesting: Start) -> None:
    mqtt, store = MqttSettings(port=mosquitto.port), MemoryStore()
    async with (
        ingesting(mqtt, store, ingester="a") as a,
        ingesting(mqtt, store, ingester="b") as b,
        Edge(mqtt) as edge,
    ):
        await edge.until_announced("a", "b")
        for offset, body in records(100).items():
            await edge.send(IntervalSet.of([offset]), [body])
        await edge.until(durable=100)
        assert a.tally.records + b.tally.records == 100
        assert a.tally.records > 10
        assert b.tally.records > 10


@pytest.mark.parametrize(
    "names",
    [
        ("first", "influxdb2:host:8086/plant #+$"),
        ("一号厂", "二号厂"),
        ("works 1", "works_1"),
        ("a%2Fb", "a/b"),
    ],
)
async def test_ingesters_of_two_stores_get_everything_each(
    names: tuple[str, str], mosquitto: Mosquitto, ingesting: Start
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    first, second = map(MemoryStore, names)
    async with (
        ingesting(mqtt, first) as one,
        ingesting(mqtt, second) as other,
        Edge(mqtt) as edge,
    ):
        for offset, body in records(20).items():
            await edge.send(IntervalSet.of([offset]), [body])
        async with asyncio.timeout(60):
            while min(one.tally.records, other.tally.records) < 20:
                await asyncio.sleep(0.01)
        assert len(first.kept) == len(second.kept) == 20


async def test_ingesters_that_cannot_share_take_everything(mosquitto: Mosquitto, ingesting: Start) -> None:
    mqtt, store = MqttSettings(port=mosquitto.port, protocol="3.1.1"), MemoryStore()
    async with ingesting(mqtt, store) as a, ingesting(mqtt, store) as b, Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 9)]), list(records(10).values()))
        await edge.until(durable=10)
        async with asyncio.timeout(60):
            while a.tally.records + b.tally.records < 20:
                await asyncio.sleep(0.01)
        assert len(store.kept) == 10


async def test_an_ingester_killed_with_records_in_its_hands_costs_nothing(
    mosquitto: Mosquitto, ingesting: Start
) -> None:
    mqtt, store = MqttSettings(port=mosquitto.port), MemoryStore()
    doomed = multiprocessing.get_context("spawn").Process(
        target=doomed_ingester, args=(mosquitto.port, store.identity), daemon=True
    )
    doomed.start()
    try:
        async with ingesting(mqtt, store, ingester="sound") as sound, Edge(mqtt) as edge:
            await edge.until_announced("sound", "doomed")
            delivering = asyncio.create_task(edge.deliver(records(200)))
            async with asyncio.timeout(60):
                while not sound.tally.records:
                    await asyncio.sleep(0.01)
            assert not delivering.done()
            assert doomed.pid is not None
            os.kill(doomed.pid, signal.SIGKILL)
            await delivering
            assert store.times("press-1") == [1000 + number for number in range(200)]
            await edge.until_announced("sound")
    finally:
        doomed.kill()
        await asyncio.to_thread(doomed.join)


async def test_an_ingester_outlives_its_broker(mosquitto: Mosquitto, ingesting: Start) -> None:
    mqtt, store = MqttSettings(port=mosquitto.port), MemoryStore(durability_delay=0.5)
    async with ingesting(mqtt, store) as running:
        async with Edge(mqtt) as edge:
            await edge.send(IntervalSet([(0, 9)]), list(records(10).values()))
            await edge.until(stored=10)
            await asyncio.to_thread(mosquitto.kill)
        running.flowing.clear()
        await asyncio.to_thread(mosquitto.start)
        async with Edge(mqtt) as edge:
            async with asyncio.timeout(60):
                await running.flowing.wait()
            await edge.deliver(records(20))
        assert len(store.kept) == 20


async def test_an_ingester_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path, ingesting: Start) -> None:
    server = Mosquitto(tmp_path)
    mqtt, store = MqttSettings(port=server.port), MemoryStore()
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        async with ingesting(mqtt, store) as running:
            assert running.flowing.is_set()
    finally:
        await starting
        server.stop()


async def test_an_ingester_that_may_not_announce_itself_works_all_the_same(
    tmp_path: Path, ingesting: Start
) -> None:
    acl = "topic readwrite qilu/live/#\ntopic readwrite qilu/backlog/#\ntopic readwrite qilu/ack/#\n"
    with Mosquitto(tmp_path, acl=acl, lines=["max_queued_messages 1000000"]) as server:
        mqtt = MqttSettings(port=server.port)
        async with ingesting(mqtt, MemoryStore()), Edge(mqtt) as edge:
            await edge.send(IntervalSet([(0, 9)]), list(records(10).values()))
            await edge.until(durable=10)
