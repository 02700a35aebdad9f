"""Shows the bytes of a connection, both ways."""

from __future__ import annotations

from collections.abc import Callable

from qilu.modbus_client.connection import Connection, Trace
from qilu.modbus_client.connector import Dial, dial
from qilu.modbus_client.options import ClientOptions


def traced(trace: Trace, dial: Dial = dial) -> Dial:
    """As `dial`; `trace` gets every piece that is sent or received, as it was written or read."""

    async def dial_traced(options: ClientOptions, factory: Callable[[], Connection]) -> Connection:
        def traced_connection() -> Connection:
            connection = factory()
            connection.trace = trace
            return connection

        return await dial(options, traced_connection)

    return dial_traced
