"""Two transports joined in memory: what one writes the other receives, in order, and no time passes."""

from __future__ import annotations

import asyncio
from typing import Any


class MemoryTransport(asyncio.Transport):
    """One end. Its protocol is a buffered one, as those of our client and our server are."""

    def __init__(self, protocol: asyncio.BufferedProtocol) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._other: MemoryTransport | None = None
        self._closing = False
        self._paused = False
        self._unread = bytearray()

    def write(self, data: Any) -> None:
        if not self._closing and self._other is not None:
            self._loop.call_soon(self._other._arrived, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._arrived(b"")

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError("reset"))

    def _arrived(self, data: bytes) -> None:
        self._unread += data
        while self._unread and not self._closing and not self._paused:
            room = memoryview(self._protocol.get_buffer(len(self._unread)))
            taken = min(len(room), len(self._unread))
            room[:taken] = self._unread[:taken]
            del self._unread[:taken]
            self._protocol.buffer_updated(taken)

    def _end(self, error: Exception | None) -> None:
        if self._closing or self._other is None:
            return
        self._closing = True
        self._loop.call_soon(self._protocol.connection_lost, None)
        self._loop.call_soon(self._other._ended_by_other, error)

    def _ended_by_other(self, error: Exception | None) -> None:
        # who does not read does not learn of it either
        if not self._closing and not (self._paused and error is None):
            self._closing = True
            self._protocol.connection_lost(error)


def join(one: asyncio.BufferedProtocol, other: asyncio.BufferedProtocol) -> MemoryTransport:
    """Connects two protocols; `one`, whose end is returned, hears of it first."""
    ends = MemoryTransport(one), MemoryTransport(other)
    ends[0]._other, ends[1]._other = ends[1], ends[0]
    one.connection_made(ends[0])
    other.connection_made(ends[1])
    return ends[0]
