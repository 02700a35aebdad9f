"""A TCP link that can be cut, fall silent, grow slow and be reset: a proxy with two ends a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.servers import free_port

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Wire:
    """Listens on `port` and carries every connection to `target`, both on this machine.

    What is on its way when a fault begins is lost with it.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.delay = 0.0
        """Seconds that every byte takes from now on, in each direction."""
        self.silent = False
        """Whether connections made from now on are half open."""
        self._target = target
        self._ends: set[_End] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def cut(self) -> None:
        """Refuse every connection, and reset those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def reset(self) -> None:
        """Reset every connection; the next one is sound."""
        for task in self._connecting:
            task.cancel()
        for end in list(self._ends):
            end.reset()

    def silence(self) -> None:
        """Every connection is half open from now on: nobody hears of the other, nor that it is gone."""
        self.silent = True
        for end in self._ends:
            end.dead = True

    async def mend(self) -> None:
        """New connections are sound again; what was half open stays so until its ends notice."""
        self.silent, self.delay = False, 0.0
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._called, "127.0.0.1", self.port)

    def _called(self) -> _End:
        near = _End(self)
        near.dead = self.silent
        near.made = lambda: self._dial(near)
        return near

    def _dial(self, near: _End) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(near), name=f"dial {self._target}")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, near: _End) -> None:
        far = _End(self)
        far.dead = near.dead
        far.other, near.other = near, far
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._target)
        except OSError:
            near.reset()
        else:
            near.deliver_early()

    def keep(self, end: _End) -> None:
        """An end is there."""
        self._ends.add(end)

    def lose(self, end: _End) -> None:
        """An end is gone."""
        self._ends.discard(end)


class _End(asyncio.Protocol):
    """One end of a connection; what it hears goes out at the other one."""

    transport: asyncio.Transport

    def __init__(self, wire: Wire) -> None:
        self.other: _End | None = None
        self._early: list[Callable[[_End], None]] = []
        self.dead = False
        self.made: Callable[[], None] = lambda: None
        self._wire = wire
        self._last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._wire.keep(self)
        self.made()

    def data_received(self, data: bytes) -> None:
        self._later(lambda other: other.transport.write(data))

    def eof_received(self) -> bool:
        self._later(lambda other: other.transport.close())
        return self.dead  # of a half-open connection nobody hears the end

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lose(self)
        if exc is None:
            self._later(lambda other: other.transport.close())
        else:
            self._later(lambda other: other.reset())

    def pause_writing(self) -> None:
        self._reading("pause_reading")

    def resume_writing(self) -> None:
        self._reading("resume_reading")

    def reset(self) -> None:
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.dead = True
        self.transport.abort()

    def _later(self, deliver: Callable[[_End], None]) -> None:
        """Deliver in order, after the delay that the wire has now; not at all on a dead connection."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = now + self._wire.delay
        if due <= now and self._last <= now:
            self._deliver(deliver)
        else:
            self._last = max(due, self._last + 1e-6)
            loop.call_at(self._last, self._deliver, deliver)

    def _deliver(self, deliver: Callable[[_End], None]) -> None:
        other = self.other
        if other is None or not hasattr(other, "transport"):
            self._early.append(deliver)  # Python 3.11.2 reads on when paused in connection_made
        elif not self.dead:
            deliver(other)

    def deliver_early(self) -> None:
        """What was heard before there was another end."""
        early, self._early = self._early, []
        for deliver in early:
            self._deliver(deliver)

    def _reading(self, change: str) -> None:
        if self.other is not None and hasattr(self.other, "transport"):
            getattr(self.other.transport, change)()
