"""The ingester with stores that real plants use: what such a store forgets in a crash is sent again."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from qilu.contract.ack_codes import AckCode
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import DeviceKey
from qilu.mqtt.settings import MqttSettings
from qilu.stores.factory import open_reader, open_store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.cloud.conftest import Start
from tests.cloud.memory import Edge, record
from tests.servers.influxdb1 import Influxdb1
from tests.servers.mosquitto import Mosquitto
from tests.servers.victoria_metrics import FLAGS, VictoriaMetrics


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
        type="influx", server="victoriametrics", url=victoria_metrics.url, durability_delay=2.0, timeout=2.0
    )
    begin = time.time_ns() // 1_000_000 - 60_000
    some = records(20, begin)
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 19)]), list(some.values()))
        await edge.until(stored=20)
        await asyncio.to_thread(victoria_metrics.kill)
        assert not edge.durable
        await asyncio.to_thread(victoria_metrics.start)
        await edge.deliver(some, patience=3.0)
        async with asyncio.timeout(60):
            while len(await values(settings, begin)) < 20:
                await asyncio.sleep(0.2)
        assert await values(settings, begin) == [float(number) for number in range(20)]


async def test_influxdb_away_for_a_while_costs_nothing(
    mosquitto: Mosquitto, influxdb1: Influxdb1, ingesting: Start
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    settings = InfluxSettings(
        type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database, timeout=2.0
    )
    begin = time.time_ns() // 1_000_000 - 60_000
    some = records(20, begin)
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await asyncio.to_thread(influxdb1.kill)
        await edge.send(IntervalSet([(0, 19)]), list(some.values()))
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


def has_sample(server: VictoriaMetrics, device: str, time_ms: int) -> bool:
    exported = server.export(f'{{__name__="press_point_0", device="{device}"}}')
    return any(time_ms in series["timestamps"] for series in exported)


async def test_rows_that_victoriametrics_drops_beyond_a_limit_are_deferred_and_other_machines_are_durable(
    mosquitto: Mosquitto, tmp_path: Path, ingesting: Start, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    begin = time.time_ns() // 1_000_000 - 60_000
    for attempt in range(5):
        caplog.clear()
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with VictoriaMetrics(folder, flags=(*FLAGS, "-storage.maxDailySeries=40")) as server:
            settings = InfluxSettings(
                type="influx", server="victoriametrics", url=server.url, durability_delay=2.0
            )
            async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
                first = record("edge-1", "press-1", begin, *map(float, range(20)))
                await edge.send(IntervalSet.of([0]), [first])
                await edge.until(durable=1)
                small = record("edge-1", "press-1", begin + 1, *map(float, range(20)))
                large = record("edge-1", "press-2", begin + 1, *map(float, range(100)))
                await edge.send(IntervalSet([(1, 2)]), [small, large])
                await edge.until(stored=3)
                if not await asyncio.to_thread(has_sample, server, "press-1", begin + 1):
                    continue  # at times the server takes series that it has for new ones, and drops them too
                await edge.until(durable=2, deferred=1)
                assert str(edge.durable) == "0-1"
                assert edge.deferred == {AckCode.STORE_IN_DOUBT: IntervalSet.of([2])}
                break
    else:
        pytest.fail("no server kept the series that it had")
    reported = [
        one.getMessage() for one in caplog.records if "records are stored but not durable" in one.message
    ]
    assert len(reported) == 1
    assert "raise -storage.maxHourlySeries and -storage.maxDailySeries" in reported[0]


async def test_nothing_is_written_into_a_victoriametrics_that_lost_its_flag_by_a_restart(
    mosquitto: Mosquitto,
    victoria_metrics: VictoriaMetrics,
    ingesting: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    settings = InfluxSettings(
        type="influx", server="victoriametrics", url=victoria_metrics.url, durability_delay=2.0, timeout=2.0
    )
    begin = time.time_ns() // 1_000_000 - 60_000
    some = records(20, begin)
    async with open_store(settings) as store, ingesting(mqtt, store), Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 9)]), list(some.values())[:10])
        await edge.until(durable=10)
        await asyncio.to_thread(victoria_metrics.stop)
        flags, victoria_metrics.flags = victoria_metrics.flags, ("-retentionPeriod=100y",)
        await asyncio.sleep(1.1)
        await asyncio.to_thread(victoria_metrics.start)
        await edge.send(IntervalSet([(0, 19)]), list(some.values()))
        async with asyncio.timeout(60):
            while "start VictoriaMetrics with -dedup.minScrapeInterval=1ms" not in caplog.text:
                await asyncio.sleep(0.1)
        [series] = await asyncio.to_thread(victoria_metrics.export, '{device="press-1"}')
        assert len(series["timestamps"]) == 10
        await asyncio.to_thread(victoria_metrics.stop)
        victoria_metrics.flags = flags
        await asyncio.sleep(1.1)
        await asyncio.to_thread(victoria_metrics.start)
        await edge.deliver(some, patience=3.0)
        [series] = await asyncio.to_thread(victoria_metrics.export, '{device="press-1"}')
        assert series["timestamps"] == [begin + number for number in range(20)]


class ThinLine:
    """Carries `bytes_per_second` to a server, and everything back at once."""

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self.to_port = port
        self.rate = bytes_per_second

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[int, None]:
        """Its own port."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.to_port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._copy(there_reader, writer, None))
                tasks.create_task(self._copy(reader, there, self.rate))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            there.close()
            writer.close()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int | None) -> None:
        while some := await reader.read(rate // 20 if rate else 65_536):
            writer.write(some)
            await writer.drain()
            if rate:
                await asyncio.sleep(len(some) / rate)
        writer.close()
        raise ConnectionResetError


@pytest.mark.parametrize("kind", ["victoriametrics", "influxdb1"])
async def test_a_batch_that_does_not_fit_into_the_timeout_on_a_thin_line_is_halved_until_it_fits(
    kind: str,
    mosquitto: Mosquitto,
    request: pytest.FixtureRequest,
    ingesting: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    server = request.getfixturevalue("victoria_metrics" if kind == "victoriametrics" else "influxdb1")
    begin = time.time_ns() // 1_000_000 - 60_000
    many = {
        number: record("edge-1", "press-1", begin + number, *map(float, range(20))) for number in range(400)
    }
    async with ThinLine(server.port, 40_000).running() as port:
        settings = InfluxSettings.model_validate(
            {
                "type": "influx",
                "server": kind,
                "url": f"http://127.0.0.1:{port}",
                "timeout": 1.5,
                "gzip": False,
            }
            | ({"durability_delay": 2.0} if kind == "victoriametrics" else {"database": "qilu"})
        )
        async with (
            open_store(settings) as store,
            ingesting(mqtt, store, max_records_per_write=1000, linger=0.5),
            Edge(mqtt) as edge,
        ):
            for start in range(0, 400, 40):
                some = range(start, start + 40)
                await edge.send(IntervalSet.of(some), [many[number] for number in some])
            await edge.until(durable=400, within=50)
    reported = [one.getMessage() for one in caplog.records if "in one write were too many" in one.message]
    assert len(reported) == 1
    assert "raise store.timeout" in reported[0]
