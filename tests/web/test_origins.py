"""Names of the server: DNS rebinding, pages of other sites, forwarded ports and reverse proxies."""

import asyncio

import aiohttp
import pytest

from qilu.web.exchange import RefusalError
from qilu.web.live import Topic
from qilu.web.origins import check_names
from tests.web import raw
from tests.web.conftest import Serve

NAMES = ("edge.example.com", "edge.example.com:8443")
OURS = [
    {"host": "localhost"},
    {"host": "localhost:18080"},
    {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"},
    {"host": "[::1]:9", "origin": "http://[::1]:9"},
    {"host": "10.0.0.5:8080", "origin": "http://10.0.0.5:8080"},
    {"host": "LOCALHOST:1", "origin": "http://localhost:1", "sec-fetch-site": "same-origin"},
    {"host": "edge.example.com", "origin": "https://edge.example.com"},
    {"host": "edge.example.com:443", "origin": "https://edge.example.com"},
    {"host": "127.0.0.1:8080", "origin": "https://edge.example.com:8443"},  # a proxy that renames the host
    {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},  # a followed link
]
FOREIGN = [
    {},
    {"host": ""},
    {"host": "evil.example.com"},
    {"host": "localhost.evil.example.com"},
    {"host": "10.0.0.6:8080"},
    {"host": "edge.example.com:9999"},
    {"host": "evil.example.com@localhost"},
    {"host": "localhost, evil.example.com"},
    {"host": "localhost", "origin": "null"},
    {"host": "localhost", "origin": "file://"},
    {"host": "localhost:8080", "origin": "http://localhost:3000"},
    {"host": "localhost", "origin": "http://evil.example.com"},
    {"host": "localhost", "origin": "http://localhost.evil.example.com"},
    {"host": "localhost", "origin": "http://localhost@evil.example.com"},
    {"host": "edge.example.com", "origin": "https://edge.example.com:9999"},
    {"host": "localhost", "origin": "https://edge.example.com.evil.net"},
    {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    {"host": "localhost", "sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", OURS, ids=str)
def test_our_own_names_are_allowed(headers: dict[str, str]) -> None:
    check_names(headers, NAMES, "10.0.0.5")


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_names_and_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RefusalError) as refused:
        check_names(headers, NAMES, "10.0.0.5")
    assert refused.value.status in (403, 421)


@pytest.mark.parametrize("path", ["/", "/api/v1/open", "/api/v1/nothing"])
async def test_a_rebound_name_gets_nothing(serve: Serve, path: str) -> None:
    async with serve() as server:
        content = await raw.reply(server.port, raw.request(path, host="evil.example.com"))
    assert raw.status(content) == 421


async def test_a_page_of_another_site_gets_no_socket_and_changes_nothing(serve: Serve) -> None:
    topics = {"overview": Topic("overview", lambda: {"secret": 1})}
    async with serve(topics=topics) as server, aiohttp.ClientSession(server.url) as client:
        headers = {"Origin": "http://evil.example.com"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("api/v1/live", headers=headers)
        assert refused.value.status == 403
        async with client.post("api/v1/commands/requeue", json={}, headers=headers) as reply:
            assert reply.status == 403
            assert "Access-Control-Allow-Origin" not in reply.headers
        async with client.options("api/v1/commands/requeue", headers=headers) as reply:
            assert reply.status == 403
        own = {"Origin": server.url.rstrip("/")}
        await (await client.ws_connect("api/v1/live", headers=own)).close()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_form_of_another_site_is_no_request(serve: Serve, kind: str) -> None:
    async with serve() as server, aiohttp.ClientSession(server.url) as client:
        async with client.post(
            "api/v1/commands/requeue", data=b'{"all": true}', headers={"Content-Type": kind}
        ) as reply:
            assert reply.status == 415


async def test_the_page_works_through_a_forwarded_port_and_below_a_prefix(serve: Serve) -> None:
    settings = {"base": "edge-1", "hosts": ["plant.example.com"]}
    async with serve(settings) as server:
        assert server.url.endswith("/edge-1/")
        forwarded = await raw.reply(server.port, raw.request("/edge-1/api/v1/open", host="localhost:18080"))
        assert raw.status(forwarded) == 200
        stripped = await raw.reply(server.port, raw.request("/api/v1/open", host="plant.example.com"))
        assert raw.status(stripped) == 200
        moved = await raw.reply(server.port, raw.request("/edge-1", host="plant.example.com"))
        assert raw.status(moved) == 308
        assert b"Location: /edge-1/\r\n" in moved


async def test_a_name_of_a_proxy_demands_a_token_though_it_connects_from_loopback(serve: Serve) -> None:
    async with serve({"hosts": ["plant.example.com"]}) as server:
        for host in ("plant.example.com", "localhost"):
            content = await raw.reply(server.port, raw.request("/api/v1/devices/a", host=host))
            assert raw.status(content) == 401


async def test_a_guesser_behind_a_proxy_does_not_lock_out_its_neighbours(serve: Serve) -> None:
    async with serve({"hosts": ["plant.example.com"]}) as server, aiohttp.ClientSession(server.url) as client:
        statuses: dict[str, list[int]] = {"10.0.0.1": [], "10.0.0.2": []}
        for address, seen in statuses.items():
            for _ in range(11):
                headers = {"X-Forwarded-For": f"9.9.9.9, {address}"}
                async with client.post("api/v1/session", json={"token": "a.b"}, headers=headers) as reply:
                    seen.append(reply.status)
                if address == "10.0.0.2":
                    break
        await asyncio.sleep(0)
    assert statuses["10.0.0.1"][-1] == 429
    assert statuses["10.0.0.2"] == [401]
