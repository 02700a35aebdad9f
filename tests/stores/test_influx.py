"""Servers that take line protocol: what they are asked before the first write, and what they hide."""

import asyncio
from pathlib import Path

import pytest

from qilu.contract.ack_codes import AckCode
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import BlockSchema, DeviceKey, Origin
from qilu.stores.influx.handshake import period
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.metrics_reader import VictoriaMetricsReader
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics
from tests.stores.influx import COLUMNS, DAY, NOW, influxdb, metrics, poll


@pytest.mark.parametrize("flags", [(), ("-dedup.minScrapeInterval=1s",)])
async def test_victoriametrics_that_would_keep_or_drop_duplicates_wrongly_is_refused(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with VictoriaMetrics(tmp_path, flags=flags) as server:
        with pytest.raises(ConfigError, match=r"start VictoriaMetrics with -dedup.minScrapeInterval=1ms"):
            async with InfluxStore(metrics(server)):
                pass


async def test_times_that_victoriametrics_would_drop_in_silence_are_refused(tmp_path: Path) -> None:
    flags = ("-dedup.minScrapeInterval=1ms", "-retentionPeriod=10d")
    with VictoriaMetrics(tmp_path, flags=flags) as server:
        async with InfluxStore(metrics(server)) as store, VictoriaMetricsReader(metrics(server)) as reader:
            times = [NOW, NOW - 9 * DAY, NOW - 11 * DAY, 0, -5, NOW + DAY // 2, NOW + 2 * DAY]
            refused = await store.write([poll(when, float(i)) for i, when in enumerate(times)])
            assert sorted(refused) == [2, 3, 4, 6]
            assert "before all that the store keeps" in refused[2].text
            assert "future" in refused[6].text
            assert [refused[i].code for i in (2, 6)] == [AckCode.BEFORE_RETENTION, AckCode.IN_FUTURE]
            await asyncio.to_thread(server.flush)
            found = await reader.samples(COLUMNS.origin.key, "force", 0, NOW + 3 * DAY)
            assert [sample.value for sample in found] == [1.0, 0.0, 5.0]
            (device,) = await reader.devices()
            assert device.last_ms == NOW


async def test_a_device_whose_clock_runs_ahead_is_found_all_the_same(
    victoria_metrics: VictoriaMetrics,
) -> None:
    settings = metrics(victoria_metrics)
    async with InfluxStore(settings) as store, VictoriaMetricsReader(settings) as reader:
        await store.write([poll(NOW + DAY // 2, 1.0)])
        await asyncio.to_thread(victoria_metrics.flush)
        (device,) = await reader.devices()
        assert device.last_ms == NOW + DAY // 2


async def test_a_database_is_made_when_there_is_none(influxdb1: Influxdb1) -> None:
    settings = influxdb(influxdb1, 'new "plant"')
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        await store.write([poll(NOW, 1.0)])
        assert len(await reader.samples(COLUMNS.origin.key, "force", NOW, NOW + 1)) == 1


async def test_a_database_that_vanishes_is_no_reason_to_reject_anything(influxdb1: Influxdb1) -> None:
    async with InfluxStore(influxdb(influxdb1)) as store:
        influxdb1.query('DROP DATABASE "qilu"')
        with pytest.raises(UnreachableError, match="database not found"):
            await store.write([poll(NOW, 1.0)])


async def test_a_server_of_another_kind_is_named(
    victoria_metrics: VictoriaMetrics, influxdb1: Influxdb1
) -> None:
    url = victoria_metrics.url
    for settings in (
        InfluxSettings(type="influx", server="influxdb1", url=url, database="d"),
        InfluxSettings(type="influx", server="influxdb2", url=influxdb1.url, bucket="b", org="o"),
        InfluxSettings(type="influx", server="victoriametrics", url=influxdb1.url),
    ):
        with pytest.raises(ConfigError, match="correct server or url"):
            async with InfluxStore(settings):
                pass


async def test_compressed_and_plain_bodies_store_the_same(
    victoria_metrics: VictoriaMetrics, influxdb1: Influxdb1
) -> None:
    for settings in (metrics(victoria_metrics), influxdb(influxdb1)):
        for index, compress in enumerate((True, False)):
            columns = BlockSchema(Origin("e", f"d-{index}", "p"), "g", ("x",))
            async with InfluxStore(settings.model_copy(update={"gzip": compress})) as store:
                assert await store.write([poll(NOW + i, float(i), columns) for i in range(3000)]) == {}
    await asyncio.to_thread(victoria_metrics.flush)
    for reader in (VictoriaMetricsReader(metrics(victoria_metrics)), InfluxqlReader(influxdb(influxdb1))):
        async with reader:
            plain, compressed = [
                await reader.samples(DeviceKey("e", d), "x", NOW, NOW + 3000) for d in ("d-0", "d-1")
            ]
            assert len(plain) == 3000
            assert plain == compressed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1ms", 0.001), ("100y", 3153600000), ("12", 32140800), ("30d", 2592000), ("x", None)],
)
def test_periods_of_victoriametrics_flags(text: str, seconds: float | None) -> None:
    assert period(text) == (pytest.approx(seconds) if seconds else None)
