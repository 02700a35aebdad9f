"""The seam between a request and its response: the one place where a fault on the wire can be acted out.

A wire that is not plain may answer late, twice, never, in pieces or out of turn, change bytes, ids or frames,
close or reset the connection, or leave it half open. What it does not touch goes through `NoFaults`.
"""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable
from typing import Protocol, TypeAlias

from qilu.modbus.framing import Frame

Responder: TypeAlias = Callable[[Frame], bytes | None]
"""Has the device carry a request out and gives the response PDU; None where no answer is due (broadcast)."""


class ClientConnection(Protocol):
    """One connection as a wire sees it; its transport may be written to, closed, aborted or paused."""

    @property
    def transport(self) -> Transport: ...

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """The bytes of one frame in the framing of this connection."""


class ResponseHook(Protocol):
    """How a port behaves. One object serves all connections of a port; it is called from the event loop."""

    def connected(self, line: ClientConnection) -> None:
        """A client has connected; nothing was read from it yet."""

    def requested(self, line: ClientConnection, request: Frame, respond: Responder) -> None:
        """A whole request has come. All of one connection come here in the order in which they were
        sent.
        """


class NoFaults:
    """Every request is answered at once, in order."""

    def connected(self, line: ClientConnection) -> None:
        pass

    def requested(self, line: ClientConnection, request: Frame, respond: Responder) -> None:
        response = respond(request)
        if response is not None:
            line.transport.write(line.encode(request.transaction, request.unit, response))
