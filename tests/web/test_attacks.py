"""Slow, oversized and malformed requests, paths out of the page's folder, and readers that stall."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from qilu.web import server as server_module
from qilu.web.application import MAX_BODY
from qilu.web.exchange import Request, Response, Route
from qilu.web.live import MAX_TOPICS, Topic
from tests.web import raw
from tests.web.conftest import Serve

JSON = "Content-Type: application/json"


async def still_works(port: int) -> bool:
    return raw.status(await raw.reply(port, raw.request("/api/v1/open", "Connection: close"))) == 200


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection before long; what it sends before does not matter."""
    try:
        async with asyncio.timeout(20):
            while await reader.read(65_536):
                pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("begin", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "])
async def test_a_connection_that_never_finishes_its_request_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", 0.5)
    async with serve() as server, raw.connected(server.port) as (reader, writer):
        writer.write(begin)

        async def drip() -> None:
            for _ in range(200):
                writer.write(b"a" if begin else b"")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await closed(reader)
        dripping.cancel()
        await asyncio.wait([dripping])
        assert await still_works(server.port)


async def test_a_body_that_never_ends_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qilu.web.application.BODY_S", 0.3)
    head = raw.request("/api/v1/commands/requeue", JSON, "Content-Length: 100", method="POST")
    async with serve() as server:
        assert raw.status(await raw.reply(server.port, head + b"{")) == 408
        assert await still_works(server.port)


@pytest.mark.parametrize("length", [f"Content-Length: {MAX_BODY + 1}", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_too_long_is_refused(serve: Serve, length: str) -> None:
    head = raw.request("/api/v1/commands/requeue", JSON, length, method="POST")
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    async with serve() as server:
        body = chunk * (MAX_BODY // 0x10000 + 2) if "chunked" in length else b""
        assert raw.status(await raw.reply(server.port, head + body)) == 413
        assert await still_works(server.port)


@pytest.mark.parametrize(
    "text",
    [
        raw.request("/" + "a" * 100_000),
        raw.request("/", *[f"X-{index}: a" for index in range(500)]),
        raw.request("/", "X-A: " + "b" * 100_000),
        raw.request("/", "Content-Length: -1"),
        raw.request("/", "Content-Length: 5", "Transfer-Encoding: chunked"),
        raw.request("/\x00"),
        raw.request("/%ff%fe"),
        raw.request("http://evil.example.com/"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 5_000,
        b"GET / HTTP/9.9\r\n\r\n",
        random.Random(5).randbytes(2_000),
    ],
    ids=lambda text: repr(text[:20]),
)
async def test_a_malformed_request_is_refused_and_others_are_served(serve: Serve, text: bytes) -> None:
    async with serve() as server:
        async with raw.connected(server.port) as (reader, writer):
            writer.write(text)
            writer.write_eof()
            async with asyncio.timeout(20):
                try:
                    content = await reader.read(65_536)
                except ConnectionError:
                    content = b""
        assert raw.status(content) in (0, 400, 404, 408, 413, 414, 421, 431)
        assert b"aiohttp" not in content.lower()
        assert not content or b"default-src 'none'" in content
        assert await still_works(server.port)


async def test_malformed_requests_do_not_fill_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as server:
        for _ in range(50):
            await raw.reply(server.port, b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x00\x1b[31m\r\n\r\n")
    assert len(caplog.records) == 1
    assert "Traceback" not in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 200_000, b'"\\ud800"', b"\xff", b"NaN", b'{"a": 1e999999}', b"9" * 100_000]
)
async def test_a_body_that_is_not_json_is_refused(serve: Serve, body: bytes) -> None:
    async with serve() as server, aiohttp.ClientSession(server.url) as client:
        headers = {"Content-Type": "application/json"}
        async with client.post("api/v1/commands/requeue", data=body, headers=headers) as reply:
            assert reply.status in ((200,) if not body else (200, 400))
        assert await still_works(server.port)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "page"
    (folder / "css").mkdir(parents=True)
    (folder / "index.html").write_text('<script type="importmap">{"imports":{}}</script>' + "x" * 2000)
    (folder / "css" / "page.css").write_text("body{}")
    (folder / ".hidden.js").write_text("secret")
    (tmp_path / "site" / "secret.json").write_text("secret")
    (folder / "link.json").symlink_to(tmp_path / "site" / "secret.json")
    (folder / "module.py").write_text("secret")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.json", "/css/../../secret.json", "/%2e%2e/secret.json", "/..%2fsecret.json",
        "/css/..%2f..%2fsecret.json", "/..\\secret.json", "/%5c..%5csecret.json", "//secret.json",
        "/.hidden.js", "/link.json", "/module.py", "/css", "/css/", "/%00index.html", "/index.html%00.js",
        "/etc/passwd", "/.//../secret.json", "/%252e%252e/secret.json", "/index.html/../../secret.json",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_page(serve: Serve, page: Path, path: str) -> None:
    async with serve(page=page) as server:
        content = await raw.reply(server.port, raw.request(path, "Connection: close"))
    assert raw.status(content) in (400, 404)
    assert b"secret" not in content.replace(path.encode(), b"")


async def test_files_of_the_page_are_compressed_and_sent_once(serve: Serve, page: Path) -> None:
    async with serve(page=page) as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("") as reply:
            assert reply.headers["Content-Encoding"] == "gzip"
            assert "'sha256-" in reply.headers["Content-Security-Policy"]
            assert (await reply.text()).endswith("xxx")
            tag = reply.headers["ETag"]
        async with client.get("index.html", headers={"If-None-Match": tag}) as reply:
            assert reply.status == 304
        async with client.get("css/page.css") as reply:
            assert reply.headers["Content-Type"].startswith("text/css")


async def test_one_address_has_a_bound_of_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS_OF_ADDRESS", 5)
    async with serve() as server:
        pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(9)]
        ended = [asyncio.create_task(closed(reader)) for reader, _ in pairs[5:]]
        assert await asyncio.gather(*ended) == [True] * 4
        for _, writer in pairs:
            writer.close()


async def test_a_download_that_nobody_reads_is_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qilu.web.responses.STALLED_S", 0.3)
    sent, over = [0], asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                sent[0] += 1
                yield b"x" * 65_536
        finally:
            over.set()

    async def download(request: Request) -> Response:
        return Response(chunks(), content_type="text/csv")

    async with serve(routes=(Route("GET", "/csv", download),)) as server:
        async with raw.connected(server.port) as (reader, writer):
            writer.write(raw.request("/csv"))
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(20):
                await over.wait()
    assert sent[0] < 300  # as much as two sockets hold


async def test_a_reader_that_stalls_costs_a_bounded_memory_and_is_disconnected(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qilu.web.sockets.STALLED_S", 2.0)
    numbers = [0]

    def snapshot() -> dict[str, Any]:
        numbers[0] += 1
        return {"text": f"{numbers[0]}" + "x" * 250_000}

    topics = {name: Topic(name, snapshot) for name in "abc"}
    async with serve(topics=topics) as server:
        hub = server._hub
        assert hub is not None
        monkeypatch.setattr(hub, "_tick_s", 0.02)
        async with raw.connected(server.port) as (reader, writer):
            writer.write(raw.upgrade())
            assert b" 101 " in await reader.readline()
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(raw.frame(b'{"subscribe": ["a", "b", "c"]}'))
            largest = 0
            async with asyncio.timeout(30):
                while hub.readers == 0:
                    await asyncio.sleep(0.01)
                while hub.readers > 0:
                    largest = max([largest, *(known.pending_bytes for known in hub._readers)])
                    await asyncio.sleep(0.01)
    assert numbers[0] > 50
    assert largest <= MAX_TOPICS * 250_100 + 200


async def test_a_handshake_that_is_wrong_is_refused(serve: Serve) -> None:
    async with serve(topics={}) as server:
        content = await raw.reply(server.port, raw.upgrade("/api/v1/live", "Origin: null"))
        assert raw.status(content) == 403
        old = raw.upgrade().replace(b"Version: 13", b"Version: 1")
        assert raw.status(await raw.reply(server.port, old)) in (400, 426)
        assert raw.status(await raw.reply(server.port, raw.request("/api/v1/live"))) == 426
