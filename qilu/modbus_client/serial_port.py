"""Opens a serial line: a POSIX terminal, set up for Modbus and locked for one program alone."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

from qilu.modbus_client.connection import Connection
from qilu.modbus_client.endpoint import Endpoint, SerialLine
from qilu.modbus_client.serial_transport import SerialTransport

_PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttymxc*", "ttyS[0-9]", "cu.usb*")
_MAX_PORTS_LISTED = 8


async def dial_serial(endpoint: Endpoint, factory: Callable[[], Connection]) -> Connection:
    """The protocol on the opened port; OSError with the remedy where it cannot be opened."""
    assert endpoint.serial is not None, "only a serial line is dialled so"
    connection = factory()
    descriptor = open_port(endpoint.host, endpoint.serial)
    SerialTransport(descriptor, connection, name=endpoint.host, close=_close)
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


_TERMIOS2 = struct.Struct("IIIIB19sII")  # Linux: flags of input, output, control, line; discipline; speeds
_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B
_CBAUD, _BOTHER = 0o010017, 0o010000


def _set_any_speed(descriptor: int, baudrate: int) -> None:
    """A speed that has no constant, such as 14400; termios.error where this system has no such speeds."""
    import fcntl
    import termios

    try:
        raw = fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size))
        iflag, oflag, cflag, *rest, _, _ = _TERMIOS2.unpack(raw)
        cflag = cflag & ~_CBAUD | _BOTHER
        fcntl.ioctl(descriptor, _TCSETS2, _TERMIOS2.pack(iflag, oflag, cflag, *rest, baudrate, baudrate))
    except OSError as error:
        raise termios.error(errno.EINVAL, "this system does not know the speed") from error


def _set_up(descriptor: int, line: SerialLine) -> None:
    """Raw bytes at the speed of the line, no flow control, and nothing left of what was there before."""
    import termios
    import tty

    tty.setraw(descriptor, termios.TCSANOW)
    iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(descriptor)
    speed = getattr(termios, f"B{line.baudrate}", None)
    standard = termios.B9600 if speed is None else speed
    cflag &= ~(termios.CSIZE | termios.CSTOPB | termios.PARENB | termios.PARODD | termios.CRTSCTS)
    cflag |= (termios.CS7 if line.bytesize == 7 else termios.CS8) | termios.CREAD | termios.CLOCAL
    if line.stopbits == 2:
        cflag |= termios.CSTOPB
    if line.parity != "N":
        cflag |= termios.PARENB | (termios.PARODD if line.parity == "O" else 0)
        iflag |= termios.INPCK  # a wrong parity reads as 0, and then the CRC does not fit
    iflag &= ~(termios.IXON | termios.IXOFF)
    new = [iflag, oflag, cflag, lflag, standard, standard, characters]
    termios.tcsetattr(descriptor, termios.TCSANOW, new)
    if speed is None:
        _set_any_speed(descriptor, line.baudrate)
    termios.tcflush(descriptor, termios.TCIOFLUSH)


def _close(descriptor: int) -> None:
    """Give the port back; what was not sent yet is dropped, or closing would wait until it was."""
    import termios

    try:
        termios.tcflush(descriptor, termios.TCIOFLUSH)
    except termios.error:
        pass  # the adapter is not there any more
    os.close(descriptor)
