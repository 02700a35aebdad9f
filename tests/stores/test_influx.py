"""Servers that take line protocol: what they refuse, what they hide, and what stands between us and them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import Columns, Origin, Poll, Reading
from qilu.stores.influx.doors import V1Door, V2Door
from qilu.stores.influx.greeting import period
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.metrics_reader import VictoriaMetricsReader
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics

NOW = round(time.time() * 1000)
DAY = 86_400_000
COLUMNS = Columns(Origin("edge-1", "press-1", "press"), "fast", ("force",))


def poll(time_ms: int, value: float, columns: Columns = COLUMNS) -> Poll:
    return Poll(time_ms, (Reading(columns, time_ms, (value,)),))


def metrics(server: VictoriaMetrics) -> InfluxSettings:
    return InfluxSettings(type="influx", kind="victoriametrics", url=server.url)


def influxdb(server: Influxdb1, database: str = "qilu") -> InfluxSettings:
    return InfluxSettings(type="influx", kind="influxdb1", url=server.url, database=database)


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
            assert "before all that the store keeps" in refused[2]
            assert "future" in refused[6]
            await asyncio.to_thread(server.flush)
            found = await reader.samples("press-1", "force", 0, NOW + 3 * DAY)
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


async def test_a_point_that_is_a_text_to_influxdb_costs_only_its_polls(influxdb1: Influxdb1) -> None:
    influxdb1.write(f'press,device=press-1 strange="text" {NOW}')
    strange = Columns(COLUMNS.origin, "fast", ("strange",))
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        polls = [poll(NOW + i, float(i), strange if i in (3, 11, 12) else COLUMNS) for i in range(20)]
        refused = await store.write(polls)
        assert sorted(refused) == [3, 11, 12]
        assert "field type conflict" in refused[3]
        assert len(await reader.samples("press-1", "force", NOW, NOW + 20)) == 17


def requests(server: Influxdb1) -> int:
    """How many writes the server has been asked for."""
    (counts,) = server.query("SHOW STATS FOR 'httpd'")
    return int(counts["values"][0][counts["columns"].index("writeReq")])


async def test_a_profile_that_is_refused_as_a_whole_costs_no_request_for_each_poll(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=a strange="text" {NOW}')
    influxdb1.write(f'p\\ \\,q,device=a s\\ \\,\\="x="text" {NOW}')
    strange = Columns(COLUMNS.origin, "fast", ("force", "strange"))
    second = Columns(Origin("edge-1", "drive-1", "p ,q"), "fast", ('s ,="x',))
    polls = [
        Poll(NOW + i, tuple(Reading(one, NOW + i, (1.0,) * len(one.points)) for one in columns))
        for i in range(100)
        for columns in ((COLUMNS,), (COLUMNS, strange), (second,))
    ]
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        before = requests(influxdb1)
        refused = await store.write(polls)
        assert sorted(refused) == [index for index in range(300) if index % 3]
        assert '"strange" on measurement "press"' in refused[1]
        assert '"s ,="x" on measurement "p ,q"' in refused[2]
        # The batch, what has the first field, the others, what has the second, the rest.
        assert requests(influxdb1) == before + 5
        assert len(await reader.samples("press-1", "force", NOW, NOW + 100)) == 100


async def test_a_point_is_stored_again_as_soon_as_influxdb_has_no_text_of_its_name(
    influxdb1: Influxdb1,
) -> None:
    influxdb1.write(f'press,device=press-1 force="text" {NOW}')
    polls = [poll(NOW + i, float(i)) for i in range(20)]
    async with InfluxStore(influxdb(influxdb1)) as store:
        assert len(await store.write(polls)) == 20
        influxdb1.query("DROP MEASUREMENT press")
        assert await store.write(polls) == {}


async def test_only_the_weeks_in_which_a_point_is_a_text_to_influxdb_refuse_it(influxdb1: Influxdb1) -> None:
    influxdb1.write(f'press,device=press-1 force="text" {NOW - 30 * DAY}')
    weeks = [NOW - 30 * DAY, NOW]
    polls = [poll(weeks[i % 2] + 1 + i, float(i)) for i in range(20)]
    settings = influxdb(influxdb1)
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        assert sorted(await store.write(polls)) == list(range(0, 20, 2))
        assert len(await reader.samples("press-1", "force", NOW, NOW + 100)) == 10


async def test_a_database_is_made_when_there_is_none(influxdb1: Influxdb1) -> None:
    settings = influxdb(influxdb1, 'new "plant"')
    async with InfluxStore(settings) as store, InfluxqlReader(settings) as reader:
        await store.write([poll(NOW, 1.0)])
        assert len(await reader.samples("press-1", "force", NOW, NOW + 1)) == 1


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
        InfluxSettings(type="influx", kind="influxdb1", url=url, database="d"),
        InfluxSettings(type="influx", kind="influxdb2", url=influxdb1.url, bucket="b", org="o"),
        InfluxSettings(type="influx", kind="victoriametrics", url=influxdb1.url),
    ):
        with pytest.raises(ConfigError, match="correct kind or url"):
            async with InfluxStore(settings):
                pass


Answers = Callable[[web.Request], web.Response]


@asynccontextmanager
async def in_front(answer: Answers) -> AsyncIterator[str]:
    """The address of what may stand before a VictoriaMetrics: greets as one, answers writes as told."""

    async def flags(request: web.Request) -> web.Response:
        return web.Response(text='-dedup.minScrapeInterval="1ms"\n-retentionPeriod="100y"\n')

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="vm_app_version 1\nprocess_start_time_seconds 17\n")

    async def write(request: web.Request) -> web.Response:
        await request.read()
        return answer(request)

    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.get("/flags", flags), web.get("/metrics", healthy), web.post("/api/v2/write", write)])
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("")).rstrip("/")


def front(url: str) -> InfluxSettings:
    return InfluxSettings(type="influx", kind="victoriametrics", url=url, timeout=5)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403, 404, 301])
async def test_what_may_heal_is_unreachable_and_says_when_to_come_back(status: int) -> None:
    headers = {"Retry-After": "17"} if status in (429, 503) else {}
    async with in_front(lambda _: web.Response(status=status, text="busy", headers=headers)) as url:
        async with InfluxStore(front(url)) as store:
            with pytest.raises(UnreachableError, match=f"HTTP {status}: busy") as error:
                await store.write([poll(NOW, 1.0), poll(NOW + 1, 1.0)])
            assert error.value.retry_after == (17 if headers else None)
            assert await store.incarnation() == "17"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17),
        ("999999999999", 60),
        ("Sun, 29 Nov 2026 12:00:09 GMT", 9),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 60),
        ("soon", None),
        ("", None),
    ],
)
async def test_a_store_may_ask_for_a_pause_but_not_for_a_standstill(
    header: str, seconds: float | None
) -> None:
    headers = {"Retry-After": header, "Date": "Sun, 29 Nov 2026 12:00:00 GMT"}
    async with in_front(lambda _: web.Response(status=503, headers=headers)) as url:
        async with InfluxStore(front(url)) as store:
            with pytest.raises(UnreachableError) as error:
                await store.write([poll(NOW, 1.0)])
            assert error.value.retry_after == seconds


BY_INFLUXDB = {"X-Influxdb-Version": "1.8.0"}


@pytest.mark.parametrize(
    "body", [b'{"message":"caf\xe9"}', b'{"error":"\xb4\xed\xce\xf3"}', b"[" * 100_000, bytes(range(256))]
)
@pytest.mark.parametrize("status", [400, 502])
async def test_an_answer_of_any_bytes_is_a_refusal_or_can_be_tried_again(status: int, body: bytes) -> None:
    async with in_front(lambda _: web.Response(status=status, body=body, headers=BY_INFLUXDB)) as url:
        async with InfluxStore(front(url)) as store:
            if status == 400:
                assert (await store.write([poll(NOW, 1.0)]))[0].startswith("HTTP 400: ")
            else:
                with pytest.raises(UnreachableError, match="HTTP 502: "):
                    await store.write([poll(NOW, 1.0)])


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    "body", ["<html>400 Bad Request</html>", "", '{"message":"no route"}', '["error"]', '"error"', "error"]
)
async def test_what_a_proxy_refuses_is_not_refused_by_the_store(status: int, body: str) -> None:
    async with in_front(lambda _: web.Response(status=status, text=body)) as url:
        async with InfluxStore(front(url)) as store:
            for polls in ([poll(NOW, 1.0)], [poll(NOW, 1.0), poll(NOW + 1, 1.0)]):
                with pytest.raises(UnreachableError, match=f"in front of {url} answered HTTP {status}"):
                    await store.write(polls)


@pytest.mark.parametrize(
    "body",
    [
        '{"error":"unable to parse"}',
        '{"code":"invalid","message":"unable to parse"}',
        '{"error":"partial write of line protocol occurred","data":[]}',
    ],
)
async def test_an_error_in_the_json_of_influxdb_is_its_own_whatever_became_of_the_headers(body: str) -> None:
    async with in_front(lambda _: web.Response(status=400, text=body)) as url:
        async with InfluxStore(front(url)) as store:
            assert "HTTP 400" in (await store.write([poll(NOW, 1.0)]))[0]


async def test_victoriametrics_and_influxdb_refuse_in_their_own_name(
    victoria_metrics: VictoriaMetrics, influxdb1: Influxdb1
) -> None:
    for settings in (metrics(victoria_metrics), influxdb(influxdb1)):
        door = V1Door if settings.kind == "influxdb1" else V2Door
        async with door(settings, False) as opened:
            reply = await opened.post(b"x" * 300_000)  # longer than any line that VictoriaMetrics takes
            assert reply.status == 400
            assert reply.from_store


async def test_a_page_of_something_in_between_is_not_taken_for_a_store() -> None:
    async with in_front(lambda _: web.Response(text="<html>please log in</html>")) as url:
        async with InfluxStore(front(url)) as store:
            with pytest.raises(UnreachableError, match="HTTP 200"):
                await store.write([poll(NOW, 1.0)])


@pytest.mark.parametrize(("headers", "most"), [(BY_INFLUXDB, 500), ({}, 100_000)], ids=["store", "proxy"])
async def test_a_batch_that_is_too_large_is_halved_until_it_fits(headers: dict[str, str], most: int) -> None:
    sizes = []

    def answer(request: web.Request) -> web.Response:
        sizes.append(request.content_length or 0)
        return web.Response(status=413 if sizes[-1] > most else 204, headers=headers)

    columns = Columns(COLUMNS.origin, "fast", ("x" * (most // 10),))
    async with in_front(answer) as url, InfluxStore(front(url)) as store:
        assert await store.write([poll(NOW + i, 1.0, columns) for i in range(40)]) == {}
        assert sum(size for size in sizes if size <= most) == sizes[0]
        wide = Columns(COLUMNS.origin, "fast", ("x" * (most + 100),))
        assert "413" in (await store.write([poll(NOW, 1.0, wide)]))[0]


async def test_a_server_that_never_answers_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, as the kernel does it, and no more
        port = deaf.getsockname()[1]
        settings = InfluxSettings(
            type="influx", kind="victoriametrics", url=f"http://127.0.0.1:{port}", timeout=0.2
        )
        with pytest.raises(UnreachableError, match=str(port)):
            async with InfluxStore(settings):
                pass


async def test_who_is_not_admitted_is_told_what_to_correct() -> None:
    async def no(request: web.Request) -> web.Response:
        return web.json_response({"message": "unauthorized access"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", no)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("")).rstrip("/")
        settings = InfluxSettings(type="influx", kind="influxdb2", url=url, bucket="b", org="o")
        with pytest.raises(ConfigError, match=r"token_file: .* unauthorized access; correct the token"):
            async with InfluxStore(settings):
                pass


@pytest.mark.parametrize(
    ("who", "header"),
    [
        ({"token_file": True}, "Bearer secret"),
        ({"username": "u", "password_file": True}, "Basic dTpzZWNyZXQ="),
    ],
)
async def test_writes_say_who_we_are(tmp_path: Path, who: dict[str, Any], header: str) -> None:
    (tmp_path / "secret").write_text("secret\n")
    secrets = {key: tmp_path / "secret" if value is True else value for key, value in who.items()}
    seen = []

    def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=204)

    async with in_front(answer) as url:
        settings = InfluxSettings.model_validate(
            {"type": "influx", "kind": "victoriametrics", "url": url, **secrets}
        )
        async with InfluxStore(settings) as store:
            await store.write([poll(NOW, 1.0)])
    assert seen == [header]


async def test_compressed_and_plain_bodies_store_the_same(
    victoria_metrics: VictoriaMetrics, influxdb1: Influxdb1
) -> None:
    for settings in (metrics(victoria_metrics), influxdb(influxdb1)):
        for index, compress in enumerate((True, False)):
            columns = Columns(Origin("e", f"d-{index}", "p"), "g", ("x",))
            async with InfluxStore(settings.model_copy(update={"gzip": compress})) as store:
                assert await store.write([poll(NOW + i, float(i), columns) for i in range(3000)]) == {}
    await asyncio.to_thread(victoria_metrics.flush)
    for reader in (VictoriaMetricsReader(metrics(victoria_metrics)), InfluxqlReader(influxdb(influxdb1))):
        async with reader:
            plain, compressed = [await reader.samples(d, "x", NOW, NOW + 3000) for d in ("d-0", "d-1")]
            assert len(plain) == 3000
            assert plain == compressed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1ms", 0.001), ("100y", 3153600000), ("12", 32140800), ("30d", 2592000), ("x", None)],
)
def test_periods_of_victoriametrics_flags(text: str, seconds: float | None) -> None:
    assert period(text) == (pytest.approx(seconds) if seconds else None)
