"""A serial line, or a pseudo terminal, as a transport of asyncio."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

_RECEIVE = 4096
_HIGH = 16_384
"""Bytes that wait to be written before the protocol is paused."""
_PORT_LOST = (errno.EIO, errno.ENXIO, errno.ENODEV)  # the adapter was pulled out


class SerialTransport(asyncio.Transport):
    """Reads and writes a descriptor that does not block. What the line does not take at once follows later.

    A serial line has no far end that can close it: bytes wait as long as the system keeps them. A device that
    fails (unplugged) ends the transport, and connection_lost has the reason. `close`: what is done with the
    descriptor at the end.
    """

    def __init__(
        self,
        descriptor: int,
        protocol: asyncio.BufferedProtocol,
        *,
        name: str = "",
        close: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__({"peername": name})
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._protocol = protocol
        self._close_descriptor = close
        self._unsent = bytearray()
        self._closing = False
        self._congested = False
        protocol.connection_made(self)
        self._loop.add_reader(descriptor, self._readable)

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._writable()
            if self._unsent and not self._closing:
                self._loop.add_writer(self._descriptor, self._writable)
        if len(self._unsent) > _HIGH and not self._congested:
            self._congested = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """End it now: a line without a far end would never take what is unsent."""
        self._end(None)

    abort = close

    def _readable(self) -> None:
        buffer = self._protocol.get_buffer(_RECEIVE)
        try:
            data = os.read(self._descriptor, min(_RECEIVE, len(buffer)))  # type: ignore[arg-type]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(_describe(error))
            return
        if not data:
            self._end(ConnectionResetError(errno.EIO, "the port was disconnected"))
            return
        buffer[: len(data)] = data  # type: ignore[index]
        self._protocol.buffer_updated(len(data))

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(_describe(error))
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)
        if self._congested and len(self._unsent) <= _HIGH // 4:
            self._congested = False
            self._protocol.resume_writing()

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._close_descriptor(self._descriptor)
        self._loop.call_soon(self._protocol.connection_lost, error)


def _describe(error: OSError) -> OSError:
    return ConnectionResetError(error.errno, "the port disappeared") if error.errno in _PORT_LOST else error
