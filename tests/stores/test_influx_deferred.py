"""What a proxy, a limit, a retention or a clock costs is deferred, and stored once the cause is removed."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from qilu.contract.ack_codes import AckCode, Family
from qilu.contract.reading import BlockSchema, Origin
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.writer import InfluxStore
from tests.servers import Influxdb1, VictoriaMetrics
from tests.stores.influx import COLUMNS, DAY, NOW, influxdb, metrics, poll
from tests.stores.test_influx_answers import BY_INFLUXDB, front, in_front

MONTHS = ("-dedup.minScrapeInterval=1ms", "-retentionPeriod=1")


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_request"},
        {"code": "try later", "message": "try later"},
        {"error": "partial write: unknown dropped=1000"},
        {"error": "unable to parse 'press': missing fields"},
    ],
)
async def test_an_error_that_is_not_recognised_is_deferred_and_stored_when_it_is_over(
    status: int, body: dict[str, str]
) -> None:
    healed, requests = False, 0

    def answer(_: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        return web.Response(status=204 if healed else status, text=json.dumps(body), headers=BY_INFLUXDB)

    polls = [poll(NOW + i, 1.0) for i in range(1000)]
    async with in_front(answer) as url, InfluxStore(front(url)) as store:
        refused = await store.write(polls)
        assert sorted(refused) == list(range(1000))
        assert {one.code for one in refused.values()} == {AckCode.STORE_REFUSED}
        assert requests <= 200, "the records of others wait for it"
        healed = True
        assert await store.write(polls) == {}


async def test_a_record_that_a_proxy_finds_too_large_is_deferred_and_stops_no_other() -> None:
    def answer(request: web.Request) -> web.Response:
        return web.Response(status=413 if (request.content_length or 0) > 20_000 else 204)

    wide = BlockSchema(COLUMNS.origin, "fast", ("x" * 44_000,))
    async with in_front(answer) as url, InfluxStore(front(url)) as store:
        refused = await store.write([poll(NOW, 1.0), poll(NOW, 1.0, wide), poll(NOW + 1, 1.0)])
        assert {index: one.code for index, one in refused.items()} == {1: AckCode.TOO_LARGE}


async def test_new_series_beyond_the_limit_of_influxdb_are_deferred_until_it_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_DATA_MAX_SERIES_PER_DATABASE", "20")
    machines = [BlockSchema(Origin("edge-1", f"press-{i}", "press"), "fast", ("force",)) for i in range(60)]
    polls = [poll(NOW, float(i), columns) for i, columns in enumerate(machines)]
    with Influxdb1(tmp_path) as server:
        settings = influxdb(server)
        async with InfluxStore(settings) as store:
            assert await store.write(polls[:15]) == {}
            refused = await store.write([poll(NOW + 1, 1.0, one) for one in machines])
            assert sorted(refused) == list(range(15, 60)), "a series that is known is no new one"
            assert {one.code for one in refused.values()} == {AckCode.STORE_LIMIT}
            assert "max-series-per-database" in refused[59].text
        server.kill()
        monkeypatch.setenv("INFLUXDB_DATA_MAX_SERIES_PER_DATABASE", "0")
        server.start()
        async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
            assert await store.write([polls[index] for index in refused]) == {}
            for index in refused:
                assert await reader.samples(machines[index].origin.key, "force", NOW, NOW + 1)


async def test_points_older_than_the_retention_of_influxdb_are_deferred_until_it_is_raised(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.query('ALTER RETENTION POLICY "autogen" ON "qilu" DURATION 7d SHARD DURATION 1d')
    polls = [poll(NOW - 30 * DAY, 1.0), poll(NOW, 1.0)]
    async with InfluxStore(influxdb(influxdb1)) as store:
        refused = await store.write(polls)
        assert {index: one.code for index, one in refused.items()} == {0: AckCode.BEFORE_RETENTION}
        influxdb1.query('ALTER RETENTION POLICY "autogen" ON "qilu" DURATION 365d SHARD DURATION 1d')
        assert await store.write(polls) == {}


@pytest.mark.parametrize(
    ("ahead_days", "code"),
    [(-3, AckCode.IN_FUTURE), (-730, AckCode.IN_FUTURE), (60, AckCode.BEFORE_RETENTION)],
)
async def test_while_the_clock_of_the_ingester_is_wrong_records_are_deferred_not_rejected(
    tmp_path: Path, ahead_days: int, code: AckCode
) -> None:
    ahead = float(ahead_days)
    with VictoriaMetrics(tmp_path, flags=MONTHS) as server:
        async with InfluxStore(metrics(server), wall=lambda: NOW / 1000 + ahead * DAY / 1000) as store:
            refused = await store.write([poll(NOW, 1.0), poll(NOW + 1, 2.0)])
            assert {index: one.code for index, one in refused.items()} == {0: code, 1: code}
            assert code.family is Family.DEFERRED
            ahead = 0.0
            assert await store.write([poll(NOW, 1.0), poll(NOW + 1, 2.0)]) == {}


@pytest.mark.parametrize("ahead_days", [400, -730])
async def test_records_of_an_edge_whose_clock_was_wrong_are_deferred_not_rejected(
    tmp_path: Path, ahead_days: int
) -> None:
    with VictoriaMetrics(tmp_path, flags=MONTHS) as server:
        async with InfluxStore(metrics(server)) as store:
            refused = await store.write([poll(NOW + ahead_days * DAY, 1.0), poll(NOW, 1.0)])
            assert set(refused) == {0}
            assert refused[0].family is Family.DEFERRED
