"""Modbus over UDP: each datagram is one whole frame, of Modbus TCP or RTU."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from qilu.modbus.crc import crc16
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.endpoint import Endpoint, Framing
from qilu.runtime.network_errors import describe_network_error

_LENGTH = slice(4, 6)
_UNCOUNTED = 6
"""Bytes of a frame that its length field does not count."""


def _is_tcp_frame(datagram: bytes) -> bool:
    return len(datagram) == _UNCOUNTED + int.from_bytes(datagram[_LENGTH], "big")


_FRAMES: Mapping[Framing, Callable[[bytes], bool]] = {
    "tcp": _is_tcp_frame,
    "rtu": lambda datagram: crc16(datagram) == 0,
}


async def dial_udp(endpoint: Endpoint, factory: Callable[[], Connection]) -> Connection:
    """The protocol on a UDP socket of its own; OSError where the host has no address.

    There is no connection: whether somebody listens shows at the first request.
    """
    _, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DatagramAdapter(factory(), endpoint.framing), remote_addr=(endpoint.host, endpoint.port)
    )
    return datagrams.connection


class DatagramAdapter(asyncio.DatagramProtocol):
    """Passes whole frames to a connection, which knows streams only.

    A datagram that is not exactly one frame is dropped: with the next one it would make a frame that nobody
    sent. The socket takes datagrams from the far address only.
    """

    def __init__(self, connection: Connection, framing: Framing) -> None:
        self.connection = connection
        self._is_whole = _FRAMES[framing]
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.connection.connection_made(DatagramTransport(self._transport))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:  # noqa: ARG002 - it is connected
        if self._is_whole(data):
            self.connection.data_received(data)

    def error_received(self, exc: Exception) -> None:
        """The system reports what the far host answered, such as that nobody listens on its port."""
        if isinstance(exc, OSError):
            self.connection.record.problem = describe_network_error(exc)
        self.connection.connection_lost(exc)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.connection_lost(exc)


class DatagramTransport(asyncio.Transport):
    """What a connection uses of a stream's transport, over a socket for datagrams."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        super().__init__()
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.sendto(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()
