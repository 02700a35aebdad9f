"""Where Modbus equipment is reached, written as a URL: host and port, or a serial line with its settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from qilu.contract.lookalikes import host_problem
from qilu.contract.validation import validation_error

DEFAULT_PORT = 502
TLS_PORT = 802
"""Registered for Modbus over TLS (mbap-s); source: MODBUS/TCP Security Protocol Specification, version 21."""
MAX_BAUDRATE = 4_000_000

POSIX = sys.platform != "win32"
"""Whether this system has serial lines as we use them."""

Framing = Literal["tcp", "rtu", "ascii"]
Transport = Literal["tcp", "tls", "udp", "serial"]
Parity = Literal["N", "E", "O"]
_SCHEMES: Mapping[str, tuple[Framing, Transport]] = {
    "tcp": ("tcp", "tcp"),
    "tls": ("tcp", "tls"),
    "udp": ("tcp", "udp"),
    "rtu+tcp": ("rtu", "tcp"),
    "rtu+udp": ("rtu", "udp"),
    "ascii+tcp": ("ascii", "tcp"),
    "rtu": ("rtu", "serial"),
    "ascii": ("ascii", "serial"),
}
_REMEDY = (
    "write tcp://192.168.0.10:502, or rtu+tcp://HOST:PORT where RTU frames travel over TCP, "
    "or rtu:///dev/ttyUSB0?baudrate=9600&parity=E for a serial line; also tls://, udp://, "
    "rtu+udp://, ascii+tcp:// and ascii://"
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "parity": ("N", "E", "O"),
    "stopbits": ("1", "2"),
    "bytesize": ("7", "8"),
}


class SerialLine(NamedTuple):
    """How characters travel on a serial line."""

    baudrate: int = 9600
    parity: Parity = "N"
    stopbits: Literal[1, 2] = 1
    bytesize: Literal[7, 8] = 8
    """Data bits of a character: 8 for RTU; 7 or 8 for ASCII."""

    @property
    def character(self) -> float:
        """Seconds that one character takes: a start bit, the data, the parity, the stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def frame_gap(self) -> float:
        """Seconds that end a frame: 3.5 characters, above 19200 baud a fixed time.

        Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.5.1.1.
        """
        return 0.00175 if self.baudrate > 19200 else 3.5 * self.character

    def __str__(self) -> str:
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"


_DEFAULTS: Mapping[Framing, SerialLine] = {"rtu": SerialLine(), "ascii": SerialLine(parity="E", bytesize=7)}
"""Source of those of ASCII: the same document, section 2.5.2."""


class Endpoint(NamedTuple):
    """Where a device, or the gateway before several, listens; and how frames travel there.

    Of a serial line `host` is the path of its port, and `port` is 0.
    """

    framing: Framing
    host: str
    port: int
    serial: SerialLine | None = None
    transport: Transport = "tcp"


def parse_endpoint(url: str, *, posix: bool = POSIX) -> Endpoint:
    """`tcp://`, `tls://`, `udp://`, `rtu+tcp://`, `rtu+udp://`, `ascii+tcp://` with HOST[:PORT], `rtu://`,
    `ascii://` with /dev/PORT[?baudrate=&parity=&stopbits=&bytesize=]; ValueError with the remedy if not."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise validation_error(f"{url!r} is not an endpoint: {error}", _REMEDY) from error
    if parts.scheme not in _SCHEMES:
        raise validation_error(
            f"{url!r}: {parts.scheme or 'no scheme'} is no transport that is known", _REMEDY
        )
    framing, transport = _SCHEMES[parts.scheme]
    if transport == "serial":
        if not posix:
            problem = f"{url!r}: serial lines are read on Linux, macOS and the like only"
            raise validation_error(problem, "use a serial device server and rtu+tcp://HOST:PORT")
        return _serial(url, parts, framing)
    if host_reason := host_problem(host or ""):
        raise validation_error(f"{url!r} is not an endpoint: {host_reason}", _REMEDY)
    more = parts.path.strip("/") or parts.query or parts.username is not None
    if not host or port == 0 or more:
        raise validation_error(
            f"{url!r} is not an endpoint: a host and a port are expected, nothing else", _REMEDY
        )
    default = TLS_PORT if transport == "tls" else DEFAULT_PORT
    return Endpoint(framing, host, default if port is None else port, transport=transport)


def _serial(url: str, parts: SplitResult, framing: Framing) -> Endpoint:
    if parts.netloc:
        problem = f"{url!r}: the path of a port follows {framing}:// and starts with / itself"
        raise validation_error(
            problem, f"write {framing}:///dev/{parts.netloc.split(':')[0]}, or {framing}+tcp:// for a host"
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
    if framing == "rtu" and options.get("bytesize", "8") != "8":
        raise validation_error(f"{url!r}: RTU frames need 8 data bits", "remove bytesize, or use ascii://")
    defaults = _DEFAULTS[framing]
    line = SerialLine(
        int(options.get("baudrate", "9600")),
        cast(Parity, options.get("parity", defaults.parity)),
        2 if options.get("stopbits") == "2" else 1,
        cast(Literal[7, 8], int(options.get("bytesize", defaults.bytesize))),
    )
    return Endpoint(framing, parts.path, 0, line, "serial")
