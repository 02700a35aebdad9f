"""The ingester with stores that real plants use: what such a store forgets in a crash is sent again."""

import asyncio
import time
from pathlib import Path

from qilu.contract.ranges import Ranges
from qilu.contract.reading import DeviceKey
from qilu.mqtt.settings import MqttSettings
from qilu.stores.opening import open_reader, open_store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.cloud.conftest import Start
from tests.cloud.memory import Edge, record
from tests.servers.influxdb1 import Influxdb1
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria_metrics import VictoriaMetrics


def records(count: int, begin_ms: int) -> dict[int, bytes]:
    return {number: record("edge-1", "press-1", begin_ms + number, float(number)) for number in range(count)}


async def values(settings: InfluxSettings | SqliteSettings, begin_ms: int) -> list[object]:
    async with open_reader(settings) as reader:
        samples = await reader.samples(DeviceKey("edge-1", "press-1"), "point_0", begin_ms, begin_ms + 10_000)
        return [sample.value for sample in samples]


async def test_what_victoriametrics_loses_by_a_crash_comes_again(
    mosquitto: Mosquitto, victoria_metrics: VictoriaMetrics, ingesting: Start
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    settings = InfluxSettings(
        type="influx", kind="victoriametrics", url=victoria_metrics.url, horizon=2.0, timeout=2.0
    )
    begin = time.time_ns() // 1_000_000 - 60_000
    some = records(20, begin)
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await edge.send(Ranges([(0, 19)]), list(some.values()))
        await edge.until(stored=20)
        await asyncio.to_thread(victoria_metrics.kill)
        assert not edge.durable
        await asyncio.to_thread(victoria_metrics.start)
        await edge.deliver(some, patience=3.0)
        async with asyncio.timeout(10):
            while len(await values(settings, begin)) < 20:
                await asyncio.sleep(0.2)
        assert await values(settings, begin) == [float(number) for number in range(20)]


async def test_influxdb_away_for_a_while_costs_nothing(
    mosquitto: Mosquitto, influxdb1: Influxdb1, ingesting: Start
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    settings = InfluxSettings(
        type="influx", kind="influxdb1", url=influxdb1.url, database=influxdb1.database, timeout=2.0
    )
    begin = time.time_ns() // 1_000_000 - 60_000
    some = records(20, begin)
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await asyncio.to_thread(influxdb1.kill)
        await edge.send(Ranges([(0, 19)]), list(some.values()))
        await asyncio.sleep(0.2)
        assert not edge.answers
        await asyncio.to_thread(influxdb1.start)
        await edge.until(durable=20)
        assert await values(settings, begin) == [float(number) for number in range(20)]


async def test_sqlite_has_what_was_answered(mosquitto: Mosquitto, tmp_path: Path, ingesting: Start) -> None:
    mqtt, settings = MqttSettings(port=mosquitto.port), SqliteSettings(type="sqlite", file=tmp_path / "s.db")
    begin = time.time_ns() // 1_000_000 - 60_000
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await edge.deliver(records(50, begin))
        assert await values(settings, begin) == [float(number) for number in range(50)]
