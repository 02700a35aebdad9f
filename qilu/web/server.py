"""One web server: routes, files of a page and live topics behind the same checks of access and size."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from qilu.contract.errors import ConfigError
from qilu.web.access import AccessControl
from qilu.web.application import Application
from qilu.web.exchange import Change, Route
from qilu.web.files import read_page
from qilu.web.headers import security_headers
from qilu.web.library_log import library_log
from qilu.web.live import LiveHub, TopicFinder
from qilu.web.settings import WebSettings
from qilu.web.tokens import TokenFile

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
MAX_CONNECTIONS_OF_ADDRESS = 96
"""Of one address; a reverse proxy is one."""
IDLE_S = 15.0
"""A connection without a whole request is closed after these seconds."""
SHUTDOWN_S = 1.0
RETRY_S = 5.0
"""From one attempt to the next to have an address that is in use."""


class WebServer:
    """Serves while its block is open; `async with` opens.

    `hello` is what each WebSocket gets first, without `now_ms`; `tokens` is the file of tokens where the
    settings name none; `on_change` gets each change that was made. `waits_for_address`: an address that is in
    use, or not there yet, is tried again every RETRY_S while the block runs. ConfigError: the address cannot
    be had, or a token is needed and no file of tokens is named.
    """

    def __init__(
        self,
        settings: WebSettings,
        *,
        routes: Sequence[Route] = (),
        topics: TopicFinder | None = None,
        page: Path | None = None,
        hello: Mapping[str, Any] | None = None,
        name: str = "",
        tokens: Path | None = None,
        wall_topics: Sequence[str] = ("overview", "factory"),
        on_change: Callable[[Change], None] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        key: str = "console",
        waits_for_address: bool = False,
    ) -> None:
        self._settings = settings
        self._key = key
        self._waits_for_address = waits_for_address
        token_file = settings.tokens or tokens
        if settings.needs_token and token_file is None:
            raise ConfigError(
                f"{settings.listen} demands a token, and no file of tokens is named",
                key=f"{key}.tokens", remedy="name one: tokens: FILE",
            )  # fmt: skip
        self._token_file = token_file if settings.needs_token else None
        access = AccessControl(TokenFile(token_file), needs_token=settings.needs_token, monotonic=monotonic)
        self._hub = None if topics is None else LiveHub(topics, now_ms=now_ms)
        self._application = Application(
            settings, access, routes, self._hub, read_page(page), name=name, hello=hello or {},
            wall_topics=frozenset(wall_topics), on_change=on_change, now_ms=now_ms,
        )  # fmt: skip
        self._stack = AsyncExitStack()
        self._port = settings.port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return self._settings.url(self._port)

    @property
    def port(self) -> int:
        """The port that it really has."""
        return self._port

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            server = _Server(
                self._application.handle, access_log=None, logger=library_log(),
                keepalive_timeout=IDLE_S, lingering_time=1.0,
                max_line_size=8190, max_field_size=8190, max_headers=64, auto_decompress=False,
            )  # fmt: skip
            runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await self._open(stack, runner)
            if self._hub is not None:
                task = asyncio.create_task(self._hub.run(), name="send live topics")
                stack.push_async_callback(_ended, task)
            stack.push_async_callback(self._application.close)
            self._stack = stack.pop_all()
        if self._token_file is not None and not self._token_file.exists():
            _log.warning(
                "%s demands a token and %s has none: make one by `qilu console token operator FILE`",
                self.url, self._token_file,
            )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack, runner: web.ServerRunner) -> None:
        """Listen now; or later, where only the address is missing and may wait."""
        try:
            await self._listen(runner)
        except ConfigError as error:
            if not self._waits_for_address or not _may_come(error.__cause__):
                raise
            _log.error("web server: %s; next attempt in %g s", error, RETRY_S)
            stack.push_async_callback(_ended, asyncio.create_task(self._retry(runner), name="listen"))

    async def _retry(self, runner: web.ServerRunner) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self._listen(runner)
            except ConfigError as error:
                _log.debug("%s", error)
            else:
                _log.info("web server: listens at %s now", self.url)
                return

    async def _listen(self, runner: web.ServerRunner) -> None:
        context = None if self._settings.tls is None else self._settings.tls.context()
        site = web.TCPSite(runner, self._settings.host, self._settings.port, ssl_context=context, backlog=128)
        try:
            await site.start()
        except OSError as error:
            await site.stop()  # the runner forgets it
            known = error.errno == errno.EADDRINUSE
            problem = "the port is in use" if known else (error.strerror or str(error)).lower()
            raise ConfigError(
                f"cannot listen on {self._settings.listen}: {problem}",
                key=f"{self._key}.listen", remedy="choose another address or port",
            ) from error  # fmt: skip
        self._port = runner.addresses[0][1]


def _may_come(error: BaseException | None) -> bool:
    """Whether the address is in use, or not one of this machine: both may change."""
    return isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)


class _RequestHandler(web.RequestHandler):
    """Answers what is no HTTP request without the name and version of the library."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        response = super().handle_error(request, status, exc, message)
        response.headers.update(security_headers(None))
        return response


class _Server(web.Server):
    """Refuses connections beyond a bound, in all and for one address."""

    def __call__(self) -> web.RequestHandler:
        return _RequestHandler(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        address = _address(transport)
        of_address = sum(_address(other) == address for other in self._connections.values())
        if len(self._connections) > MAX_CONNECTIONS or of_address > MAX_CONNECTIONS_OF_ADDRESS:
            transport.abort()


def _address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
