"""The Modbus server of the simulator: many devices behind many TCP ports, in one event loop.

A connection costs no task: a request is answered inside the callback that brings its bytes. Only a request to
a unit with a delay gets a task while it is delayed; what was sent behind it waits unparsed, so answers never
change their order. A client that does not read its answers is not read from.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias, cast

from qilu.contract.errors import ConfigError, describe_os_error
from qilu.modbus.errors import FrameError, TargetFailedToRespond
from qilu.modbus.framing import Frame, Framer
from qilu.modbus.rtu import RtuServerFramer
from qilu.modbus.tcp import TcpFramer
from qilu.modbus.unit_ids import BROADCAST, SERVER_UNIT_ID
from qilu.modbus_client.serial_transport import SerialTransport
from simulator.serving.requests import ServedDevice, exception_for, respond
from simulator.serving.response_hook import NoFaults, ResponseHook
from simulator.serving.serial_line import opened
from simulator.serving.settings import SerialSettings

_log = logging.getLogger(__name__)

Delay: TypeAlias = Callable[[], Awaitable[None]]
RequestObserver: TypeAlias = Callable[[ServedDevice | None, Frame, bytes | None], None]
"""Is called with every request that was answered: by whom (None: no such unit), the request, the response PDU
(None: no answer is due). What then becomes of the answer on the wire is the wire's own story.
"""
RECEIVE = 2048  # bytes taken from a connection at once
MAX_WAITING = 4096  # bytes of requests that may wait for an answer to be sent before reading pauses

_FRAMERS: dict[str, Callable[[], Framer]] = {"tcp": TcpFramer, "rtu": RtuServerFramer}


@dataclass(frozen=True, slots=True)
class Port:
    """One listening port and the devices behind it, by unit id.

    Modbus TCP: the specification lets a client address the server itself as unit 255 or 0. Where just one
    device is on the port it answers to both, unless they are taken; any other unknown unit is exception 0x0B.
    RTU over TCP: unknown units are silent, as on a bus; a write to unit 0 is carried out by all, unanswered.
    """

    devices: Mapping[int, ServedDevice]
    port: int = 0  # 0: any free one
    host: str = "127.0.0.1"
    framing: Literal["tcp", "rtu"] = "tcp"
    wire: ResponseHook = field(default_factory=NoFaults)
    any_unit_id: bool = False
    """Whether its only device replies to every unit id."""
    delays: Mapping[int, Delay] = field(default_factory=dict)
    """By unit id: awaited before a request to it is served."""
    observer: RequestObserver | None = None


@dataclass(frozen=True, slots=True)
class Bus:
    """A serial line and the devices on it; the port and host of `behind` mean nothing, its framing is RTU."""

    behind: Port
    serial: SerialSettings


class ModbusServer:
    """`async with` listens on all ports and lines or on none (ConfigError); leaving closes them and all
    connections.
    """

    def __init__(self, ports: Iterable[Port], buses: Iterable[Bus] = ()) -> None:
        self._endpoints = [_Endpoint(port) for port in ports]
        self._buses = [(_Endpoint(bus.behind), bus.serial) for bus in buses]
        self._lines = ExitStack()
        self._servers: list[asyncio.Server] = []
        self._tasks = asyncio.TaskGroup()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the ports really listen, in the order in which they were given."""
        names = [server.sockets[0].getsockname() for server in self._servers]
        return [(name[0], name[1]) for name in names]

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            for endpoint in self._endpoints:
                self._servers.append(await _listen(endpoint, self._tasks))
            for endpoint, serial in self._buses:
                descriptor = self._lines.enter_context(opened(serial))
                SerialTransport(descriptor, _Connection(endpoint, self._tasks), name=str(serial.path))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for endpoint in (*self._endpoints, *(endpoint for endpoint, _ in self._buses)):
            endpoint.close()
        self._lines.close()
        await asyncio.sleep(0)  # every connection_lost has been called now, and has cancelled its task
        # without the error of the caller's block: a group would wrap it into a group of errors
        await self._tasks.__aexit__(None, None, None)


class _Endpoint:
    """What all connections of one port share: its devices by every unit id that they answer to."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.connections: set[_Connection] = set()
        self.closed = False
        self._units = dict(port.devices)
        if port.any_unit_id:
            [only] = port.devices.values()
            self._units = dict.fromkeys(range(256), only)
        elif port.framing == "tcp" and len(port.devices) == 1:
            [only] = port.devices.values()
            self._units = {BROADCAST: only, SERVER_UNIT_ID: only} | self._units

    def close(self) -> None:
        self.closed = True  # also for a client that was accepted but has no transport yet
        for connection in self.connections:
            connection.transport.abort()

    def respond(self, request: Frame) -> bytes | None:
        """The response PDU; None where the framing answers with silence."""
        device = self._units.get(request.unit)
        response: bytes | None = None
        if device is not None:
            response = respond(device, request.pdu)
        elif self.port.framing == "tcp":
            response = exception_for(request.pdu, TargetFailedToRespond())
        elif request.unit == BROADCAST:
            for each in self._units.values():
                respond(each, request.pdu)
                self._notify(each, request, None)
            return None
        self._notify(device, request, response)
        return response

    def _notify(self, device: ServedDevice | None, request: Frame, response: bytes | None) -> None:
        if self.port.observer is not None:
            self.port.observer(device, request, response)


class _Connection(asyncio.BufferedProtocol):
    """One client. Unparsed bytes wait in the framer while an answer is delayed or not taken.

    A buffer of its own to receive into halves the cost of a request (benchmarks/modbus_server.py): a plain
    Protocol has asyncio allocate 256 kB for every chunk.
    """

    transport: asyncio.Transport

    def __init__(self, endpoint: _Endpoint, tasks: asyncio.TaskGroup) -> None:
        self._endpoint = endpoint
        self._respond = endpoint.respond
        self._wire = endpoint.port.wire
        self._delays = endpoint.port.delays
        self._framer = _FRAMERS[endpoint.port.framing]()
        self.encode = self._framer.encode
        self._tasks = tasks
        self._delayed: asyncio.Task[None] | None = None
        self._buffer = memoryview(bytearray(RECEIVE))
        self._congested = False  # the client does not take its answers
        self._held = False  # we have paused reading

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._endpoint.closed:
            self.transport.abort()
            return
        self._endpoint.connections.add(self)
        self._wire.connected(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._endpoint.connections.discard(self)
        if self._delayed is not None:
            self._delayed.cancel()

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._framer.feed(bytes(self._buffer[:nbytes]))
        self._serve()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._serve()

    def _serve(self) -> None:
        """Serve what has come, as far as it may be served now."""
        framer, transport, delays = self._framer, self.transport, self._delays
        try:
            while self._delayed is None and not self._congested and not transport.is_closing():
                request = framer.next_frame()
                if request is None:
                    break
                delay = delays.get(request.unit) if delays else None
                if delay is None:
                    self._wire.requested(self, request, self._respond)
                else:
                    name = f"delayed request to unit {request.unit}"
                    self._delayed = self._tasks.create_task(self._serve_later(request, delay), name=name)
                if not framer.buffered:
                    break
        except FrameError as error:
            peer = transport.get_extra_info("peername")
            _log.info("a connection of the client %s is closed, its frame is invalid: %s", peer, error)
            transport.close()
        if self._delayed is not None or self._congested or self._held:
            self._hold_or_read()

    def _hold_or_read(self) -> None:
        """Pause reading while enough waits; resume only what was paused here, a wire may have its own way."""
        hold = self._framer.buffered > MAX_WAITING
        if hold != self._held:
            self._held = hold
            if hold:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    async def _serve_later(self, request: Frame, delay: Delay) -> None:
        await delay()
        self._delayed = None
        if not self.transport.is_closing():
            self._wire.requested(self, request, self._respond)
        self._serve()


async def _listen(endpoint: _Endpoint, tasks: asyncio.TaskGroup) -> asyncio.Server:
    port = endpoint.port
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(lambda: _Connection(endpoint, tasks), port.host, port.port)
    except (OSError, ValueError) as error:  # ValueError: no text that can be a host name
        problem, remedy = _explain(error, port.port)
        raise ConfigError(f"cannot listen on {port.host}:{port.port}: {problem}", remedy=remedy) from error


def _explain(error: OSError | ValueError, port: int) -> tuple[str, str]:
    if isinstance(error, socket.gaierror | ValueError):
        return "the host name is not known", "give an address of this machine, such as 127.0.0.1 or 0.0.0.0"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "the port is in use",
                f"end the program that listens on port {port}, or choose another port",
            )
        case errno.EACCES | errno.EPERM:
            return (
                "this user may not open the port",
                "choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE",
            )
        case errno.EADDRNOTAVAIL:
            return "no address of this machine", "give one of its addresses, such as 127.0.0.1 or 0.0.0.0"
        case errno.EMFILE | errno.ENFILE:
            return (
                "too many open files",
                "raise the limit with `ulimit -n` and start again, or use fewer ports",
            )
        case _:
            return describe_os_error(error), "check host and port"
