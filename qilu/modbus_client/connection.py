"""One connection to one endpoint: requests go out in order, replies are matched to them or discarded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import FrameError, ModbusError, ProtocolError
from qilu.modbus.framing import Frame, Framer
from qilu.modbus.pdu import response_data, without_padding
from qilu.modbus.tcp import TcpFramer
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import (
    ConnectionLostError,
    LateReply,
    LinkOptions,
    ReplyTimeoutError,
    Transaction,
    UnusableReplyError,
)
from qilu.runtime.timers import Timer, Timers

__all__ = ["Connection", "ConnectionLostError", "LateReply", "ReplyTimeoutError", "Transaction"]

_log = logging.getLogger(__name__)

TIMEOUTS_BEFORE_RECONNECT = 3
"""Consecutive requests without a reply to any after which the connection itself is doubted."""
LENIENT: Mapping[str, object] = {"lenient_replies": True}
MAX_SHOWN = 32
"""Bytes of what came in place of a reply that a message shows."""
_RECEIVE = 2048  # bytes taken in one go: several of the longest frames
_REMEMBERED = 64  # requests given up, whose replies would still be recognised


class Connection(asyncio.BufferedProtocol):
    """Works in the loop's callbacks, so that one wake-up of a task serves a whole read.

    A reply counts only with the transaction id, protocol id, unit id, function and byte count of its request.
    Where there is no transaction id, or a wrong one, it is `UntaggedConnection`.
    """

    def __init__(
        self,
        name: str,
        rules: LinkOptions,
        stats: ClientStats,
        late: LateReply,
        endpoint: EndpointState,
        alarms: Timers | None = None,
    ) -> None:
        """`endpoint`: shared by its connections, one after another; `alarms`: by the whole process."""
        self.name = name
        self.replies = 0
        """Frames that answered a request of ours, in time or late."""
        self.problem = ""
        """What came that is no Modbus, for people: then it was closed."""
        self.deaf_for = 0.0
        """Seconds from the connection to its first reply, where requests before it timed out."""
        self.max_timeouts = TIMEOUTS_BEFORE_RECONNECT
        """Consecutive timeouts after which it is closed."""
        self.closed_by_us = False
        """Whether we closed it; that says nothing against connecting again at once."""
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._rules = rules
        self._framer: Framer = TcpFramer(lenient=rules.lenient, max_pdu=rules.max_pdu)
        self._last_bytes = b""  # that came since the last request, where they are no late reply
        self._min_gap = rules.min_gap
        self._stats = stats
        self._late = late
        self._in_flight = rules.max_in_flight
        self._received_into = memoryview(bytearray(_RECEIVE))
        self._transport: asyncio.Transport | None = None
        self._connected_at = 0.0
        self._waiting: deque[Transaction] = deque()
        self._open: dict[int, Transaction] = {}  # transaction id -> sent and not answered, the oldest first
        self._timed_out: dict[int, Transaction] = {}
        self._unconfirmed: list[Transaction] = []  # answered, and bytes of another frame came at once behind
        self._ids = endpoint.ids
        self._timeout = self._gap = 0.0
        self._last_reply_at = self._quiet_until = 0.0
        self._consecutive_timeouts = 0
        self._rejected_frames = 0  # frames rejected while the present request is open
        self._done: asyncio.Future[None] | None = None
        self._alarms = alarms or Timers()
        self._timer: Timer | None = None
        self._pause: Timer | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def read(self, exchanges: Sequence[Transaction], timeout: float, gap: float) -> None:
        """Send these in order and return when each is answered; `timeout`: seconds to wait for each reply.

        After an UnreachableError (no reply, connection lost, busy) no further one is sent. `gap`: seconds of
        silence between a reply, to whoever asked before too, and a request of these, and after the last
        reply. Errors are left in the exchanges; nothing is raised.
        """
        self._waiting.extend(exchanges)
        self._timeout, self._gap, self._rejected_frames = timeout, max(gap, self._min_gap), 0
        now = self._clock()
        if self._gap:
            self._quiet_until = max(self._quiet_until, self._last_reply_at + self._gap)
        self._done = done = self._loop.create_future()
        self._advance(now)
        try:
            await done
        finally:
            self._finish()

    async def exchange(self, unit: int, request: bytes, timeout: float, gap: float = 0.0) -> bytes:
        """The data of the reply to one request (`response_data`), or raises what went wrong.

        It is sent once at most, whatever becomes of it: of a write nobody else knows whether it was done.
        """
        exchange = Transaction(unit, request)
        await self.read((exchange,), timeout, gap)
        if exchange.data is not None:
            return exchange.data
        raise exchange.error or ConnectionLostError(f"{self.name}: not sent")

    def close(self) -> None:
        """Hang up; what is open fails at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connected_at = self._clock()

    # For a plain Protocol asyncio allocates 256 kB per chunk, which costs more than all that follows.
    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - its name is asyncio's
        return self._received_into

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._received_into[:nbytes]))

    def data_received(self, data: bytes) -> None:
        framer = self._framer
        self._last_bytes = data
        framer.feed(data)
        try:
            while (frame := framer.next_frame()) is not None:
                self._received(frame)
                if self._unconfirmed and not framer.buffered:
                    self._unconfirmed.clear()
        except FrameError as error:
            self._stats.broken_streams += 1
            self.problem = str(error)
            self._fail_all(ProtocolError(str(error)))
            self._invalidate_unconfirmed(ProtocolError(str(error)))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail_all(
            ConnectionLostError(f"{self.name}: connection lost: {exc or 'closed by the far side'}")
        )

    # Steps of a read.

    def _advance(self, now: float) -> None:
        """Send what may be sent now, or end the read when nothing is left to wait for."""
        if self._pause is not None:
            return
        waiting, transport = self._waiting, self._transport
        if waiting and (transport is None or transport.is_closing()):
            self._fail_all(ConnectionLostError(f"{self.name}: not connected"))
        while waiting and len(self._open) < self._in_flight:
            not_before = self._not_before(waiting[0].unit)
            if now < not_before:
                self._pause = self._alarms.at(not_before, self._pause_over)
                return
            self._send(waiting.popleft(), now)
        if not self._open and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _pause_over(self) -> None:
        self._pause = None
        self._advance(self._clock())

    def _not_before(self, unit: int) -> float:  # noqa: ARG002 - where replies have no numbers it matters
        """When the next request may be sent."""
        return self._quiet_until

    def _send(self, exchange: Transaction, now: float) -> None:
        exchange.asked_at = now
        exchange.deadline = now + self._timeout
        transaction = self._ids.next()
        self._open[transaction] = exchange
        if self._framer.buffered and len(self._open) == 1:
            # The reply would be taken for its rest, or its rest for the reply.
            self._fail_all(ConnectionLostError(f"{self.name}: half a frame came unasked"))
            self._disconnect()
            return
        self._stats.requests += 1
        self._last_bytes = b""
        self._transport.write(self._framer.encode(transaction, exchange.unit, exchange.request))  # type: ignore[union-attr]
        if self._timer is None:
            self._timer = self._alarms.at(exchange.deadline, self._on_timer)

    def _received(self, frame: Frame) -> None:
        transaction, unit, pdu = frame
        exchange = self._open.get(transaction)
        if exchange is None or (exchange.unit != unit and unit not in self._rules.accepted_unit_ids):
            self._unexpected(frame, self._timed_out.get(transaction))
            return
        exchange.ended_at = self._last_reply_at = now = self._clock()
        self._accept(transaction, exchange, pdu, now)

    def _accept(self, transaction: int, exchange: Transaction, pdu: bytes, now: float) -> None:
        """This is the reply to that request; it came at `now`."""
        del self._open[transaction]
        if self._consecutive_timeouts > 1 and not self.replies:
            self.deaf_for = now - self._connected_at
        self.replies += 1
        self._consecutive_timeouts = 0
        self._stats.replies += 1
        if self._rules.lenient:
            pdu = without_padding(exchange.request, pdu)
        try:
            exchange.data = response_data(exchange.request, pdu)
        except ProtocolError as error:
            quirks = self._quirks_for(exchange.request, pdu)
            self._refused(exchange, _proposing(ProtocolError, str(error), quirks))
        except ModbusError as error:
            self._refused(exchange, error)
        if self._framer.buffered:
            self._unconfirmed.append(exchange)
        if self._gap:
            self._quiet_until = now + self._gap
        self._advance(now)

    def _invalidate_unconfirmed(self, error: QiluError) -> None:
        """What came before the stream went out of step may have been short, and filled up with the next."""
        for exchange in self._unconfirmed:
            exchange.data, exchange.error = None, error
        self._unconfirmed.clear()

    def _quirks_for(self, request: bytes, pdu: bytes) -> Mapping[str, object]:
        """The quirks that would have accepted this response; none where there are none."""
        try:
            response_data(request, without_padding(request, pdu))
        except ProtocolError:
            return {}
        except ModbusError:
            pass
        return LENIENT if self._rules.has_transaction_ids else {}

    def _unusable(self, exchange: Transaction, problem: str) -> QiluError:
        """What came in place of a reply."""
        framer, quirks = TcpFramer(lenient=True), dict[str, object]()
        framer.feed(self._last_bytes)
        try:
            if self._rules.framing == "tcp" and (frame := framer.next_frame()) is not None:
                quirks |= self._quirks_for(exchange.request, frame.pdu)
                if frame.unit != exchange.unit and quirks:
                    quirks = {"accepted_unit_ids": [frame.unit]}
        except FrameError:
            pass
        kind = ProtocolError if self._rejected_frames else UnusableReplyError
        shown = self._last_bytes[:MAX_SHOWN].hex(" ")
        return _proposing(kind, f"{problem}; what came is no reply: {shown}", quirks)

    def _refused(self, exchange: Transaction, error: QiluError) -> None:
        exchange.error = error
        if isinstance(error, ProtocolError):
            self._stats.rejected_replies += 1
            _log.debug("%s: unit %d: %s", self.name, exchange.unit, error)
        else:
            self._stats.exceptions += 1
        if isinstance(error, UnreachableError):
            self._waiting.clear()

    def _unexpected(self, frame: Frame, timed_out: Transaction | None) -> None:
        """Nothing that is open has this reply; `timed_out`: what may have waited for it."""
        if timed_out is not None and timed_out.unit == frame.unit:
            self._timed_out.pop(frame.transaction, None)
            self._stats.late_replies += 1
            self.replies += 1
            self._consecutive_timeouts = 0
            self._last_bytes = b""
            self._late(frame.unit, self._clock() - timed_out.asked_at)
            return
        self._stats.rejected_replies += 1
        self._rejected_frames += 1
        self._ids.avoid(frame.transaction)
        _log.debug(
            "%s: rejected a reply of unit %d, transaction %d", self.name, frame.unit, frame.transaction
        )

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock()
        for transaction, exchange in list(self._open.items()):
            if exchange.deadline > now:
                self._timer = self._alarms.at(exchange.deadline, self._on_timer)
                return
            self._expire(transaction, exchange, now)
        self._advance(now)

    def _expire(self, transaction: int, exchange: Transaction, now: float) -> None:
        """The deadline of this request has passed."""
        del self._open[transaction]
        self._waiting.clear()
        exchange.ended_at = now
        if self._unconfirmed and self._framer.buffered:
            self._invalidate_unconfirmed(ProtocolError(f"{self.name}: half a frame came behind it"))
        problem = f"{self.name}: unit {exchange.unit} did not reply within {self._timeout:g} s"
        if self._last_bytes or self._rejected_frames:
            exchange.error = self._unusable(exchange, problem)
        else:
            exchange.error = ReplyTimeoutError(problem)
        self._stats.timeouts += 1
        self._consecutive_timeouts += 1
        self._after_timeout(transaction, exchange)

    def _after_timeout(self, transaction: int, exchange: Transaction) -> None:
        """Its reply may still come."""
        if self._consecutive_timeouts >= self.max_timeouts or self._framer.buffered:
            self._disconnect()
            return
        self._timed_out[transaction] = exchange
        if len(self._timed_out) > _REMEMBERED:
            del self._timed_out[next(iter(self._timed_out))]

    def _disconnect(self) -> None:
        """A new stream is safer than this one."""
        self.closed_by_us = True
        self.close()

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
        self._unconfirmed.clear()
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


def _proposing(
    kind: type[ProtocolError | UnusableReplyError], problem: str, quirks: Mapping[str, object]
) -> ProtocolError | UnusableReplyError:
    """An error that names the quirks to set, where there are some."""
    pairs = ", ".join(f"{key}: {str(value).lower()}" for key, value in quirks.items())
    error = kind(f"{problem}; set `quirks: {{{pairs}}}` of this source" if quirks else problem)
    error.quirks = quirks
    return error
