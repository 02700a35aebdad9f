"""Opens the server's end of a serial line: a port of this machine, or a pseudo terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qilu.contract.errors import ConfigError, describe_os_error
from qilu.modbus_client.endpoint import Parity, SerialLine
from qilu.modbus_client.serial_port import open_port
from simulator.serving.settings import SerialSettings

_PARITY: Mapping[str, Parity] = {"even": "E", "odd": "O", "none": "N"}


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
            problem = f"cannot put a link to a pseudo terminal at {link}: {describe_os_error(error)}"
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
    """A port of this machine; one stop bit with parity and two without, as Modbus asks for."""
    line = SerialLine(serial.baudrate, _PARITY[serial.parity], 2 if serial.parity == "none" else 1)
    try:
        descriptor = open_port(str(serial.path), line)
    except OSError as error:
        remedy = "name a serial line such as /dev/ttyUSB0, and let this user be in its group"
        raise ConfigError(f"cannot open {serial.path}: {describe_os_error(error)}", remedy=remedy) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
