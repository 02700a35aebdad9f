"""A server between a store of ours and VictoriaMetrics: it swallows lines, hides counters, is a thin line."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.servers import VictoriaMetrics


@dataclass
class Between:
    """What it does is changed while it runs; `asked` are the paths of all requests."""

    server: VictoriaMetrics
    url: str = ""
    swallows: bytes = b"\0"
    """Lines with this are answered with 204 and go nowhere."""
    hides: bytes = b"\0"
    """Lines of /metrics with this are left out."""
    queries: int = 200
    """Status of replies to queries for samples and for their number."""
    bytes_per_write: int | None = None
    """A longer body never arrives whole."""
    asked: list[str] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    """Lengths of the bodies of writes."""

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        body = await request.read()
        if request.path.endswith("/write"):
            self.bodies.append(len(body))
            if self.bytes_per_write is not None and len(body) > self.bytes_per_write:
                await asyncio.sleep(60)
            body = b"".join(line for line in body.splitlines(True) if self.swallows not in line)
            if not body:
                return web.Response(status=204)
        if request.path in ("/api/v1/export", "/api/v1/query_range") and self.queries != 200:
            return web.Response(status=self.queries)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._session.request(
            request.method,
            f"{self.server.url}{request.path_qs}",
            data=body,
            headers={name: value for name, value in headers.items() if name != "Content-Length"},
        ) as reply:
            content = await reply.read()
        if request.path == "/metrics":
            content = b"".join(line for line in content.splitlines(True) if self.hides not in line)
        kept = {name: value for name, value in reply.headers.items() if name == "Content-Type"}
        return web.Response(status=reply.status, body=content, headers=kept)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Between", None]:
        """Serve on a free port."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._take)
        async with aiohttp.ClientSession(auto_decompress=True) as self._session:
            async with TestServer(app, host="127.0.0.1") as server:
                self.url = str(server.make_url("")).rstrip("/")
                yield self
