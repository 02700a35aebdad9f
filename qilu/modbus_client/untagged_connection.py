"""A connection whose replies do not say which request they answer: RTU, and servers with ids of their own."""

from __future__ import annotations

from qilu.contract.errors import QiluError
from qilu.modbus.diagnostics import loopback_request
from qilu.modbus.framing import Frame
from qilu.modbus.functions import READ_LIMITS
from qilu.modbus.pdu import EXCEPTION
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.late_reply_guard import LateReplyGuard
from qilu.modbus_client.transaction import ConnectionLostError, ReplyTimeoutError, Transaction

LOOPBACK = loopback_request(0x51)
"""What settles whether a late reply may still come: its own reply is like none to a read."""
TURNAROUND_S = 0.1
"""Seconds that the devices of a serial line get to carry out a broadcast.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.4.1.
"""


class LoopbackTransaction(Transaction):
    """A loopback request, sent before a request of the same unit."""

    __slots__ = ("_guard", "_waits")

    def __init__(self, waits: Transaction, guard: LateReplyGuard) -> None:
        super().__init__(waits.unit, LOOPBACK)
        self._waits = waits
        self._guard = guard

    def fail(self, error: QiluError, now: float) -> None:
        """The request that waits fails with it. A device may end the connection because of the loopback."""
        if isinstance(error, ConnectionLostError):
            error = ReplyTimeoutError(f"no reply to a loopback request: {error}")
        self._guard.loopback_timed_out(self.unit, self.asked_at, now)
        self._waits.asked_at = self.asked_at
        self._waits.fail(error, now)


class UntaggedConnection(Connection):
    """One request at a time. In place of a transaction id, a silence (`min_gap`) and a loopback request after
    each missing reply (`LateReplyGuard`) match replies to requests."""

    def data_received(self, data: bytes) -> None:
        if self._options.serial is not None:  # a frame, or noise, ends with a silence
            self._wait.busy_until = self._wait.now() + self._options.min_gap
        super().data_received(data)

    def _advance(self, now: float) -> None:
        requests = self._requests
        if requests.waiting and not requests.open:
            first = requests.waiting[0]
            if first.request is not LOOPBACK and self.endpoint.guard.needs_loopback(first.unit):
                requests.waiting.appendleft(LoopbackTransaction(first, self.endpoint.guard))
        super()._advance(now)

    def _not_before(self, unit: int) -> float:
        """After the gap, and with a reply overdue when it has come."""
        wait = self._wait
        # A line that is never silent must not keep us silent for ever.
        frame_gap = min(wait.busy_until, wait.started_at + self._requests.timeout)
        return max(wait.quiet_until, frame_gap, self.endpoint.guard.until(unit))

    def _send(self, transaction: Transaction, now: float) -> None:
        options = self._options
        if options.framing != "tcp":
            self._requests.timed_out.clear()
            self._requests.behind = 0
            self._framer.reset()
            self._framer.expect(transaction.unit, transaction.request)
            self.endpoint.echo.sent(transaction.request)
        super()._send(transaction, now)
        if options.is_broadcast(transaction.unit, transaction.request):
            # No device replies; all get the time to carry it out.
            self._requests.open.clear()
            transaction.ended_at, transaction.data = now, b""
            self._wait.quiet_until = now + options.wire_time(transaction.request) + TURNAROUND_S

    def _received(self, frame: Frame) -> None:
        transaction = next(iter(self._requests.open.values()), None)
        if transaction is None or not self._is_from(frame.unit, transaction):
            self._unexpected(frame)
            return
        if self.endpoint.echo.is_copy(frame.pdu):
            self._diagnosis.last_bytes = b""
            return
        self.record.last_reply_at = now = self._wait.now()
        if transaction.request is LOOPBACK or _is_loopback(frame.pdu):
            self._on_loopback(transaction, frame.pdu, now)
        elif transaction.withheld_reply is not None:
            self._on_duplicate_reply(transaction, frame.pdu, now)
        else:
            transaction.ended_at = now
            took = now - transaction.asked_at
            if hold := self.endpoint.guard.withhold_time(transaction.unit, took, self._requests.timeout):
                transaction.withheld_reply = frame.pdu
                self._set_deadline(transaction, now + hold)
            else:
                self._accept(transaction, frame.pdu, now)

    def _on_loopback(self, transaction: Transaction, pdu: bytes, now: float) -> None:
        """The request, the reply, or both are those of a loopback."""
        if transaction.request is not LOOPBACK:
            # The reply to an earlier one: what came before it answers something that was asked before it.
            self.endpoint.guard.late_loopback(transaction.unit)
            transaction.withheld_reply = None
            wire_time = self._options.wire_time(transaction.request)
            self._set_deadline(transaction, transaction.asked_at + self._requests.timeout + wire_time)
        elif _is_loopback(pdu):
            self.endpoint.guard.loopback_replied(transaction.unit)
            transaction.ended_at = now
            self._accept(transaction, pdu, now)
            return
        self._stats.late_replies += 1

    def _on_duplicate_reply(self, transaction: Transaction, pdu: bytes, now: float) -> None:
        """One of them is late. Which one, nobody can tell: it is asked again, where that does no harm."""
        self.endpoint.guard.late_reply_arrived(transaction.unit)
        self._stats.late_replies += 1
        if pdu == transaction.withheld_reply or transaction.request[0] not in READ_LIMITS:
            self._accept(transaction, pdu, now)
            return
        self._requests.open.clear()
        transaction.withheld_reply = None
        self._requests.waiting.appendleft(transaction)
        self._advance(now)

    def _set_deadline(self, transaction: Transaction, deadline: float) -> None:
        transaction.deadline = deadline
        self._wait.wake(deadline)

    def _unexpected(self, frame: Frame) -> None:
        timed_out = self._requests.timed_out.get(frame.transaction)
        if _is_loopback(frame.pdu):
            self._stats.late_replies += 1
            if timed_out is not None and timed_out.request is LOOPBACK:
                self.endpoint.guard.loopback_replied(frame.unit)
            else:
                self.endpoint.guard.late_loopback(frame.unit)
            return
        if timed_out is not None and timed_out.unit == frame.unit:
            self.endpoint.guard.late_reply_arrived(frame.unit)
            if self._requests.waiting:
                self._wait.wake(0.0)
        super()._unexpected(frame)

    def _expire(self, transaction: Transaction, now: float) -> None:
        if transaction.withheld_reply is not None:  # nothing came after it
            self.endpoint.guard.clear(transaction.unit)
            self._accept(transaction, transaction.withheld_reply, now)
            return
        super()._expire(transaction, now)
        if transaction.request is not LOOPBACK:
            self.endpoint.guard.request_timed_out(transaction.unit, transaction.asked_at, now)

    def _after_timeout(self, transaction: Transaction) -> None:
        if self._options.serial is not None:  # is no stream: opening it anew changes nothing on the line
            transaction.id = 0  # which its reply would have
            self._requests.remember(transaction)
        else:
            self._disconnect()


def _is_loopback(pdu: bytes) -> bool:
    return pdu[0] & ~EXCEPTION == LOOPBACK[0]
