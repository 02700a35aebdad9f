"""The two ways into a server that takes line protocol: InfluxDB 1's own endpoint, and the v2 API."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from qilu.stores.influx.bounded_response import ACCEPTED, WriteResponse
from qilu.stores.influx.http import Http, Reply, authorization, no_response, tls
from qilu.stores.settings import InfluxSettings

_THREAD_FROM = 65_536  # bytes from which compressing takes longer than the way to a thread and back


class WriteEndpoint(AbstractAsyncContextManager["WriteEndpoint"], Protocol):
    """Takes lines with times in milliseconds."""

    async def post(self, lines: bytes) -> Reply:
        """The server's answer, whatever its status; UnreachableError when there is none."""


class V1WriteEndpoint:
    """POST /write?db=..., for InfluxDB 1."""

    def __init__(self, settings: InfluxSettings, compress: bool) -> None:
        self._http = Http(settings, WriteResponse)
        self._parameters = {"db": settings.database or "", "precision": "ms"}
        self._compress = compress

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def post(self, lines: bytes) -> Reply:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._compress:
            headers["Content-Encoding"] = "gzip"
            lines = await _gzipped(lines)
        return await self._http.ask("POST", "/write", self._parameters, body=lines, headers=headers)


class V2WriteEndpoint:
    """POST /api/v2/write through influxdb-client, for InfluxDB 2 and 3 and VictoriaMetrics.

    Its write service and not its write API: that one would split and join the lines again, and compress at
    the slowest level. Neither retries, which is left to the caller anyway.
    """

    def __init__(self, settings: InfluxSettings, compress: bool) -> None:
        self._settings = settings
        self._compress = compress
        # VictoriaMetrics and InfluxDB 3 have no organisations, and the client insists on some.
        self._org, self._bucket = settings.org or "-", settings.bucket or settings.database or "-"
        self._client: InfluxDBClientAsync
        self._service: WriteService

    async def __aenter__(self) -> Self:
        self._client = InfluxDBClientAsync(
            self._settings.url,
            token="",
            org=self._org,
            timeout=int(self._settings.timeout * 1000),
            ssl_context=tls(self._settings),
            allow_redirects=False,
            client_session_kwargs={
                "auto_decompress": False,
                "response_class": WriteResponse,
                "headers": ACCEPTED,
            },
        )
        who = authorization(self._settings)
        if who is not None:
            self._client.api_client.set_default_header("Authorization", who)
        self._service = WriteService(self._client.api_client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def post(self, lines: bytes) -> Reply:
        extra = {"content_encoding": "gzip"} if self._compress else {}
        try:
            _, status, headers = await self._service.post_write_async(
                self._org,
                self._bucket,
                await _gzipped(lines) if self._compress else lines,
                precision="ms",
                async_req=False,
                _return_http_data_only=False,
                content_type="text/plain; charset=utf-8",
                **extra,
            )
        except ApiException as error:
            if not error.status:
                raise no_response(self._settings.url, error) from error
            body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
            return Reply(error.status, body, error.headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_response(self._settings.url, error) from error
        return Reply(status, headers=headers)


async def _gzipped(lines: bytes) -> bytes:
    """Level 1: a third of the time of the default and nearly as small."""
    if len(lines) < _THREAD_FROM:
        return gzip.compress(lines, 1)
    return await asyncio.to_thread(gzip.compress, lines, 1)
