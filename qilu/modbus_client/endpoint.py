"""Where Modbus equipment is reached, written as a URL: host and port, or a serial line with its settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from qilu.contract.lookalikes import host_problem
from qilu.contract.validation import validation_error

DEFAULT_PORT = 502
MAX_BAUDRATE = 4_000_000

POSIX = sys.platform != "win32"
"""Whether this system has serial lines as we use them."""

Framing = Literal["tcp", "rtu"]
Parity = Literal["N", "E", "O"]
_SCHEMES: Mapping[str, Framing] = {"tcp": "tcp", "rtu+tcp": "rtu", "rtu": "rtu"}
_REMEDY = (
    "write tcp://192.168.0.10:502, or rtu+tcp://HOST:PORT where RTU frames travel over TCP, "
    "or rtu:///dev/ttyUSB0?baudrate=9600&parity=E for a serial line"
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "parity": ("N", "E", "O"),
    "stopbits": ("1", "2"),
}


class SerialLine(NamedTuple):
    """How characters travel on a serial line; they always have 8 data bits, as RTU needs."""

    baudrate: int = 9600
    parity: Parity = "N"
    stopbits: Literal[1, 2] = 1

    @property
    def character(self) -> float:
        """Seconds that one byte takes: a start bit, 8 of data, the parity, the stop bits."""
        return (1 + 8 + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def frame_gap(self) -> float:
        """Seconds that end a frame: 3.5 characters, above 19200 baud a fixed time.

        Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.5.1.1.
        """
        return 0.00175 if self.baudrate > 19200 else 3.5 * self.character

    def __str__(self) -> str:
        return f"{self.baudrate} 8{self.parity}{self.stopbits}"


class Endpoint(NamedTuple):
    """Where a device, or the gateway before several, listens; and how frames travel there.

    Of a serial line `host` is the path of its port, and `port` is 0.
    """

    framing: Framing
    host: str
    port: int
    serial: SerialLine | None = None


def parse_endpoint(url: str, *, posix: bool = POSIX) -> Endpoint:
    """`tcp://HOST[:PORT]`, `rtu+tcp://HOST[:PORT]` or `rtu:///dev/PORT[?baudrate=&parity=&stopbits=]`;
    ValueError with the remedy for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise validation_error(f"{url!r} is not an endpoint: {error}", _REMEDY) from error
    if parts.scheme not in _SCHEMES:
        raise validation_error(
            f"{url!r}: {parts.scheme or 'no scheme'} is no transport that is known", _REMEDY
        )
    if parts.scheme == "rtu":
        if not posix:
            problem = f"{url!r}: serial lines are read on Linux, macOS and the like only"
            raise validation_error(problem, "use a serial device server and rtu+tcp://HOST:PORT")
        return _serial(url, parts)
    if host_reason := host_problem(host or ""):
        raise validation_error(f"{url!r} is not an endpoint: {host_reason}", _REMEDY)
    if not host or port == 0 or parts.path.strip("/") or parts.query or parts.username is not None:
        raise validation_error(
            f"{url!r} is not an endpoint: a host and a port are expected, nothing else", _REMEDY
        )
    return Endpoint(_SCHEMES[parts.scheme], host, DEFAULT_PORT if port is None else port)


def _serial(url: str, parts: SplitResult) -> Endpoint:
    if parts.netloc:
        problem = f"{url!r}: the path of a port follows rtu:// and starts with / itself"
        raise validation_error(
            problem, f"write rtu:///dev/{parts.netloc.split(':')[0]}, or rtu+tcp:// for a host"
        )
    if len(parts.path) < 2:
        raise validation_error(f"{url!r} names no port", _REMEDY)
    options: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in ("baudrate", *_CHOICES):
            raise validation_error(
                f"{url!r}: {key} is no setting of a serial line", f"use baudrate, {', '.join(_CHOICES)}"
            )
        if key in options:
            raise validation_error(f"{url!r}: {key} stands there twice", "remove one of them")
        options[key] = value.upper()
        if key == "baudrate":
            if not (value.isdecimal() and value.isascii() and 50 <= int(value) <= MAX_BAUDRATE):
                problem = f"{url!r}: baudrate {value or 'of nothing'}"
                raise validation_error(problem, f"use a number from 50 to {MAX_BAUDRATE}, such as 9600")
        elif options[key] not in _CHOICES[key]:
            raise validation_error(
                f"{url!r}: {key} {value or 'of nothing'}", f"use {', '.join(_CHOICES[key])}"
            )
    line = SerialLine(
        int(options.get("baudrate", "9600")),
        cast(Parity, options.get("parity", "N")),
        2 if options.get("stopbits") == "2" else 1,
    )
    return Endpoint("rtu", parts.path, 0, line)
