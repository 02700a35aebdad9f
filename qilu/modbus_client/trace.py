"""Shows the bytes of a connection, both ways, without taking part in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, cast

from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import Dial, dial
from qilu.modbus_client.endpoint import Endpoint

Direction = Literal["sent", "received"]
Trace = Callable[[Direction, bytes], None]


def traced(trace: Trace, dial: Dial = dial) -> Dial:
    """As `dial`; `trace` gets every piece that is sent or received, as it was written or read."""

    async def dial_traced(endpoint: Endpoint, factory: Callable[[], Connection]) -> Connection:
        protocols: list[_TracedProtocol] = []

        def wrapped() -> Connection:
            protocols.append(_TracedProtocol(factory(), trace))
            return cast("Connection", protocols[-1])

        await dial(endpoint, wrapped)
        return protocols[-1].inner

    return dial_traced


class _TracedProtocol(asyncio.Protocol):
    def __init__(self, inner: Connection, trace: Trace) -> None:
        self.inner = inner
        self._trace = trace

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.inner.connection_made(_TracedTransport(cast("asyncio.Transport", transport), self._trace))

    def data_received(self, data: bytes) -> None:
        self._trace("received", data)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.inner.connection_lost(error)


class _TracedTransport(asyncio.Transport):
    def __init__(self, inner: asyncio.Transport, trace: Trace) -> None:
        super().__init__()
        self._inner = inner
        self._trace = trace

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._trace("sent", bytes(data))
        self._inner.write(data)

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def close(self) -> None:
        self._inner.close()

    def abort(self) -> None:
        self._inner.abort()
