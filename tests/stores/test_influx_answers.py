"""Answers to a write, of the store or of what stands in front of it: refused, tried again, never believed."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from qilu.contract.ack_codes import AckCode
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import BlockSchema
from qilu.stores.influx.write_api import V1WriteEndpoint, V2WriteEndpoint
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics, free_port
from tests.stores.influx import COLUMNS, NOW, influxdb, metrics, poll

Answers = Callable[[web.Request], web.Response]


@asynccontextmanager
async def in_front(answer: Answers, more_flags: str = "") -> AsyncIterator[str]:
    """The address of what may stand before a VictoriaMetrics: greets as one, answers writes as told."""

    async def flags(request: web.Request) -> web.Response:
        return web.Response(text=f'-dedup.minScrapeInterval="1ms"\n-retentionPeriod="100y"\n{more_flags}')

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
    return InfluxSettings(type="influx", server="victoriametrics", url=url, timeout=5)


@pytest.mark.parametrize(
    ("flags", "horizon", "message"),
    [("", 5.0, True), ("", 12.0, False), ('-inmemoryDataFlushInterval="1s"\n', 5.0, False)],
)
async def test_a_horizon_in_which_victoriametrics_may_still_lose_something_is_message(
    caplog: pytest.LogCaptureFixture, flags: str, horizon: float, message: bool
) -> None:
    async with in_front(lambda _: web.Response(status=204), flags) as url:
        async with InfluxStore(front(url).model_copy(update={"durability_delay": horizon})):
            pass
    assert ("durability_delay of 5 s is too short" in caplog.text) == message


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403, 404, 301])
async def test_what_may_heal_is_unreachable_and_says_when_to_come_back(status: int) -> None:
    headers = {"Retry-After": "17"} if status in (429, 503) else {}
    async with in_front(lambda _: web.Response(status=status, text="busy", headers=headers)) as url:
        async with InfluxStore(front(url)) as store:
            with pytest.raises(UnreachableError, match=f"HTTP {status}: busy") as error:
                await store.write([poll(NOW, 1.0), poll(NOW + 1, 1.0)])
            assert error.value.retry_after == (17 if headers else None)
            assert (await store.mark()).incarnation == "17"


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
                assert (await store.write([poll(NOW, 1.0)]))[0].text.startswith("HTTP 400: ")
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
            refused = await store.write([poll(NOW, 1.0)])
            assert refused[0].code is AckCode.STORE_REFUSED
            assert "HTTP 400" in refused[0].text


async def test_of_a_web_page_only_the_title_is_message() -> None:
    page = "<!DOCTYPE html>\n<html><head><style>h1 {}</style>\n<title>502 Bad\nGateway</title></head></html>"
    async with in_front(lambda _: web.Response(status=502, text=page)) as url:
        async with InfluxStore(front(url)) as store:
            with pytest.raises(UnreachableError, match=r"HTTP 502: 502 Bad Gateway \(a web page, .*\)$"):
                await store.write([poll(NOW, 1.0)])


async def test_a_server_that_is_not_there_is_message_with_a_remedy() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError, match=f"^{url}/flags: nothing listens there; start the store, or"):
        async with InfluxStore(front(url)):
            pass


async def test_victoriametrics_and_influxdb_refuse_in_their_own_name(
    victoria_metrics: VictoriaMetrics, influxdb1: Influxdb1
) -> None:
    for settings in (metrics(victoria_metrics), influxdb(influxdb1)):
        door = V1WriteEndpoint if settings.server == "influxdb1" else V2WriteEndpoint
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

    columns = BlockSchema(COLUMNS.origin, "fast", ("x" * (most // 10),))
    async with in_front(answer) as url, InfluxStore(front(url)) as store:
        assert await store.write([poll(NOW + i, 1.0, columns) for i in range(40)]) == {}
        assert sum(size for size in sizes if size <= most) == sizes[0]
        wide = BlockSchema(COLUMNS.origin, "fast", ("x" * (most + 100),))
        refused = await store.write([poll(NOW, 1.0, wide)])
        assert refused[0].code is AckCode.TOO_LARGE
        assert "413" in refused[0].text


async def test_a_server_that_never_answers_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, as the kernel does it, and no more
        port = deaf.getsockname()[1]
        settings = InfluxSettings(
            type="influx", server="victoriametrics", url=f"http://127.0.0.1:{port}", timeout=0.2
        )
        with pytest.raises(UnreachableError, match=str(port)):
            async with InfluxStore(settings):
                pass


async def test_who_is_not_admitted_is_message_what_to_correct() -> None:
    async def no(request: web.Request) -> web.Response:
        return web.json_response({"message": "unauthorized access"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", no)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("")).rstrip("/")
        settings = InfluxSettings(type="influx", server="influxdb2", url=url, bucket="b", org="o")
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
            {"type": "influx", "server": "victoriametrics", "url": url, **secrets}
        )
        async with InfluxStore(settings) as store:
            await store.write([poll(NOW, 1.0)])
    assert seen == [header]
