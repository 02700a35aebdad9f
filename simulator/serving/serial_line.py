"""A serial line or a pseudo terminal as an asyncio transport, for the server's connections."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qilu.contract.errors import ConfigError
from simulator.serving.settings import SerialSettings

CHUNK = 4096
HIGH = 16_384  # bytes that wait to be written before the connection behind is told to pause


class SerialTransport(asyncio.Transport):
    """Reads and writes a file descriptor that does not block; closing it closes no descriptor.

    A line has no other end that could be lost: bytes for which nobody listens wait as long as the system
    keeps them. A failing device (unplugged) ends it, and connection_lost says why.
    """

    def __init__(self, descriptor: int, protocol: asyncio.BufferedProtocol, name: str) -> None:
        super().__init__({"peername": name})
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._protocol = protocol
        self._unsent = bytearray()
        self._closing = False
        self._congested = False
        protocol.connection_made(self)
        self.resume_reading()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        if not self._closing:
            self._loop.add_reader(self._descriptor, self._readable)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        if not self._unsent:
            self._loop.add_writer(self._descriptor, self._writable)
        self._unsent += data
        self._writable()
        if len(self._unsent) > HIGH and not self._congested:
            self._congested = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Ends it now: what is unsent on a line without a client would be waited for in vain."""
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def _readable(self) -> None:
        buffer = self._protocol.get_buffer(CHUNK)
        try:
            data = os.read(self._descriptor, min(CHUNK, len(buffer)))  # type: ignore[arg-type]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            buffer[: len(data)] = data  # type: ignore[index]
            self._protocol.buffer_updated(len(data))

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)
        if self._congested and len(self._unsent) <= HIGH // 4:
            self._congested = False
            self._protocol.resume_writing()

    def _end(self, error: OSError | None) -> None:
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._loop.call_soon(self._protocol.connection_lost, error)


@contextmanager
def opened(serial: SerialSettings) -> Iterator[int]:
    """The descriptor of the server's end, raw and without blocking; ConfigError when it cannot be had."""
    if sys.platform == "win32":
        raise ConfigError("serial lines need Linux or macOS", remedy="let the device listen on a TCP port")
    with _opened(serial.pty) if serial.pty is not None else _real(serial) as descriptor:
        os.set_blocking(descriptor, False)
        yield descriptor


@contextmanager
def _opened(link: Path) -> Iterator[int]:
    """A pseudo terminal whose client's end is found under `link`."""
    import tty

    server, client = os.openpty()
    try:
        tty.setraw(client)
        if link.is_symlink():
            link.unlink()
        try:
            link.symlink_to(os.ttyname(client))
        except OSError as error:
            problem = f"cannot put a link to a pseudo terminal at {link}: {error.strerror}"
            raise ConfigError(problem, remedy="name a new file in a folder that exists") from error
        try:
            yield server  # our own hold on the client's end lets clients come and go
        finally:
            link.unlink(missing_ok=True)
    finally:
        os.close(server)
        os.close(client)


@contextmanager
def _real(serial: SerialSettings) -> Iterator[int]:
    path = serial.path
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        remedy = "check the name with `ls /dev/tty*`, and that this user is in its group"
        raise ConfigError(f"cannot open {path}: {error.strerror}", remedy=remedy) from error
    try:
        if not os.isatty(descriptor):
            raise ConfigError(f"{path} is no serial line", remedy="name a device such as /dev/ttyUSB0")
        _set_up(descriptor, serial)
        yield descriptor
    finally:
        os.close(descriptor)


def _set_up(descriptor: int, serial: SerialSettings) -> None:
    """Raw, 8 data bits, one stop bit with parity and two without, as Modbus asks for."""
    import termios
    import tty

    tty.setraw(descriptor)
    speed = getattr(termios, f"B{serial.baudrate}")
    mode = termios.tcgetattr(descriptor)
    flags = mode[2] & ~(termios.PARENB | termios.PARODD | termios.CSTOPB)
    flags |= termios.CLOCAL | termios.CREAD
    flags |= {
        "even": termios.PARENB,
        "odd": termios.PARENB | termios.PARODD,
        "none": termios.CSTOPB,
    }[serial.parity]
    mode[2], mode[4], mode[5] = flags, speed, speed
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)
