"""A serial line as a transport of asyncio: a POSIX terminal, opened for one program alone."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

from qilu.modbus_client.connection import Connection
from qilu.modbus_client.endpoint import Endpoint, SerialLine

_RECEIVE = 2048
_PORT_LOST = (errno.EIO, errno.ENXIO, errno.ENODEV)  # the adapter was pulled out
_PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttymxc*", "ttyS[0-9]", "cu.usb*")
_MAX_PORTS_LISTED = 8


async def dial_serial(endpoint: Endpoint, factory: Callable[[], Connection]) -> Connection:
    """The protocol on the opened port; OSError with the remedy where it cannot be opened."""
    assert endpoint.serial is not None, "only a serial line is dialled so"
    connection = factory()
    descriptor = open_port(endpoint.host, endpoint.serial)
    connection.connection_made(SerialTransport(descriptor, connection))
    return connection


def missing(port: str) -> str | None:
    """What to tell of a port that is not there, with those that are; None where it is."""
    path = Path(port)
    if path.exists():
        return None
    folder = path.parent
    present = sorted(str(other) for pattern in _PORTS for other in folder.glob(pattern))
    shown = f"{', '.join(present[:_MAX_PORTS_LISTED])}{' ...' if len(present) > _MAX_PORTS_LISTED else ''}"
    return f"there is no port {port}; {f'{folder} has {shown}' if present else f'{folder} has none'}"


def open_port(port: str, line: SerialLine) -> int:
    """The descriptor of the port, raw, set up and locked; OSError with the remedy where that fails."""
    import fcntl
    import termios

    try:
        descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, missing(port) or error.strerror) from error
    except PermissionError as error:
        problem = f"this user may not open {port}; on most systems its group is dialout: join it"
        raise PermissionError(error.errno, problem) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _set_up(descriptor, line)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BlockingIOError(error.errno, f"another program uses {port}; end it") from error
    except termios.error as error:
        os.close(descriptor)
        raise OSError(error.args[0], f"{port} is no serial line of {line}: {error.args[1]}") from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _set_up(descriptor: int, line: SerialLine) -> None:
    """Raw bytes at the speed of the line, no flow control, and nothing left of what was there before."""
    import termios
    import tty

    tty.setraw(descriptor, termios.TCSANOW)
    iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(descriptor)
    speed = getattr(termios, f"B{line.baudrate}", None)
    if speed is None:
        raise termios.error(errno.EINVAL, "this system does not know the speed")
    cflag &= ~(termios.CSIZE | termios.CSTOPB | termios.PARENB | termios.PARODD | termios.CRTSCTS)
    cflag |= termios.CS8 | termios.CREAD | termios.CLOCAL
    if line.stopbits == 2:
        cflag |= termios.CSTOPB
    if line.parity != "N":
        cflag |= termios.PARENB | (termios.PARODD if line.parity == "O" else 0)
        iflag |= termios.INPCK  # a wrong parity reads as 0, and then the CRC does not fit
    iflag &= ~(termios.IXON | termios.IXOFF)
    new = [iflag, oflag, cflag, lflag, speed, speed, characters]
    termios.tcsetattr(descriptor, termios.TCSANOW, new)
    termios.tcflush(descriptor, termios.TCIOFLUSH)


class SerialTransport(asyncio.Transport):
    """Owns the descriptor. What cannot be written at once follows as soon as the line takes it."""

    def __init__(self, descriptor: int, connection: Connection) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._connection = connection
        self._unsent = b""
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        waiting, self._unsent = bool(self._unsent), self._unsent + bytes(data)
        if not waiting:
            self._writable()
            if self._unsent and not self._closing:
                self._loop.add_writer(self._descriptor, self._writable)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(_describe(error))
            return
        if data:
            self._connection.data_received(data)
        else:
            self._end(ConnectionResetError(errno.EIO, "the port was disconnected"))

    def _writable(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(_describe(error))
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        _close(self._descriptor)
        self._loop.call_soon(self._connection.connection_lost, error)


def _close(descriptor: int) -> None:
    """Give the port back; what was not sent yet is dropped, or closing would wait until it was."""
    import termios

    try:
        termios.tcflush(descriptor, termios.TCIOFLUSH)
    except termios.error:
        pass  # the adapter is not there any more
    os.close(descriptor)


def _describe(error: OSError) -> OSError:
    return ConnectionResetError(error.errno, "the port disappeared") if error.errno in _PORT_LOST else error
