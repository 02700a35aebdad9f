"""Sends responses, with a bound for how long a client may take to read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack

import msgspec
from aiohttp import web

from qilu.web.exchange import Response
from qilu.web.files import PageFile

STALLED_S = 30.0
"""A client that takes nothing for so long is disconnected."""


def plain_response(response: Response, headers: Mapping[str, str]) -> web.Response:
    """As the HTTP library wants it; of a download, the headers alone."""
    if response.chunks is not None:
        content = b""
    elif isinstance(response.body, bytes):
        content = response.body
    else:
        content = msgspec.json.encode(response.body)
    sent = {**headers, "Content-Type": response.content_type, **response.headers}
    return web.Response(body=content, status=response.status, headers=sent)


def file_response(file: PageFile, wanted: Mapping[str, str], headers: Mapping[str, str]) -> web.Response:
    """A file of the page, compressed where the browser takes that; 304 where it has the file already."""
    sent = {**headers, "Content-Type": file.content_type, "Cache-Control": "no-cache", "ETag": file.tag}
    sent["Vary"] = "Accept-Encoding"
    if file.tag in wanted.get("if-none-match", ""):
        return web.Response(status=304, headers=sent)
    content = file.content
    if file.compressed is not None and "gzip" in wanted.get("accept-encoding", ""):
        content = file.compressed
        sent["Content-Encoding"] = "gzip"
    return web.Response(body=content, headers=sent)


async def send(
    request: web.BaseRequest, response: web.Response, chunks: AsyncIterator[bytes] | None = None
) -> web.StreamResponse:
    """Send all of it. A client that stalls for STALLED_S is disconnected."""
    if chunks is not None:
        return await _stream(request, response, chunks)
    try:
        async with asyncio.timeout(STALLED_S):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        _abort(request)
    except ConnectionResetError:  # the client has left: aiohttp would log a traceback for each one
        pass
    return response


async def _stream(
    request: web.BaseRequest, head: web.Response, chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=head.status, headers=head.headers)
    try:
        async with AsyncExitStack() as stack:
            if isinstance(chunks, AsyncGenerator):
                stack.push_async_callback(chunks.aclose)
            await response.prepare(request)
            if request.method == "HEAD":
                await response.write_eof()
                return response
            async for chunk in chunks:
                async with asyncio.timeout(STALLED_S):
                    await response.write(chunk)
            async with asyncio.timeout(STALLED_S):
                await response.write_eof()
    except TimeoutError:
        _abort(request)
    return response


def _abort(request: web.BaseRequest) -> None:
    if (transport := request.transport) is not None:
        transport.abort()
