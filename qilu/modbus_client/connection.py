"""One connection to one endpoint: requests go out in order, replies are matched to them or discarded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import FrameError, ModbusError, ProtocolError
from qilu.modbus.framing import Frame, Framer
from qilu.modbus.pdu import response_data, without_padding
from qilu.modbus.tcp import TcpFramer
from qilu.modbus_client.connection_record import ConnectionRecord
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.open_requests import OpenRequests
from qilu.modbus_client.read_wait import ReadWait
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import (
    ConnectionLostError,
    LateReply,
    LinkOptions,
    ReplyTimeoutError,
    Transaction,
)
from qilu.modbus_client.unusable_reply import ReplyDiagnosis
from qilu.runtime.timers import Timers

__all__ = ["Connection", "ConnectionLostError", "LateReply", "ReplyTimeoutError", "Transaction"]

_log = logging.getLogger(__name__)

_RECEIVE = 2048  # bytes taken in one go: several of the longest frames


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
        self.record = ConnectionRecord()
        self._rules = rules
        self._stats = stats
        self._late = late
        self._framer: Framer = TcpFramer(lenient=rules.lenient, max_pdu=rules.max_pdu)
        self._received_into = memoryview(bytearray(_RECEIVE))
        self._transport: asyncio.Transport | None = None
        self._requests = OpenRequests(endpoint.ids, rules.max_in_flight)
        self._wait = ReadWait(alarms or Timers(), rules.min_gap)
        self._diagnosis = ReplyDiagnosis(rules)
        self._behind = 0  # bytes that came behind the frame at hand

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def read(self, exchanges: Sequence[Transaction], timeout: float, gap: float) -> None:
        """Send these in order and return when each is answered; `timeout`: seconds to wait for each reply.

        After an UnreachableError (no reply, connection lost, busy) no further one is sent. `gap`: seconds of
        silence between a reply, to whoever asked before too, and a request of these, and after the last
        reply. Errors are left in the exchanges; nothing is raised.
        """
        requests = self._requests
        requests.waiting.extend(exchanges)
        requests.timeout = timeout
        self._diagnosis.start()
        done = self._wait.start(gap, self.record.last_reply_at)
        self._advance(self._wait.now())
        try:
            await done
        finally:
            self._wait.end()
            if requests.end():
                self.close()

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
        self.record.connected(self._wait.now())

    # For a plain Protocol asyncio allocates 256 kB per chunk, which costs more than all that follows.
    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - its name is asyncio's
        return self._received_into

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._received_into[:nbytes]))

    def data_received(self, data: bytes) -> None:
        framer = self._framer
        self._diagnosis.last_bytes = data
        framer.feed(data)
        try:
            while (frame := framer.next_frame()) is not None:
                self._behind = behind = framer.buffered
                self._received(frame)
                if not behind:
                    self._requests.unconfirmed.clear()
                    return
        except FrameError as error:
            self._stats.broken_streams += 1
            self.record.problem = str(error)
            self._fail_all(ProtocolError(str(error)))
            self._requests.invalidate_unconfirmed(ProtocolError(str(error)))
            self.close()
        self._behind = framer.buffered

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail_all(
            ConnectionLostError(f"{self.name}: connection lost: {exc or 'closed by the far side'}")
        )

    # Steps of a read.

    def _advance(self, now: float) -> None:
        """Send what may be sent now, or end the read when nothing is left to wait for."""
        wait, requests, transport = self._wait, self._requests, self._transport
        if wait.pausing is not None:
            return
        waiting = requests.waiting
        if waiting and (transport is None or transport.is_closing()):
            self._fail_all(ConnectionLostError(f"{self.name}: not connected"))
        while waiting and len(requests.open) < requests.limit:
            not_before = self._not_before(waiting[0].unit)
            if now < not_before:
                wait.pause(not_before, self._pause_over)
                return
            self._send(waiting.popleft(), now)
        if not requests.open:
            wait.over()

    def _pause_over(self) -> None:
        self._wait.pause_over()
        self._advance(self._wait.now())

    def _not_before(self, unit: int) -> float:  # noqa: ARG002 - where replies have no numbers it matters
        """When the next request may be sent."""
        return self._wait.quiet_until

    def _send(self, exchange: Transaction, now: float) -> None:
        requests = self._requests
        exchange.asked_at = now
        exchange.deadline = deadline = now + requests.timeout
        transaction = requests.ids.next()
        requests.open[transaction] = exchange
        if self._behind and len(requests.open) == 1:
            # The reply would be taken for its rest, or its rest for the reply.
            self._fail_all(ConnectionLostError(f"{self.name}: half a frame came unasked"))
            self._disconnect()
            return
        self._stats.requests += 1
        self._diagnosis.last_bytes = b""
        self._transport.write(self._framer.encode(transaction, exchange.unit, exchange.request))  # type: ignore[union-attr]
        if self._wait.deadline is None:
            self._wait.set_deadline(deadline, self._on_timer)

    def _received(self, frame: Frame) -> None:
        transaction, unit, pdu = frame
        exchange = self._requests.open.get(transaction)
        if exchange is None or (exchange.unit != unit and unit not in self._rules.accepted_unit_ids):
            self._unexpected(frame, self._requests.timed_out.get(transaction))
            return
        exchange.ended_at = now = self._wait.now()
        self._accept(transaction, exchange, pdu, now)

    def _accept(self, transaction: int, exchange: Transaction, pdu: bytes, now: float) -> None:
        """This is the reply to that request; it came at `now`."""
        del self._requests.open[transaction]
        self.record.replied(now)
        self._stats.replies += 1
        if self._rules.lenient:
            pdu = without_padding(exchange.request, pdu)
        try:
            exchange.data = response_data(exchange.request, pdu)
        except ProtocolError as error:
            self._refused(exchange, self._diagnosis.wrong_response(exchange.request, pdu, str(error)))
        except ModbusError as error:
            self._refused(exchange, error)
        if self._behind:
            self._requests.unconfirmed.append(exchange)
        if self._wait.gap:
            self._wait.replied(now)
        self._advance(now)

    def _refused(self, exchange: Transaction, error: QiluError) -> None:
        exchange.error = error
        if isinstance(error, ProtocolError):
            self._stats.rejected_replies += 1
            _log.debug("%s: unit %d: %s", self.name, exchange.unit, error)
        else:
            self._stats.exceptions += 1
        if isinstance(error, UnreachableError):
            self._requests.waiting.clear()

    def _unexpected(self, frame: Frame, timed_out: Transaction | None) -> None:
        """Nothing that is open has this reply; `timed_out`: what may have waited for it."""
        if timed_out is not None and timed_out.unit == frame.unit:
            now = self._wait.now()
            self._requests.timed_out.pop(frame.transaction, None)
            self._stats.late_replies += 1
            self.record.replied(now, late=True)
            self._diagnosis.last_bytes = b""
            self._late(frame.unit, now - timed_out.asked_at)
            return
        self._stats.rejected_replies += 1
        self._diagnosis.rejected_frames += 1
        self._requests.ids.avoid(frame.transaction)
        _log.debug(
            "%s: rejected a reply of unit %d, transaction %d", self.name, frame.unit, frame.transaction
        )

    def _on_timer(self) -> None:
        self._wait.deadline_passed()
        now = self._wait.now()
        for transaction, exchange in list(self._requests.open.items()):
            if exchange.deadline > now:
                self._wait.set_deadline(exchange.deadline, self._on_timer)
                return
            self._expire(transaction, exchange, now)
        self._advance(now)

    def _expire(self, transaction: int, exchange: Transaction, now: float) -> None:
        """The deadline of this request has passed."""
        requests = self._requests
        del requests.open[transaction]
        requests.waiting.clear()
        exchange.ended_at = now
        if requests.unconfirmed and self._behind:
            requests.invalidate_unconfirmed(ProtocolError(f"{self.name}: half a frame came behind it"))
        problem = f"{self.name}: unit {exchange.unit} did not reply within {requests.timeout:g} s"
        exchange.error = self._diagnosis.timed_out(exchange, problem) or ReplyTimeoutError(problem)
        self._stats.timeouts += 1
        self.record.timed_out()
        self._after_timeout(transaction, exchange)

    def _after_timeout(self, transaction: int, exchange: Transaction) -> None:
        """Its reply may still come."""
        if self.record.is_doubtful or self._behind:
            self._disconnect()
        else:
            self._requests.remember(transaction, exchange)

    def _disconnect(self) -> None:
        """A new stream is safer than this one."""
        self.record.closed_by_us = True
        self.close()

    def _fail_all(self, error: QiluError) -> None:
        """The stream ended."""
        self._requests.fail(error, self._wait.now())
        self._wait.over()
