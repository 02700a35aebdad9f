"""Requests reach their route with its access, and responses carry the headers of every response."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.web.exchange import Change, RefusalError, Request, Response, Route
from tests.web.conftest import ROUTES, Serve


async def test_a_route_gets_the_parts_of_its_path_and_the_query(serve: Serve) -> None:
    async with serve() as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("api/v1/devices/pump%2D1", params={"from": "1"}) as reply:
            content = await reply.json()
    assert content["path"] == {"device": "pump-1"}
    assert content["query"] == {"from": "1"}
    assert content["caller"][:2] == ["OPERATOR", "local"]


async def test_a_change_is_reported_with_who_when_and_what(serve: Serve, changes: list[Change]) -> None:
    async with serve(now_ms=lambda: 7) as server, aiohttp.ClientSession(server.url) as client:
        async with client.post("api/v1/commands/requeue", json={"all": True}) as reply:
            assert reply.status == 200
        async with client.get("api/v1/devices/pump-1") as reply:
            assert reply.status == 200
    (change,) = changes
    assert (change.time_ms, change.caller.name, change.caller.address) == (7, "local", "127.0.0.1")
    assert (change.method, change.path, change.body) == ("POST", "/api/v1/commands/requeue", {"all": True})


async def test_an_error_has_a_code_a_text_and_a_remedy(serve: Serve) -> None:
    async def refused(request: Request) -> Response:
        raise RefusalError(409, "busy", "the plant runs", "pause it")

    async def wrong(request: Request) -> Response:
        raise ConfigError("no device", remedy="did you mean pump-1?")

    async def offline(request: Request) -> Response:
        raise UnreachableError("no store")

    async def bug(request: Request) -> Response:
        raise KeyError("secret detail")

    async def slow(request: Request) -> Response:
        await asyncio.sleep(60)
        return Response()

    routes = tuple(
        Route("GET", f"/{handler.__name__}", handler, timeout_s=0.05 if handler is slow else 9)
        for handler in (refused, wrong, offline, bug, slow)
    )
    got = {}
    async with serve(routes=routes) as server, aiohttp.ClientSession(server.url) as client:
        for route in routes:
            async with client.get(route.path[1:]) as reply:
                got[route.path] = (reply.status, (await reply.json())["error"])
    assert got["/refused"] == (409, {"code": "busy", "text": "the plant runs", "remedy": "pause it"})
    assert got["/wrong"] == (400, {"code": "refused", "text": "no device", "remedy": "did you mean pump-1?"})
    assert got["/offline"][0] == 503
    assert got["/bug"][0] == 500
    assert "secret detail" not in json.dumps(got["/bug"])
    assert got["/slow"][0] == 503


async def test_unknown_paths_and_methods_are_refused(serve: Serve) -> None:
    async with serve() as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("api/v1/nothing") as reply:
            assert reply.status == 404
        async with client.post("api/v1/open", json={}) as reply:
            assert (reply.status, reply.headers["Allow"]) == (405, "GET")
        async with client.delete("index.html") as reply:
            assert reply.status == 405
        async with client.head("api/v1/open") as reply:
            assert reply.status == 200


async def test_a_download_is_sent_in_chunks(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async def download(request: Request) -> Response:
        return Response(chunks(), content_type="text/csv", headers={"Content-Disposition": "attachment"})

    routes = (Route("GET", "/csv", download),)
    async with serve(routes=routes) as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("csv") as reply:
            assert reply.headers["Content-Type"] == "text/csv"
            assert reply.headers["Content-Disposition"] == "attachment"
            assert len(await reply.read()) == 100_000


async def test_every_response_has_the_headers_that_bind_a_browser(serve: Serve) -> None:
    async with serve() as server, aiohttp.ClientSession(server.url) as client:
        for path in ("", "api/v1/open", "api/v1/nothing"):
            async with client.get(path) as reply:
                policy = reply.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'")
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
                assert reply.headers["Referrer-Policy"] == "no-referrer"
                assert "Server" not in reply.headers or "Python" not in reply.headers["Server"]


async def test_routes_of_the_tests_cover_every_access() -> None:
    assert {route.access for route in ROUTES} == {"open", "wall", "viewer", "operator"}
