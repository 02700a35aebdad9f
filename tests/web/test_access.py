"""Who may do what: tokens, sessions, screens on a wall, lock-out, and a server open to more than loopback."""

import asyncio
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from qilu.contract.errors import ConfigError
from qilu.runtime.redaction import redacted
from qilu.web.exchange import Change, Role
from qilu.web.live import Topic
from qilu.web.sessions import FREE_FAILURES, MAX_ADDRESSES, MAX_SESSIONS, SESSION_S, LockOut, Sessions
from qilu.web.tokens import (
    MAX_TOKENS,
    TokenFile,
    TokenRole,
    matching,
    new_token,
    read_tokens,
    write_tokens,
)
from tests.web.conftest import Serve

DEMANDED = {"demand_token": True}


def make(folder: Path, role: TokenRole) -> str:
    """A token of this role, added to the file of the server."""
    file = folder / "tokens.json"
    text, token = new_token(role, "2026-12-01T00:00:00Z")
    write_tokens(file, [*read_tokens(file), token])
    return text


async def got(client: aiohttp.ClientSession, path: str, **options: Any) -> int:
    async with client.request("POST" if "json" in options else "GET", path, **options) as reply:
        return reply.status


async def test_without_a_token_only_what_is_open_is_served(serve: Serve) -> None:
    async with serve(DEMANDED, topics={}) as server, aiohttp.ClientSession(server.url) as client:
        assert await got(client, "") == 200
        assert await got(client, "api/v1/open") == 200
        assert await got(client, "api/v1/wall") == 401
        assert await got(client, "api/v1/devices/a") == 401
        assert await got(client, "api/v1/commands/requeue", json={}) == 401
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("api/v1/live")
        assert refused.value.status == 401


@pytest.mark.parametrize(("role", "allowed"), [("wall", 1), ("viewer", 2), ("operator", 3)])
async def test_a_role_may_do_what_its_token_is_for(
    serve: Serve, tmp_path: Path, role: TokenRole, allowed: int
) -> None:
    token = make(tmp_path, role)
    async with serve(DEMANDED) as server:
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as client:
            statuses = [
                await got(client, "api/v1/wall"),
                await got(client, "api/v1/devices/a"),
                await got(client, "api/v1/commands/requeue", json={}),
            ]
    assert statuses == [200] * allowed + [403] * (3 - allowed)


async def test_a_browser_logs_in_with_a_cookie_that_no_script_and_no_other_site_uses(
    serve: Serve, tmp_path: Path, changes: list[Change]
) -> None:
    token = make(tmp_path, "operator")
    jar = aiohttp.CookieJar(unsafe=True)  # of an address
    async with serve(DEMANDED) as server, aiohttp.ClientSession(server.url, cookie_jar=jar) as client:
        async with client.post("api/v1/session", json={"token": token}) as reply:
            assert await reply.json() == {"access": "operator"}
            cookie = reply.headers["Set-Cookie"]
        assert re.search(r"HttpOnly", cookie)
        assert re.search(r"SameSite=Strict", cookie)
        assert f"Max-Age={12 * 3600}" in cookie
        assert token not in cookie
        assert await got(client, "api/v1/commands/requeue", json={"all": True}) == 200
        async with client.delete("api/v1/session") as reply:
            assert reply.status == 200
        assert await got(client, "api/v1/devices/a") == 401
    (change,) = changes
    assert change.caller.name == token.partition(".")[0]
    assert token not in json.dumps([change.body, change.path, change.caller.name])


async def test_an_ended_session_cannot_be_used_again(serve: Serve, tmp_path: Path) -> None:
    token = make(tmp_path, "viewer")
    async with serve(DEMANDED) as server, aiohttp.ClientSession(server.url) as client:
        async with client.post("api/v1/session", json={"token": token}) as reply:
            cookie = reply.headers["Set-Cookie"].partition(";")[0]
        assert await got(client, "api/v1/devices/a", headers={"Cookie": cookie}) == 200
        async with client.delete("api/v1/session", headers={"Cookie": cookie}) as reply:
            assert reply.status == 200
        assert await got(client, "api/v1/devices/a", headers={"Cookie": cookie}) == 401


async def test_a_session_lasts_twelve_hours_and_that_of_a_wall_does_not_end(
    serve: Serve, tmp_path: Path
) -> None:
    now = [0.0]
    cookies = []
    async with serve(DEMANDED, monotonic=lambda: now[0]) as server:
        async with aiohttp.ClientSession(server.url) as client:
            for role in ("viewer", "wall"):
                token = make(tmp_path, "viewer" if role == "viewer" else "wall")
                async with client.post("api/v1/session", json={"token": token}) as reply:
                    cookies.append({"Cookie": reply.headers["Set-Cookie"].partition(";")[0]})
            now[0] = SESSION_S - 1
            assert await got(client, "api/v1/wall", headers=cookies[0]) == 200
            now[0] = SESSION_S
            assert await got(client, "api/v1/wall", headers=cookies[0]) == 401
            now[0] = 100 * SESSION_S
            assert await got(client, "api/v1/wall", headers=cookies[1]) == 200


async def test_the_cookie_of_a_wall_survives_a_restart(serve: Serve, tmp_path: Path) -> None:
    token = make(tmp_path, "wall")
    listen: dict[str, Any] = {**DEMANDED}
    async with serve(listen) as server, aiohttp.ClientSession(server.url) as client:
        async with client.post("api/v1/session", json={"token": token}) as reply:
            cookie = {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}
    async with serve(listen) as server, aiohttp.ClientSession(server.url) as client:
        assert await got(client, "api/v1/wall", headers=cookie) == 200
        assert await got(client, "api/v1/devices/a", headers=cookie) == 403


async def test_a_token_that_was_taken_back_ends_its_sessions_and_sockets(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qilu.web.sockets.BETWEEN_LOOKS_S", 0.1)
    token = make(tmp_path, "viewer")
    async with serve(DEMANDED, topics={}) as server, aiohttp.ClientSession(server.url) as client:
        async with client.post("api/v1/session", json={"token": token}) as reply:
            cookie = {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}
        async with client.ws_connect("api/v1/live", headers=cookie) as socket:
            await socket.receive_json()
            write_tokens(tmp_path / "tokens.json", [])
            async with asyncio.timeout(60):
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        assert await got(client, "api/v1/devices/a", headers=cookie) == 401


async def test_a_screen_on_a_wall_follows_the_topics_of_its_view_alone(serve: Serve, tmp_path: Path) -> None:
    topics = {name: Topic(name, lambda: {"a": 1}) for name in ("overview", "devices")}
    headers = {"Authorization": f"Bearer {make(tmp_path, 'wall')}"}
    async with (
        serve(DEMANDED, topics=topics) as server,
        aiohttp.ClientSession(server.url, headers=headers) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        await socket.send_json({"subscribe": ["overview", "devices"]})
        replies: dict[str, Any] = {}
        while len(replies) < 2:
            message = await socket.receive_json(timeout=10)
            if "topic" in message:
                replies[message["topic"]] = message
    assert replies["overview"]["snapshot"] == {"a": 1}
    assert replies["devices"]["error"]["code"] == "no_topic"


async def test_guessing_locks_out_the_address_and_nobody_else(serve: Serve, tmp_path: Path) -> None:
    now = [0.0]
    token = make(tmp_path, "viewer")
    async with serve(DEMANDED, monotonic=lambda: now[0]) as server:
        async with aiohttp.ClientSession(server.url) as client:
            async with client.post("api/v1/session", json={"token": token}) as reply:
                cookie = {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}
            for guess in range(FREE_FAILURES):
                assert await got(client, "api/v1/session", json={"token": f"viewer-{guess}"}) == 401
            assert await got(client, "api/v1/session", json={"token": token}) == 429
            bearer = {"Authorization": f"Bearer {token}"}
            assert await got(client, "api/v1/devices/a", headers=bearer) == 429
            assert await got(client, "api/v1/devices/a", headers=cookie) == 200
            now[0] = 31.0
            assert await got(client, "api/v1/session", json={"token": token}) == 200


def test_the_wait_after_guesses_doubles_up_to_a_quarter_of_an_hour() -> None:
    lock_out, waits = LockOut(), []
    now = 0.0
    for _ in range(FREE_FAILURES + 8):
        lock_out.failed("10.0.0.1", now)
        waits.append(lock_out.wait_s("10.0.0.1", now))
        now += waits[-1]
    assert waits == [0.0] * (FREE_FAILURES - 1) + [30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert lock_out.wait_s("10.0.0.2", now) == 0
    assert LockOut().wait_s("10.0.0.1", now) == 0


def test_addresses_of_one_ipv6_network_are_one_address() -> None:
    lock_out = LockOut()
    for index in range(FREE_FAILURES):
        lock_out.failed(f"2001:db8::{index:x}", 0.0)
    assert lock_out.wait_s("2001:db8::ffff", 0.0) > 0
    assert lock_out.wait_s("2001:db8:1::1", 0.0) == 0


def test_the_tables_of_sessions_and_of_guesses_are_bounded() -> None:
    lock_out, sessions = LockOut(), Sessions()
    for index in range(3 * MAX_ADDRESSES):
        lock_out.failed(f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}", 0.0)
    assert len(lock_out._failures) == MAX_ADDRESSES
    first = sessions.start(Role.VIEWER, "a", 0.0)
    last = ""
    for _ in range(MAX_SESSIONS):
        last = sessions.start(Role.VIEWER, "a", 0.0)
    assert len(sessions._sessions) == MAX_SESSIONS
    assert sessions.find(first, 0.0) is None
    assert sessions.find(last, 0.0) is not None


def test_a_file_of_tokens_has_hashes_alone_and_one_reader(tmp_path: Path) -> None:
    token = make(tmp_path, "viewer")
    file = tmp_path / "tokens.json"
    assert token.partition(".")[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = read_tokens(file)
    assert matching(kept, token) == kept[0]
    for wrong in ("", ".", token[:-1], token + "x", token.partition(".")[0], kept[0].sha256, "viewer-\ud800"):
        assert matching(kept, wrong) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"tokens": [{}]}', b"\xff", b"[" * 70_000])
def test_a_file_that_has_no_tokens_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokens.json"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="qilu console token"):
        read_tokens(file)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
async def test_a_file_of_tokens_that_others_may_read_lets_nobody_in(serve: Serve, tmp_path: Path) -> None:
    token = make(tmp_path, "operator")
    (tmp_path / "tokens.json").chmod(0o644)
    async with serve(DEMANDED) as server, aiohttp.ClientSession(server.url) as client:
        assert await got(client, "api/v1/session", json={"token": token}) == 401
        (tmp_path / "tokens.json").chmod(0o600)
        os.utime(tmp_path / "tokens.json")
        assert await got(client, "api/v1/session", json={"token": token}) == 200


def test_the_number_of_tokens_is_bounded(tmp_path: Path) -> None:
    tokens = [new_token("viewer", "")[1] for _ in range(MAX_TOKENS + 1)]
    with pytest.raises(ConfigError, match="--revoke"):
        write_tokens(tmp_path / "tokens.json", tokens)
    assert TokenFile(tmp_path / "tokens.json").tokens() == ()


def test_a_token_in_use_appears_in_no_log() -> None:
    text, token = new_token("viewer", "2026-12-01T00:00:00Z")
    assert text in redacted(f"refused: {text}")
    assert matching([token], text) is token
    assert text not in redacted(f"refused: {text}")
