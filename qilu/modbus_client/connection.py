"""One connection to one endpoint: requests go out in order, replies are matched to them or discarded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Literal, cast

from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import FrameError, ModbusError, ProtocolError
from qilu.modbus.framing import ClientFramer, Frame
from qilu.modbus.pdu import response_data, without_padding
from qilu.modbus.rtu import RtuClientFramer
from qilu.modbus.tcp import TcpFramer
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.open_requests import OpenRequests
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.read_wait import ReadWait
from qilu.modbus_client.reconnect_policy import ConnectionRecord
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import ConnectionLostError, LateReply, ReplyTimeoutError, Transaction
from qilu.modbus_client.unusable_reply import ReplyDiagnosis
from qilu.runtime.timers import Timers

_log = logging.getLogger(__name__)

_RECEIVE = 2048  # bytes taken in one go: several of the longest frames

Direction = Literal["sent", "received"]
Trace = Callable[[Direction, bytes], object]
"""Is shown the bytes of a connection, in the pieces in which they are written or read."""


class Connection(asyncio.BufferedProtocol):
    """Works in the loop's callbacks, so that one wake-up of a task serves a whole read.

    A reply counts only with the transaction id, protocol id, unit id, function and byte count of its request.
    Where there is no transaction id, or a wrong one, it is `UntaggedConnection`.
    """

    def __init__(
        self,
        options: ClientOptions,
        stats: ClientStats,
        late: LateReply,
        endpoint: EndpointState,
        timers: Timers | None = None,
    ) -> None:
        """`endpoint`: shared by its connections, one after another; `timers`: by the whole process."""
        self.record = ConnectionRecord()
        self.endpoint = endpoint
        self.trace: Trace | None = None
        self._options = options
        self._stats = stats
        self._late = late
        self._framer = _framer(options)
        self._received_into = memoryview(bytearray(_RECEIVE))
        self._transport: asyncio.Transport | None = None
        self._requests = OpenRequests(endpoint.ids, options.max_open)
        self._wait = ReadWait(timers or Timers(), options.min_gap, self._on_timer)
        self._diagnosis = ReplyDiagnosis(options)

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def read(self, transactions: Sequence[Transaction], timeout: float, gap: float) -> None:
        """Send these in order and return when each is answered; `timeout`: seconds to wait for each reply.

        After an UnreachableError (no reply, connection lost, busy) no further one is sent. `gap`: seconds of
        silence between a reply, to whoever asked before too, and a request of these, and after the last
        reply. Errors are left in the transactions; nothing is raised.
        """
        requests, wait = self._requests, self._wait
        requests.waiting.extend(transactions)
        requests.timeout = timeout
        self._diagnosis.rejected_frames = 0
        done = wait.start(gap, self.record.last_reply_at)
        self._advance(wait.started_at)
        try:
            await done
        finally:
            wait.end()
            requests.unconfirmed.clear()
            if requests.drop():
                self.close()

    async def request(self, unit: int, request: bytes, timeout: float, gap: float = 0.0) -> bytes:
        """The data of the reply to one request (`response_data`), or raises what went wrong.

        It is sent once at most, whatever becomes of it: of a write nobody else knows whether it was done.
        """
        transaction = Transaction(unit, request)
        await self.read((transaction,), timeout, gap)
        if transaction.data is not None:
            return transaction.data
        raise transaction.error or ConnectionLostError(f"{self._options.url}: not sent")

    def close(self) -> None:
        """Hang up; what is open fails at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.record.connected_at = self._wait.now()

    # For a plain Protocol asyncio allocates 256 kB per chunk, which costs more than all that follows.
    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - its name is asyncio's
        return self._received_into

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._received_into[:nbytes]))

    def data_received(self, data: bytes) -> None:
        framer, requests = self._framer, self._requests
        if self.trace is not None:
            self.trace("received", data)
        self._diagnosis.last_bytes = data
        framer.feed(data)
        try:
            while (frame := framer.next_frame()) is not None:
                requests.behind = behind = framer.buffered
                self._received(frame)
                if not behind:
                    requests.unconfirmed.clear()
                    return
        except FrameError as error:
            self._stats.broken_streams += 1
            self.record.problem = str(error)
            self._fail_all(ProtocolError(str(error)))
            requests.invalidate_unconfirmed(ProtocolError(str(error)))
            self.close()
        requests.behind = framer.buffered

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail_all(
            ConnectionLostError(f"{self._options.url}: connection lost: {exc or 'closed by the far side'}")
        )

    # Steps of a read.

    def _advance(self, now: float) -> None:
        """Send what may be sent now, or end the read when nothing is left to wait for."""
        requests, transport = self._requests, self._transport
        waiting = requests.waiting
        if waiting and (transport is None or transport.is_closing()):
            self._fail_all(ConnectionLostError(f"{self._options.url}: not connected"))
        while waiting and len(requests.open) < requests.limit:
            not_before = self._not_before(waiting[0].unit)
            if now < not_before:
                self._wait.wake(not_before)
                return
            self._send(waiting.popleft(), now)
        if not requests.open:
            self._wait.over()

    def _not_before(self, unit: int) -> float:  # noqa: ARG002 - where replies have no numbers it matters
        """When the next request may be sent."""
        return self._wait.quiet_until

    def _send(self, transaction: Transaction, now: float) -> None:
        requests, wait = self._requests, self._wait
        transaction.id = requests.ids.next()
        transaction.asked_at = now
        deadline = now + requests.timeout + self._options.wire_time(transaction.request)
        transaction.deadline = deadline
        requests.open[transaction.id] = transaction
        if requests.behind and len(requests.open) == 1:
            # The reply would be taken for its rest, or its rest for the reply.
            self._fail_all(ConnectionLostError(f"{self._options.url}: half a frame came unasked"))
            self._disconnect()
            return
        self._stats.requests += 1
        self._diagnosis.last_bytes = b""
        frame = self._framer.encode(transaction.id, transaction.unit, transaction.request)
        if self.trace is not None:
            self.trace("sent", frame)
        self._transport.write(frame)  # type: ignore[union-attr]
        if deadline < wait.wakes_at:
            wait.wake(deadline)

    def _received(self, frame: Frame) -> None:
        transaction = self._requests.open.get(frame.transaction)
        if transaction is None or not self._is_from(frame.unit, transaction):
            self._unexpected(frame)
            return
        transaction.ended_at = now = self._wait.now()
        self._accept(transaction, frame.pdu, now)

    def _is_from(self, unit: int, transaction: Transaction) -> bool:
        return unit == transaction.unit or unit in self._options.accepted_unit_ids

    def _accept(self, transaction: Transaction, pdu: bytes, now: float) -> None:
        """This is the reply to that request; it came at `now`."""
        requests = self._requests
        del requests.open[transaction.id]
        self.record.replied(now)
        self._stats.replies += 1
        if self._options.lenient:
            pdu = without_padding(transaction.request, pdu)
        try:
            transaction.data = response_data(transaction.request, pdu)
        except ProtocolError as error:
            self._stats.rejected_replies += 1
            transaction.error = self._diagnosis.wrong_response(transaction.request, pdu, str(error))
            _log.debug("%s: unit %d: %s", self._options.url, transaction.unit, transaction.error)
        except ModbusError as error:
            self._stats.exceptions += 1
            transaction.error = error
            if isinstance(error, UnreachableError):
                requests.waiting.clear()
        if requests.behind:
            requests.unconfirmed.append(transaction)
        if self._wait.gap:
            self._wait.quiet_until = now + self._wait.gap
        self._advance(now)

    def _unexpected(self, frame: Frame) -> None:
        """Nothing that is open has this reply."""
        timed_out = self._requests.timed_out.get(frame.transaction)
        if timed_out is not None and timed_out.unit == frame.unit:
            now = self._wait.now()
            del self._requests.timed_out[frame.transaction]
            self._stats.late_replies += 1
            self.record.replied(now, late=True)
            self._diagnosis.last_bytes = b""
            self._late(frame.unit, now - timed_out.asked_at)
            return
        self._stats.rejected_replies += 1
        self._diagnosis.rejected_frames += 1
        self._requests.ids.avoid(frame.transaction)
        _log.debug(
            "%s: rejected a reply of unit %d, transaction %d",
            self._options.url,
            frame.unit,
            frame.transaction,
        )

    def _on_timer(self) -> None:
        now = self._wait.now()
        for transaction in list(self._requests.open.values()):
            if transaction.deadline > now:
                self._wait.wake(transaction.deadline)
                break
            self._expire(transaction, now)
        self._advance(now)

    def _expire(self, transaction: Transaction, now: float) -> None:
        """The deadline of this request has passed."""
        requests = self._requests
        del requests.open[transaction.id]
        requests.waiting.clear()
        if requests.unconfirmed and requests.behind:
            requests.invalidate_unconfirmed(
                ProtocolError(f"{self._options.url}: half a frame came behind it")
            )
        problem = f"{self._options.url}: unit {transaction.unit} did not reply within {requests.timeout:g} s"
        error = self._diagnosis.timed_out(transaction, problem) or ReplyTimeoutError(problem)
        transaction.fail(error, now)
        self._stats.timeouts += 1
        self.record.consecutive_timeouts += 1
        self._after_timeout(transaction)

    def _after_timeout(self, transaction: Transaction) -> None:
        """Its reply may still come."""
        if self.record.is_doubtful or self._requests.behind:
            self._disconnect()
        else:
            self._requests.remember(transaction)

    def _disconnect(self) -> None:
        """A new stream is safer than this one."""
        self.record.closed_by_us = True
        self.close()

    def _fail_all(self, error: QiluError) -> None:
        """The stream ended."""
        self._requests.fail(error, self._wait.now())
        self._wait.over()


def _framer(options: ClientOptions) -> ClientFramer:
    match options.framing:
        case "tcp":
            return TcpFramer(lenient=options.lenient, max_pdu=options.max_pdu)
        case "rtu":
            return RtuClientFramer(options.accepted_unit_ids, echoes=True)
        case "ascii":
            from qilu.modbus_client.ascii_framing import AsciiFramer

            return AsciiFramer()
