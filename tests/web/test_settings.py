"""Where a server listens: loopback by default, and any other address, name or wish demands a token."""

import asyncio
import logging
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import trustme
from pydantic import ValidationError

from qilu.contract.errors import ConfigError
from qilu.web import server as server_module
from qilu.web.server import WebServer
from qilu.web.settings import WebSettings, on_port
from qilu.web.tokens import new_token, write_tokens
from qilu_cli.commands.secrecy import web_warnings
from tests.web import raw
from tests.web.conftest import Serve


@pytest.mark.parametrize(
    ("value", "listen"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        (8081, "127.0.0.1:8081"),
        ("8081", "127.0.0.1:8081"),
        ("0.0.0.0", "0.0.0.0:8080"),
        ("[::1]:9", "[::1]:9"),
        ("localhost:80", "localhost:80"),
    ],
)
def test_an_address_may_be_written_in_several_ways(value: object, listen: str) -> None:
    assert WebSettings.model_validate({"listen": value}).listen == listen


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "http://localhost:80"},
        {"listen": "localhost:99999"},
        {"listen": "::1:80"},
        {"listen": True},
        {"listen": ""},
        {"base": "/a/../b"},
        {"base": "/a b"},
        {"hosts": ["https://example.com"]},
        {"hosts": ["*"]},
        {"hosts": [""]},
        {"token": "secret"},
    ],
    ids=str,
)
def test_what_is_no_address_prefix_or_name_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, False),
        ({"listen": "[::1]:80"}, False),
        ({"listen": "localhost:80"}, False),
        ({"base": "/edge-1"}, False),
        ({"listen": "0.0.0.0:80"}, True),
        ({"listen": "[::]:80"}, True),
        ({"listen": "10.0.0.5:80"}, True),
        ({"listen": "edge-1:80"}, True),
        ({"hosts": ["edge-1.example.com"]}, True),
        ({"demand_token": True}, True),
    ],
    ids=str,
)
def test_every_address_but_loopback_demands_a_token(settings: dict[str, object], needed: bool) -> None:
    assert WebSettings.model_validate(settings).needs_token == needed


def test_a_server_that_demands_tokens_needs_a_place_for_them() -> None:
    with pytest.raises(ConfigError, match="no file of tokens"):
        WebServer(WebSettings(listen="0.0.0.0:0"))


async def test_a_server_open_to_the_network_lets_nobody_in_without_a_token(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve({"listen": "0.0.0.0:0"}) as server:
        assert "qilu console token operator" in caplog.text
        assert raw.status(await raw.reply(server.port, raw.request("/api/v1/devices/a"))) == 401
        text, token = new_token("viewer", "")
        write_tokens(tmp_path / "tokens.json", [token])
        bearer = f"Authorization: Bearer {text}"
        allowed = raw.request("/api/v1/devices/a", bearer, "Connection: close")
        assert raw.status(await raw.reply(server.port, allowed)) == 200


async def test_a_taken_port_and_a_wrong_certificate_are_config_errors(serve: Serve, tmp_path: Path) -> None:
    async with serve() as server:
        with pytest.raises(ConfigError, match="the port is in use"):
            async with WebServer(on_port(server.port)):
                pass
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for cert in (wrong, tmp_path / "nothing.pem"):
        settings = WebSettings.model_validate({"listen": "127.0.0.1:0", "tls": {"cert": cert}})
        with pytest.raises(ConfigError, match="PEM"):
            async with WebServer(settings):
                pass


async def test_a_taken_port_is_had_once_it_is_free(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "RETRY_S", 0.05)
    async with AsyncExitStack() as stack:
        async with serve() as first:
            waiting = await stack.enter_async_context(WebServer(on_port(first.port), waits_for_address=True))
            await asyncio.sleep(0.2)
        async with asyncio.timeout(60):
            while not await _answers(waiting.url):
                await asyncio.sleep(0.05)


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as client, client.get(url):
            return True
    except aiohttp.ClientError:
        return False


async def test_with_tls_the_cookie_is_for_encrypted_connections_alone(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    key.write_bytes(pair.private_key_pem.bytes())
    text, token = new_token("viewer", "")
    write_tokens(tmp_path / "tokens.json", [token])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"tls": {"cert": cert, "key": key}, "demand_token": True}
    async with serve(settings) as server:
        assert server.url.startswith("https://")
        url = server.url.replace("127.0.0.1", "localhost")
        async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=context)) as client:
            async with client.post("api/v1/session", json={"token": text}) as reply:
                assert "; Secure" in reply.headers["Set-Cookie"]
        assert await raw.reply(server.port, raw.request("/")) == b""  # plain HTTP is no TLS


async def test_a_secret_of_a_caller_is_in_no_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "viewer-0000.mysecretmysecret"
    async with serve({"demand_token": True}) as server, aiohttp.ClientSession(server.url) as client:
        async with client.post("api/v1/session", json={"token": secret}) as reply:
            assert "mysecret" not in await reply.text()
        async with client.get("api/v1/open", headers={"Authorization": f"Bearer {secret}"}) as reply:
            assert "mysecret" not in await reply.text()
    assert "a wrong token came from 127.0.0.1" in caplog.text
    assert "mysecret" not in caplog.text


def test_a_check_warns_of_tokens_that_the_network_can_read(tmp_path: Path) -> None:
    assert list(web_warnings("console", WebSettings())) == []
    [warning] = web_warnings("console", WebSettings(listen="0.0.0.0:80"))
    assert "console: tokens come to 0.0.0.0:80 unencrypted" in warning
