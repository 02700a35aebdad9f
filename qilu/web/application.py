"""What is done with one request: names, caller, route or file, and the response with its headers."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web

from qilu.contract.errors import ConfigError, DataError, UnreachableError
from qilu.contract.text_escaping import plain
from qilu.runtime.redaction import redacted
from qilu.web.access import AccessControl
from qilu.web.cookies import SESSION_PATH, CookieRules
from qilu.web.exchange import Caller, Change, RefusalError, Request, Response, Role, Route
from qilu.web.files import PageFile, PageFiles
from qilu.web.headers import security_headers
from qilu.web.live import LiveHub
from qilu.web.origins import check_names
from qilu.web.responses import file_response, plain_response, send
from qilu.web.router import Router
from qilu.web.settings import WebSettings
from qilu.web.sockets import Sockets

MAX_BODY = 262_144
BODY_S = 15.0
LIVE_PATH = "/api/v1/live"
_HIDDEN_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization"))
_log = logging.getLogger(__name__)


class Application:
    """Serves requests of `web.Server`."""

    def __init__(
        self,
        settings: WebSettings,
        access: AccessControl,
        routes: Sequence[Route],
        hub: LiveHub | None,
        page: PageFiles,
        *,
        name: str,
        hello: Mapping[str, Any],
        wall_topics: frozenset[str],
        on_change: Callable[[Change], None] | None,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._access = access
        self._router = Router(routes)
        self._page = page
        self._headers = security_headers(page.allowed_script)
        self._on_change = on_change
        self._now_ms = now_ms
        self._cookies = CookieRules(name, settings)
        self._sockets = None if hub is None else Sockets(hub, hello, wall_topics, now_ms)

    async def close(self) -> None:
        if self._sockets is not None:
            await self._sockets.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to a request, already sent."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            return await self._handled(request, headers)
        except RefusalError as error:
            return await send(request, plain_response(error.response(), self._headers))
        except ConnectionError:  # the client has left
            raise
        except Exception:  # noqa: BLE001  # a bug of this server costs its request only
            _log.exception("web: a %s request failed", request.method)
            return await send(request, plain_response(_failed(), self._headers))

    async def _handled(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
        check_names(headers, self._settings.hosts, _local_address(request))
        path = self._path(request)
        address = self._client(request, headers)
        cookie = request.cookies.get(self._cookies.name)
        if path == SESSION_PATH:
            return await self._session(request, headers, address, cookie)
        caller = self._access.caller(headers, cookie, address)
        if path == LIVE_PATH and self._sockets is not None:
            _require(caller, Role.WALL)
            return await self._sockets.serve(request, caller, lambda: self._access.lasts(caller, cookie))
        match = self._router.find(request.method, path)
        if match is None:
            return await self._file(request, headers, path)
        route, parts = match
        if not caller.role.may(route.access):
            _require(caller, Role.OPERATOR if route.access == "operator" else Role.VIEWER)
        body = await _body(request, headers)
        wanted = Request(
            request.method, parts, dict(request.query), caller, body,
            {name: value for name, value in headers.items() if name not in _HIDDEN_HEADERS},
            lambda: request.transport is not None and not request.transport.is_closing(),
        )  # fmt: skip
        response = await _response(route, wanted)
        if request.method not in ("GET", "HEAD") and self._on_change is not None:
            change = Change(self._now_ms(), caller, request.method, path, body, response.status)
            self._on_change(change)
        return await send(request, plain_response(response, self._headers), response.chunks)

    async def _session(
        self, request: web.BaseRequest, headers: Mapping[str, str], address: str, cookie: str | None
    ) -> web.StreamResponse:
        """POST logs in with a token, DELETE logs out."""
        if request.method == "DELETE":
            if cookie is not None:
                self._access.log_out(cookie)
            removed = plain_response(Response({"access": "nobody"}), self._headers)
            self._cookies.remove(removed)
            return await send(request, removed)
        if request.method != "POST":
            raise RefusalError(405, "method", "use POST or DELETE", headers={"Allow": "DELETE, POST"})
        body = await _body(request, headers)
        token = body.get("token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token or len(token) > 200:
            raise RefusalError(400, "body", "no token in the request", 'send {"token": "..."}')
        login = self._access.log_in(token, address)
        response = plain_response(Response({"access": login.caller.role.name.lower()}), self._headers)
        encrypted = request.secure or headers.get("origin", "").startswith("https:")
        self._cookies.give(response, login.cookie, login.max_age_s, secure=encrypted)
        return await send(request, response)

    async def _file(
        self, request: web.BaseRequest, headers: Mapping[str, str], path: str
    ) -> web.StreamResponse:
        file: PageFile | None = None
        if not path.startswith("/api/"):
            file = self._page.find(path.removeprefix("/"))
        if file is None:
            raise RefusalError(404, "no_such_path", "there is nothing at this path", "/ has the page")
        if request.method not in ("GET", "HEAD"):
            raise RefusalError(405, "method", "a file can only be read", headers={"Allow": "GET"})
        return await send(request, file_response(file, headers, self._headers))

    def _path(self, request: web.BaseRequest) -> str:
        """The decoded path without the prefix; a proxy may have taken the prefix away."""
        raw = request.raw_path.partition("?")[0].partition("#")[0]
        if not raw.startswith("/"):
            raise RefusalError(400, "path", "the path does not begin with a slash")
        try:
            path = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise RefusalError(400, "path", "the path is not UTF-8") from None
        base = self._settings.base
        if base != "/":
            if path == base[:-1]:
                raise RefusalError(308, "moved", "the page is below", base, headers={"Location": base})
            if path.startswith(base):
                path = path[len(base) - 1 :]
        return path

    def _client(self, request: web.BaseRequest, headers: Mapping[str, str]) -> str:
        """The address of the client; below a reverse proxy on this machine, the one that it appended."""
        address = request.remote or ""
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if not self._settings.hosts or address not in ("127.0.0.1", "::1"):
            return address
        try:
            return str(ipaddress.ip_address(forwarded))
        except ValueError:
            return address


def _local_address(request: web.BaseRequest) -> str | None:
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return str(name[0]) if name else None


def _require(caller: Caller, role: Role) -> None:
    if caller.role >= role:
        return
    if caller.role is Role.NOBODY:
        headers = {"WWW-Authenticate": "Bearer"}
        raise RefusalError(401, "token", "a token is needed", "log in with a token", headers=headers)
    raise RefusalError(403, "access", f"a {caller.role.name.lower()} may not do this", "log in as operator")


async def _body(request: web.BaseRequest, headers: Mapping[str, str]) -> Any:
    """The JSON document of a request; None without one. RefusalError: too long, too slow, not JSON."""
    if not request.can_read_body:
        return None
    if request.method in ("GET", "HEAD"):
        raise RefusalError(400, "body", "a GET has no body")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise RefusalError(415, "content_type", "the body is not application/json", "send JSON")
    if (request.content_length or 0) > MAX_BODY:
        raise RefusalError(413, "size", f"the body has more than {MAX_BODY} bytes")
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                content += chunk
                if len(content) > MAX_BODY:
                    raise RefusalError(413, "size", f"the body has more than {MAX_BODY} bytes")
    except TimeoutError:
        raise RefusalError(408, "slow", f"the body did not arrive within {BODY_S:g} s") from None
    try:
        return msgspec.json.decode(bytes(content))
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, "json", f"the body is not JSON: {error}") from None


async def _response(route: Route, request: Request) -> Response:
    """What the handler gives, or why it could not."""
    try:
        async with asyncio.timeout(route.timeout_s):
            return await route.handler(request)
    except RefusalError as error:
        return error.response()
    except ConfigError as error:
        texts = [f"{each.key}: {each.problem}" if each.key else each.problem for each in error.each()]
        return _refused("; ".join(texts), error.remedy or "")
    except DataError as error:
        return _refused(str(error), "")
    except UnreachableError as error:
        return RefusalError(503, "unreachable", redacted(str(error)), "try again later").response()
    except TimeoutError:
        return RefusalError(503, "slow", f"not done within {route.timeout_s:g} s", "try again").response()
    except Exception:  # noqa: BLE001  # the one place where a bug in a handler costs its request only
        _log.exception("%s %s failed", request.method, route.path)
        return _failed()


def _failed() -> Response:
    return RefusalError(500, "bug", "the request has failed", "the log names the cause").response()


def _refused(text: str, remedy: str) -> Response:
    return RefusalError(400, "refused", redacted(plain(text)), redacted(plain(remedy))).response()
