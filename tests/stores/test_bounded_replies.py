"""No reply of a server takes more memory than stated, and no shape of it ends a program."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from qilu.contract.errors import QiluError, UnreachableError
from qilu.contract.reading import DeviceKey
from qilu.stores.influx.bounded_response import MAX_DATA_BYTES, MAX_ERROR_BYTES, MAX_RESPONSE_BYTES
from qilu.stores.influx.handshake import handshake, period
from qilu.stores.influx.http import Http, Reply, TooLongResponseError
from qilu.stores.influx.influxql_reader import InfluxqlReader
from qilu.stores.influx.metrics_reader import VictoriaMetricsReader
from qilu.stores.influx.write_api import V1WriteEndpoint, V2WriteEndpoint
from qilu.stores.settings import InfluxSettings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOMB = gzip.compress(b"x" * (10 * MAX_RESPONSE_BYTES), 9)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[InfluxSettings]:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        url = str(server.make_url("")).rstrip("/")
        yield InfluxSettings(type="influx", server="victoriametrics", url=url, timeout=60)


def page(status: int, body: bytes, coding: str = "gzip") -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, body=body, headers={"Content-Encoding": coding})

    return answer


class Endless:
    """Answers with chunks without end; `sent` counts their bytes."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent = 0
        self.ended = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
                self.sent += 65_536
        except OSError:
            return response
        finally:
            self.ended.set()


@pytest.mark.parametrize("status", [400, 503])
async def test_an_error_page_that_inflates_without_end_is_read_to_its_bound(status: int) -> None:
    async with serving(page(status, BOMB)) as settings:
        async with Http(settings) as http:
            assert len((await http.ask("GET", "/")).body) == MAX_ERROR_BYTES
        for door in (V1WriteEndpoint, V2WriteEndpoint):
            async with door(settings, False) as way:
                reply = await way.post(b"a b=1 1")
                assert (reply.status, len(reply.body)) == (status, MAX_ERROR_BYTES)


async def test_an_answer_that_inflates_without_end_is_not_believed() -> None:
    async with serving(page(200, BOMB)) as settings, Http(settings) as http:
        with pytest.raises(TooLongResponseError, match="more than 16 MB"):
            await http.ask("GET", "/metrics")


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_without_end_is_left_at_its_bound(status: int) -> None:
    endless = Endless(status)
    async with serving(endless.answer) as settings, Http(settings) as http:
        if status == 200:
            with pytest.raises(UnreachableError):
                await http.ask("GET", "/")
        else:
            await http.ask("GET", "/")
        await asyncio.wait_for(endless.ended.wait(), 30)
        assert endless.sent < 2 * MAX_RESPONSE_BYTES


async def test_what_was_compressed_wrongly_is_no_answer_and_what_was_compressed_well_is_one() -> None:
    async with serving(page(200, b"no gzip at all")) as settings, Http(settings) as http:
        with pytest.raises(UnreachableError):
            await http.ask("GET", "/")
    async with serving(page(200, gzip.compress(b'{"a": 1}'))) as settings, Http(settings) as http:
        assert (await http.ask("GET", "/")).json(dict[str, int]) == {"a": 1}


async def test_a_question_with_too_long_an_answer_is_asked_again_about_its_halves() -> None:
    asked: list[tuple[float, float]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        start, end = float(str(form["start"])), float(str(form["end"]))
        asked.append((start, end))
        if end - start > 60:
            return web.Response(body=b" " * (MAX_DATA_BYTES + 1))
        times = [1000 * second for second in range(int(start) + 1, int(end))]
        line = {"metric": {"__name__": "press_force"}, "timestamps": times, "values": [1.0] * len(times)}
        return web.Response(text=json.dumps(line))

    async with serving(answer) as settings, VictoriaMetricsReader(settings) as reader:
        found = await reader.samples(DeviceKey("edge-1", "press-1"), "force", 0, 200_000)
    assert [sample.time_ms for sample in found] == [1000 * second for second in range(1, 200)]
    assert len(asked) == 7


def test_the_title_of_a_page_is_looked_for_in_its_beginning_and_in_one_pass() -> None:
    assert "Bad gateway (a web page" in Reply(502, b"<html><TITLE>Bad\n gateway</Title>").reason
    assert "a web page" not in Reply(502, b" " * 10 + b"y" * 5000 + b"<title>late</title>").reason
    assert "a web page" not in Reply(502, b"<title>" * 1_000_000).reason
    assert "a web page" not in Reply(502, b"</title>" * 1_000_000 + b"<title>").reason


@pytest.mark.parametrize(
    "header",
    ["9" * 500, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 31 Feb 2026 25:61:61 +9999999"],
)
def test_a_retry_after_of_nonsense_is_none_or_a_minute(header: str) -> None:
    headers = {"Retry-After": header, "Date": "Sun, 29 Nov 2026 12:00:00 GMT"}
    assert Reply(503, b"", headers).unreachable("store").retry_after in (None, 60.0)


@pytest.mark.parametrize("text", ["1.2.3", ".", "9" * 400, "1..", "s"])
def test_a_period_that_is_none_is_not_known(text: str) -> None:
    assert period(text) is None


SHAPES = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b"[" * 100_000,
    b'{"results":[]}',
    b'{"results":[{"series":[{}]}]}',
    b'{"results":[{"series":[{"name":"x","columns":["time"],"values":[]}]}]}',
    b'{"results":[{"series":[{"name":"x","columns":["time"],"values":[[1,2,3]]}]}]}',
    b'{"results":[{"error":7}]}',
    b'{"data":{}}',
    b'{"data":{"result":[{"metric":{},"value":[1,"NaN"]}]}}',
    b'{"data":{"result":[{"metric":{},"value":[1,"x"]}]}}',
    b'{"data":[{"a":1}]}',
    b'{"data":[{"a":"b"}]}',
    b'{"data":{"result":[{"metric":{},"value":[1,"5"]}]}}',
    b'{"metric":{"a":"b"},"timestamps":[1],"values":[1,2]}',
    b'{"results":[{"series":[{"name":"x","columns":["time","a"],"values":[[null,"b"]]}]}]}',
    b'{"metric":{"a":"b"},"timestamps":["x"],"values":[1]}',
]


@pytest.mark.parametrize("body", SHAPES)
@pytest.mark.parametrize("kind", [InfluxqlReader, VictoriaMetricsReader])
async def test_an_answer_of_another_shape_is_no_answer(
    kind: type[InfluxqlReader | VictoriaMetricsReader], body: bytes
) -> None:
    device = DeviceKey("edge-1", "press-1")
    async with serving(page(200, body, "identity")) as settings, kind(settings) as reader:
        for question in (
            reader.devices(),
            reader.points(device),
            reader.samples(device, "force", 0, 1000),
            reader.count(device, "press", 0, 1000),
        ):
            with contextlib.suppress(UnreachableError):
                await question


@pytest.mark.parametrize("body", SHAPES)
@pytest.mark.parametrize("kind", ["influxdb1", "influxdb2", "influxdb3", "victoriametrics"])
async def test_a_greeting_of_another_shape_ends_in_a_message(kind: str, body: bytes) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(
            body=body + b"vm_" * (kind == "victoriametrics"), headers={"X-Influxdb-Version": "1.8"}
        )

    async with serving(answer) as settings:
        more = {"server": kind, "database": "d", "bucket": "b", "org": "o"}
        async with Http(settings) as http:
            with contextlib.suppress(QiluError):
                await handshake(http, settings.model_copy(update=more))
