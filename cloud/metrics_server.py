"""Metrics, health and status of an ingester over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from cloud.metrics import ingester_metrics
from cloud.observation import IngesterView
from qilu.web.exchange import Request, Response, Route
from qilu.web.exposition import CONTENT_TYPE, exposition
from qilu.web.server import WebServer
from qilu.web.settings import WebSettings


@asynccontextmanager
async def serve_metrics(
    settings: WebSettings,
    look: Callable[[], IngesterView],
    *,
    name: str = "",
    tokens: Path | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> AsyncIterator[WebServer]:
    """Serves until the block is left; waits for an address that is in use. ConfigError: it cannot be had."""
    api = MetricsApi(look, now_ms())
    async with WebServer(
        settings,
        routes=api.routes(),
        name=name,
        tokens=tokens,
        now_ms=now_ms,
        key="metrics",
        waits_for_address=True,
    ) as server:
        yield server


class MetricsApi:
    """The routes; openapi.yaml beside this file describes them."""

    def __init__(self, look: Callable[[], IngesterView], started_ms: int) -> None:
        self._look = look
        self._started_ms = started_ms

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/metrics", self._metrics),
            Route("GET", "/healthz", self._health),
            Route("GET", "/readyz", self._readiness),
            Route("GET", "/api/v1/status", self._status),
        ]

    async def _metrics(self, _request: Request) -> Response:
        metrics = ingester_metrics(self._look(), version("qilu"), self._started_ms)
        return Response(exposition(metrics), content_type=CONTENT_TYPE)

    async def _health(self, _request: Request) -> Response:
        """Of the process and its loop, which replies here, and of its work."""
        return _checks({"process": True, "writing": not self._look().problem})

    async def _readiness(self, _request: Request) -> Response:
        view = self._look()
        return _checks(
            {"broker": any(view.links.values()), "store": not view.store_error, "writing": not view.problem}
        )

    async def _status(self, _request: Request) -> Response:
        view = self._look()
        return Response(
            {
                "role": "ingester",
                "version": version("qilu"),
                "started_ms": self._started_ms,
                "ready": view.ready,
                **asdict(view),
            }
        )


def _checks(checks: dict[str, bool]) -> Response:
    passed = all(checks.values())
    return Response(
        {"status": "ok" if passed else "failing", "checks": checks}, status=200 if passed else 503
    )
