"""One connection to one endpoint: requests go out in order, replies are matched to them or discarded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import cast

from gateway.sources.modbus.line.exchange import (
    READS,
    TURNAROUND,
    ConnectionGoneError,
    Exchange,
    LateReply,
    Overdue,
    ReplyTimeoutError,
    Rules,
)
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import FrameError, ModbusError, ProtocolError
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import response_data
from qilu.modbus.rtu import RtuClientFramer
from qilu.modbus.tcp import TcpFramer
from qilu.runtime.alarms import Alarm, Alarms

__all__ = ["Connection", "ConnectionGoneError", "Exchange", "LateReply", "ReplyTimeoutError"]

_log = logging.getLogger(__name__)

SILENCES = 3  # requests in a row without a reply to any: the connection itself is doubted
_RECEIVE = 2048  # bytes taken in one go: several of the longest frames
_REMEMBERED = 64  # requests given up, whose replies would still be recognised


class Connection(asyncio.BufferedProtocol):
    """Works in the loop's callbacks, so that one wake-up of a task serves a whole read.

    A reply counts only with the transaction id, protocol id, unit id, function and byte count of its request;
    what of these is forgiven, or does not exist, is made up for by silence (`Overdue`, `Rules.least_gap`).
    """

    def __init__(
        self,
        name: str,
        rules: Rules,
        stats: SourceStats,
        late: LateReply,
        overdue: Overdue | None = None,
        alarms: Alarms | None = None,
    ) -> None:
        """`overdue`: shared by all connections, one after another, to one endpoint; `alarms`: by all."""
        self.name = name
        self.replies = 0
        """Frames that answered a request of ours, in time or late."""
        self.problem = ""
        """What came that is no Modbus, for people: then it was closed."""
        self.hung_up = False
        """Whether we closed it; that says nothing against connecting again at once."""
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._rules = rules
        self._rtu = RtuClientFramer(rules.accept_unit) if rules.framing == "rtu" else None
        self._framer = self._rtu or TcpFramer()
        self._overdue = None if rules.numbered else (overdue or Overdue(rules))
        self._least_gap = rules.least_gap
        self._stats = stats
        self._late = late
        self._in_flight = rules.in_flight if rules.numbered else 1
        self._received_into = memoryview(bytearray(_RECEIVE))
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Exchange] = deque()
        self._open: dict[int, Exchange] = {}  # transaction id -> sent and not answered, the oldest first
        self._given_up: dict[int, Exchange] = {}
        self._transaction = 0
        self._patience = self._gap = self._began = 0.0
        self._answered_at = self._quiet_until = self._heard_until = 0.0
        self._silent = 0
        self._strays = 0  # frames rejected while the present request is open
        self._done: asyncio.Future[None] | None = None
        self._alarms = alarms or Alarms()
        self._timer: Alarm | None = None
        self._pause: Alarm | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def read(self, exchanges: Sequence[Exchange], patience: float, gap: float) -> None:
        """Send these in order and return when each is answered; `patience`: seconds to wait for each reply.

        After an UnreachableError (no reply, connection lost, busy) no further one is sent. `gap`: seconds of
        silence between a reply, to whoever asked before too, and a request of these, and after the last
        reply. Errors are left in the exchanges; nothing is raised.
        """
        self._waiting.extend(exchanges)
        self._patience, self._gap, self._strays = patience, max(gap, self._least_gap), 0
        self._began = now = self._clock()
        if self._gap:
            self._quiet_until = max(self._quiet_until, self._answered_at + self._gap)
        self._done = done = self._loop.create_future()
        self._advance(now)
        try:
            await done
        finally:
            self._finish()

    async def exchange(self, unit: int, request: bytes, patience: float, gap: float = 0.0) -> bytes:
        """The data of the reply to one request (`response_data`), or raises what went wrong.

        It is sent once at most, whatever becomes of it: of a write nobody else knows whether it was done.
        """
        exchange = Exchange(unit, request)
        await self.read((exchange,), patience, gap)
        if exchange.data is not None:
            return exchange.data
        raise exchange.error or ConnectionGoneError(f"{self.name}: not sent")

    def close(self) -> None:
        """Hang up; what is open fails at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    # For a plain Protocol asyncio allocates 256 kB per chunk, which costs more than all that follows.
    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - its name is asyncio's
        return self._received_into

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._received_into[:nbytes]))

    def data_received(self, data: bytes) -> None:
        framer = self._framer
        if self._rules.serial is not None:  # a frame, or noise, ends with a silence
            self._heard_until = self._clock() + self._least_gap
        framer.feed(data)
        try:
            while (frame := framer.next_frame()) is not None:
                self._received(frame)
        except FrameError as error:
            self._stats.broken_streams += 1
            self.problem = str(error)
            self._fail_all(ProtocolError(str(error)))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail_all(
            ConnectionGoneError(f"{self.name}: connection lost: {exc or 'closed by the far side'}")
        )

    # Steps of a read.

    def _advance(self, now: float) -> None:
        """Send what may be sent now, or end the read when nothing is left to wait for."""
        if self._pause is not None:
            return
        waiting, transport = self._waiting, self._transport
        if waiting and (transport is None or transport.is_closing()):
            self._fail_all(ConnectionGoneError(f"{self.name}: not connected"))
        while waiting and len(self._open) < self._in_flight:
            if (now < self._quiet_until or self._overdue is not None) and now < (
                not_before := self._not_before(waiting[0].unit)
            ):
                self._pause = self._alarms.at(not_before, self._pause_over)
                return
            self._send(waiting.popleft(), now)
        if not self._open and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _pause_over(self) -> None:
        self._pause = None
        self._advance(self._clock())

    def _not_before(self, unit: int) -> float:
        """When the next request may be sent: after the gap, and with a reply overdue when it has come."""
        if self._overdue is None:
            return self._quiet_until
        # A line that is never silent must not keep us silent for ever.
        silence = min(self._heard_until, self._began + self._patience)
        return max(self._quiet_until, silence, self._overdue.until(unit))

    def _send(self, exchange: Exchange, now: float) -> None:
        rules = self._rules
        exchange.asked_at = now
        exchange.deadline = now + self._patience
        if self._rtu is None:
            self._transaction = transaction = (
                self._transaction % 0xFFFF + 1
            )  # never 0: some servers answer with it
        else:
            transaction = 0
            exchange.deadline += rules.on_the_line(exchange.request)
            self._given_up.clear()
            self._rtu.reset()
            self._rtu.expect(exchange.unit, exchange.request)
        self._open[transaction] = exchange
        if self._rtu is None and self._framer.buffered and len(self._open) == 1:
            # The reply would be taken for its rest, or its rest for the reply.
            self._fail_all(ConnectionGoneError(f"{self.name}: half a frame came unasked"))
            self.hung_up = True
            self.close()
            return
        self._stats.requests += 1
        self._transport.write(self._framer.encode(transaction, exchange.unit, exchange.request))  # type: ignore[union-attr]
        if self._rtu is not None and rules.unanswered(exchange):
            self._broadcast(exchange, now)
        elif self._timer is None or rules.serial is not None:
            self._set_timer(exchange.deadline)

    def _set_timer(self, deadline: float) -> None:
        """On a serial line one may be set for a longer request that came before, and be too late."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._alarms.at(deadline, self._time_is_up)

    def _broadcast(self, exchange: Exchange, now: float) -> None:
        """Nobody answers; all get the time to carry it out."""
        self._open.clear()
        exchange.ended_at, exchange.data = now, b""
        self._quiet_until = now + self._rules.on_the_line(exchange.request) + TURNAROUND

    def _received(self, frame: Frame) -> None:
        transaction, unit, pdu = frame
        if self._rules.ignore_tid and self._open:
            transaction = next(iter(self._open))
        exchange = self._open.get(transaction)
        if exchange is None or (exchange.unit != unit and unit not in self._rules.accept_unit):
            self._unexpected(frame)
            return
        self._answered_at = now = self._clock()
        if self._overdue is None:
            self._accept(transaction, exchange, pdu, now)
        elif exchange.held is not None:
            self._two_came(self._overdue, exchange, pdu, now)
        elif hold := self._overdue.hold(exchange.unit, now - exchange.asked_at, self._patience):
            exchange.held, exchange.ended_at, exchange.deadline = pdu, now, now + hold
            self._set_timer(exchange.deadline)
        else:
            self._accept(transaction, exchange, pdu, now)

    def _two_came(self, overdue: Overdue, exchange: Exchange, pdu: bytes, now: float) -> None:
        """One of them is late. Which one, nobody can tell: it is asked again, where that does no harm."""
        overdue.came(exchange.unit)
        self._stats.late_replies += 1
        if pdu == exchange.held or exchange.request[0] not in READS:
            self._accept(0, exchange, pdu, now)
            return
        self._open.clear()
        exchange.held = None
        self._waiting.appendleft(exchange)
        self._advance(now)

    def _accept(self, transaction: int, exchange: Exchange, pdu: bytes, when: float) -> None:
        del self._open[transaction]
        exchange.ended_at = when
        self.replies += 1
        self._silent = 0
        self._stats.replies += 1
        try:
            exchange.data = response_data(exchange.request, pdu)
        except ModbusError as error:
            self._refused(exchange, error)
        if self._gap:
            self._quiet_until = self._answered_at + self._gap
        self._advance(self._clock() if exchange.held is not None else when)

    def _refused(self, exchange: Exchange, error: ModbusError) -> None:
        exchange.error = error
        if isinstance(error, ProtocolError):
            self._stats.rejected_replies += 1
            _log.debug("%s: unit %d: %s", self.name, exchange.unit, error)
        else:
            self._stats.exceptions += 1
        if isinstance(error, UnreachableError):
            self._waiting.clear()

    def _unexpected(self, frame: Frame) -> None:
        given_up = self._given_up.get(frame.transaction)
        if given_up is not None and given_up.unit == frame.unit:
            del self._given_up[frame.transaction]
            if self._overdue is not None:
                self._overdue.came(frame.unit)
                if self._pause is not None:
                    self._pause.cancel()
                    self._loop.call_soon(self._pause_over)
            self._stats.late_replies += 1
            self.replies += 1
            self._silent = 0
            self._late(frame.unit, self._clock() - given_up.asked_at)
            return
        self._stats.rejected_replies += 1
        self._strays += 1
        _log.debug(
            "%s: rejected a reply of unit %d, transaction %d", self.name, frame.unit, frame.transaction
        )

    def _time_is_up(self) -> None:
        self._timer = None
        now = self._clock()
        for transaction, exchange in list(self._open.items()):
            if exchange.deadline > now:
                self._timer = self._alarms.at(exchange.deadline, self._time_is_up)
                return
            if exchange.held is not None and self._overdue is not None:  # nothing came after it
                self._overdue.settled(exchange.unit)
                self._accept(transaction, exchange, exchange.held, exchange.ended_at)
            else:
                self._give_up(transaction, exchange, now)
        self._advance(now)

    def _give_up(self, transaction: int, exchange: Exchange, now: float) -> None:
        del self._open[transaction]
        self._waiting.clear()
        exchange.ended_at = now
        problem = f"{self.name}: unit {exchange.unit} did not answer within {self._patience:g} s"
        if self._strays:
            exchange.error = ProtocolError(
                f"{problem}; {self._strays} replies to something else were rejected"
            )
        else:
            exchange.error = ReplyTimeoutError(problem)
        self._stats.timeouts += 1
        self._silent += 1
        if self._overdue is not None:
            self._overdue.gave_up(exchange.unit, exchange.asked_at, now)
        # Where replies do not say what they answer, a new stream is the safest from late ones. A serial port
        # is no stream: opening it anew changes nothing on the line.
        if self._rules.serial is None and (self._overdue is not None or self._silent >= SILENCES):
            self.hung_up = True
            self.close()
            return
        self._given_up[transaction] = exchange
        if len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def _fail_all(self, error: QiluError) -> None:
        """The stream ended: what is open will not be answered, and what was to follow is not sent."""
        now = self._clock()
        for exchange in self._open.values():
            exchange.ended_at, exchange.error = now, error
        self._open.clear()
        self._waiting.clear()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _finish(self) -> None:
        """Leave nothing behind, also when the read was cancelled."""
        self._done = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._open or self._waiting:
            self._open.clear()
            self._waiting.clear()
            self.close()
