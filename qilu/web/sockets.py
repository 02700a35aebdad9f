"""The WebSockets of the live topics: one reader each, with bounds on number, size and speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from qilu.web.exchange import Caller, RefusalError, Role
from qilu.web.live import MAX_READERS, MAX_TOPICS, LiveHub, Reader, error_message

MAX_PENDING = 1_000_000
"""Bytes that wait for one reader; with more it is disconnected."""
MAX_REQUEST = 4096
STALLED_S = 30.0
PING_S = 20.0
BETWEEN_LOOKS_S = 5.0
"""Seconds between two checks that the session of a reader still lasts."""
BETWEEN_REQUESTS_S = 0.1
"""A reader that asks faster is read more slowly."""


class Sockets:
    """Serves readers of a hub. `hello`: sent first, with the time."""

    def __init__(
        self, hub: LiveHub, hello: Mapping[str, Any], wall_topics: frozenset[str], now_ms: Callable[[], int]
    ) -> None:
        self._hub = hub
        self._hello = hello
        self._wall_topics = wall_topics
        self._now_ms = now_ms
        self._open: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        """Close all of them: the server ends."""
        closing = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"server ends", drain=False)
            for socket in self._open
        ]
        await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), 2.0)

    async def serve(
        self, request: web.BaseRequest, caller: Caller, still_valid: Callable[[], bool]
    ) -> web.StreamResponse:
        """One WebSocket until it ends. RefusalError: it is none, or there are too many."""
        socket = web.WebSocketResponse(
            timeout=2.0, heartbeat=PING_S, compress=False, max_msg_size=MAX_REQUEST
        )
        socket.headers["Server"] = "qilu"
        if not socket.can_prepare(request):
            raise RefusalError(426, "websocket", "this path is a WebSocket", headers={"Upgrade": "websocket"})
        if self._hub.readers >= MAX_READERS:
            raise RefusalError(503, "readers", f"{MAX_READERS} pages are open", "close one of them")
        reader = Reader(self._wall_topics.__contains__ if caller.role is Role.WALL else lambda _: True)
        self._hub.join(reader)
        try:
            await socket.prepare(request)
            self._open.add(socket)
            reader.put("hello", msgspec.json.encode({"hello": {**self._hello, "now_ms": self._now_ms()}}))
            writing = asyncio.create_task(_write(request, socket, reader, still_valid), name="send to a page")
            try:
                await self._read(socket, reader)
            finally:
                writing.cancel()
                await asyncio.wait([writing])
        finally:
            self._open.discard(socket)
            self._hub.leave(reader)
        return socket

    async def _read(self, socket: web.WebSocketResponse, reader: Reader) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT or not self._obey(message.data, reader):
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not a request")
                return
            await asyncio.sleep(BETWEEN_REQUESTS_S)

    def _obey(self, text: str, reader: Reader) -> bool:
        """Do what a reader asks for; False where it asks for nothing that there is."""
        try:
            wanted = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return False
        match wanted:
            case {"subscribe": list(names)} if all(isinstance(name, str) for name in names):
                if len(names) > MAX_TOPICS:
                    reader.put("topics", error_message("", "topics", f"at most {MAX_TOPICS} topics"))
                else:
                    self._hub.subscribe(reader, names)
            case {"resync": str(name)}:
                self._hub.resync(reader, name)
            case _:
                return False
        return True


async def _write(
    request: web.BaseRequest, socket: web.WebSocketResponse, reader: Reader, still_valid: Callable[[], bool]
) -> None:
    """Send what is pending, one message after the other; a reader that stalls is disconnected.

    So is one whose session is over.
    """
    transport, loop = request.transport, asyncio.get_running_loop()
    look_again = loop.time() + BETWEEN_LOOKS_S
    try:
        while True:
            message = await reader.take()
            async with asyncio.timeout(STALLED_S):
                await socket.send_frame(message, WSMsgType.TEXT)
            waiting = 0 if transport is None else transport.get_write_buffer_size()
            if waiting + reader.pending_bytes > MAX_PENDING:
                break
            if loop.time() >= look_again:
                look_again = loop.time() + BETWEEN_LOOKS_S
                if not still_valid():
                    break
    except (TimeoutError, ConnectionError):
        pass
    if transport is not None:
        transport.abort()
