"""A proxy before a store, of which a test makes a bad one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer


class StoreProxy:
    """Stands before a store; while `refuses`, it answers writes with an error in JSON.

    A write takes `write_s` seconds more.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.refuses = False
        self.refused = 0
        self.write_s = 0.0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        async with ClientSession() as self._session, TestServer(app, host="127.0.0.1") as server:
            yield str(server.make_url("")).rstrip("/")

    async def _pass(self, request: web.Request) -> web.Response:
        if self.refuses and request.path == "/write":
            self.refused += 1
            return web.json_response({"error": "invalid_request", "code": 22}, status=422)
        if request.path == "/write":
            await asyncio.sleep(self.write_s)
        url = f"{self._url}{request.path_qs}"
        headers = {key: request.headers[key] for key in ("Content-Type",) if key in request.headers}
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers
        ) as reply:
            version = {key: value for key, value in reply.headers.items() if key.startswith("X-Influx")}
            return web.Response(status=reply.status, body=await reply.read(), headers=version)
