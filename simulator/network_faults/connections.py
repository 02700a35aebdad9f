"""Connections that are refused, reset, closed, half open or for one client only, and devices that restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Literal
from weakref import WeakKeyDictionary

from pydantic import Field, PrivateAttr

from qilu.contract.units import Duration, Period
from qilu.modbus.framing import Frame
from simulator.network_faults.fault import Chunk, Exchange, NetworkFault
from simulator.network_faults.port_state import PortState, reset
from simulator.serving.response_hook import ClientConnection, Responder


class Reset(NetworkFault):
    """A reset of the connection: as soon as it is made, instead of a reply, or in the middle of one.

    A connection that is not wanted is accepted and reset at once: a listening program cannot refuse it.
    """

    of_connections: ClassVar[bool] = True
    fault: Literal["reset"] = "reset"
    at: Literal["connect", "request", "reply"] = "request"

    def concerns_connection(self, shared: PortState) -> bool:
        return self.at == "connect"

    def connected(self, line: ClientConnection, shared: PortState) -> None:
        reset(line)

    def applies_to(self, exchange: Exchange) -> bool:
        return self.at != "connect"

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return None if self.at == "request" else device(request)

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        data = b"".join(piece.data for piece in pieces)
        # a moment later, or the system throws away what it has not sent yet
        return [Chunk(data[: len(data) // 2]), Chunk(after=0.005, then="reset")]


class HalfOpen(NetworkFault):
    """From one request on, the server neither reads from a connection nor writes to it, and never closes it.

    The system below still confirms what arrives, until its buffer is full: no program can suppress that.
    """

    of_connections: ClassVar[bool] = True
    fault: Literal["half_open"] = "half_open"

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        exchange.shared.blackhole(exchange.line)
        return None


class IdleClose(NetworkFault):
    """A connection is closed when nothing more is asked on it for a while after a request."""

    of_connections: ClassVar[bool] = True
    fault: Literal["idle_close"] = "idle_close"
    idle_timeout: Period = 30.0
    """Seconds without a request."""
    _timers: WeakKeyDictionary[ClientConnection, asyncio.TimerHandle] = PrivateAttr(
        default_factory=WeakKeyDictionary
    )

    def applies_to(self, exchange: Exchange) -> bool:
        timer = self._timers.pop(exchange.line, None)
        if timer is not None:
            timer.cancel()
        return True

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        close = exchange.line.transport.close
        self._timers[exchange.line] = asyncio.get_running_loop().call_later(self.idle_timeout, close)
        return pieces


class ClientLimit(NetworkFault):
    """A device that serves so many clients; what becomes of one more, or of the oldest, is its own choice."""

    of_connections: ClassVar[bool] = True
    fault: Literal["client_limit"] = "client_limit"
    max_clients: int = Field(default=1, ge=1)
    behaviour: Literal["refuse", "hang", "evict"] = "refuse"
    """The new one is reset; the new one gets no reply; the oldest one is reset."""

    def concerns_connection(self, shared: PortState) -> bool:
        return len(shared.served) > self.max_clients

    def connected(self, line: ClientConnection, shared: PortState) -> None:
        match self.behaviour:
            case "refuse":
                reset(line)
            case "hang":
                shared.blackhole(line)
            case "evict":
                reset(shared.served[0])

    def applies_to(self, exchange: Exchange) -> bool:
        return False


class PowerCycle(NetworkFault):
    """A device loses its power: connections are reset for `off_duration`, then its registers are zero
    for `zero_duration`.

    On all ports of a plant at once, all its clients come back at once: a connect storm.
    """

    fault: Literal["power_cycle"] = "power_cycle"
    off_duration: Duration = 20.0
    zero_duration: Duration = 10.0

    def concerns_connection(self, shared: PortState) -> bool:
        return self._age(shared) < self.off_duration

    def connected(self, line: ClientConnection, shared: PortState) -> None:
        reset(line)

    def applies_to(self, exchange: Exchange) -> bool:
        return self._age(exchange.shared) < self.off_duration + self.zero_duration

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        if self._age(exchange.shared) < self.off_duration:
            return None
        reply = device(request)
        if reply is None or exchange.read is None or reply[0] != request.pdu[0]:
            return reply
        return reply[:2] + bytes(len(reply) - 2)

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        return [Chunk(then="reset")] if self._age(exchange.shared) < self.off_duration else pieces

    def _age(self, shared: PortState) -> float:
        return shared.seconds - self.start
