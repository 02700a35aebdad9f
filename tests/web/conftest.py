"""A server on a free port, and the foreign clients that use it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from qilu.web.exchange import Change, Request, Response, Route
from qilu.web.live import Topic
from qilu.web.server import WebServer
from qilu.web.settings import WebSettings

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[WebServer]]


async def echo(request: Request) -> Response:
    """What the handler got."""
    caller = request.caller
    return Response(
        {
            "path": dict(request.path),
            "query": dict(request.query),
            "body": request.body,
            "caller": [caller.role.name, caller.name, caller.address],
        }
    )


ROUTES = (
    Route("GET", "/api/v1/open", echo, "open"),
    Route("GET", "/api/v1/devices/{device}", echo, "viewer"),
    Route("POST", "/api/v1/commands/requeue", echo, "operator"),
    Route("GET", "/api/v1/wall", echo, "wall"),
)


@pytest.fixture
def changes() -> list[Change]:
    """What the server reports as changed."""
    return []


@pytest.fixture
def serve(tmp_path: Path, changes: list[Change]) -> Serve:
    @asynccontextmanager
    async def open_server(
        settings: Mapping[str, Any] | None = None,
        topics: Mapping[str, Topic] | None = None,
        routes: tuple[Route, ...] = ROUTES,
        **arguments: Any,
    ) -> AsyncIterator[WebServer]:
        wanted = WebSettings.model_validate({"listen": "127.0.0.1:0", **(settings or {})})
        find = None if topics is None else topics.get
        async with WebServer(
            wanted, routes=routes, topics=find, tokens=tmp_path / "tokens.json",
            on_change=changes.append, **arguments,
        ) as server:  # fmt: skip
            yield server

    return open_server
