"""A connection whose replies do not say which request they answer: RTU, and servers with ids of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qilu.contract.errors import QiluError
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import EXCEPTION, Function, loopback_request, read_request
from qilu.modbus.rtu import RtuClientFramer
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import (
    READS,
    TURNAROUND_S,
    LateReply,
    LinkOptions,
    ReplyTimeoutError,
    Transaction,
)
from qilu.runtime.timers import Timers

if TYPE_CHECKING:
    from qilu.modbus_client.ascii_framing import AsciiFramer

LOOPBACK = loopback_request(0x51)
"""What settles whether a late reply may still come: its own reply is like none to a read."""
ECHO_TEST = read_request(Function.READ_HOLDING_REGISTERS, 0, 1)
"""What settles whether the line has a local echo, before a request that its reply equals."""


class UntaggedConnection(Connection):
    """One request at a time; what a number would tell is made up for by silence (`min_gap`), and by an echo
    after each reply that did not come (`LateReplyGuard`)."""

    def __init__(
        self,
        name: str,
        rules: LinkOptions,
        stats: ClientStats,
        late: LateReply,
        endpoint: EndpointState,
        alarms: Timers | None = None,
    ) -> None:
        super().__init__(name, rules, stats, late, endpoint, alarms)
        self._requests.limit = 1
        self._serial_framer = _serial_framer(rules)
        if self._serial_framer is not None:
            self._framer = self._serial_framer
        self._overdue = endpoint.overdue
        self._echo = endpoint.echo
        self._abandoned: Transaction | None = None  # given up last, whose reply would be recognised
        self._started_at = self._line_busy_until = 0.0

    async def read(self, exchanges: Sequence[Transaction], timeout: float, gap: float) -> None:
        self._started_at = self._wait.now()
        await super().read(exchanges, timeout, gap)

    def data_received(self, data: bytes) -> None:
        if self._rules.serial is not None:  # a frame, or noise, ends with a silence
            self._line_busy_until = self._wait.now() + self._rules.min_gap
        super().data_received(data)

    def _advance(self, now: float) -> None:
        waiting = self._requests.waiting
        if waiting and not self._requests.open and waiting[0].request is not LOOPBACK:
            unit = waiting[0].unit
            if self._overdue.needs_loopback(unit):
                waiting.appendleft(Transaction(unit, LOOPBACK))
            elif self._must_test_echo(waiting[0]):
                waiting.appendleft(Transaction(unit, ECHO_TEST))
        super()._advance(now)

    def _not_before(self, unit: int) -> float:
        """After the gap, and with a reply overdue when it has come."""
        # A line that is never silent must not keep us silent for ever.
        frame_gap = min(self._line_busy_until, self._started_at + self._requests.timeout)
        return max(self._wait.quiet_until, frame_gap, self._overdue.until(unit))

    def _send(self, exchange: Transaction, now: float) -> None:
        rules = self._rules
        if self._serial_framer is not None:
            self._abandoned = None
            self._serial_framer.reset()
            self._behind = 0
            self._serial_framer.expect(exchange.unit, exchange.request)
            self._echo.sent(exchange.request)
        super()._send(exchange, now)
        if rules.is_broadcast(exchange):
            self._broadcast(exchange, now)
        elif rules.serial is not None:
            exchange.deadline += rules.wire_time(exchange.request)
            self._set_timer(exchange.deadline)

    def _must_test_echo(self, exchange: Transaction) -> bool:
        return (
            self._serial_framer is not None
            and self._echo.must_test(exchange.request)
            and not self._rules.is_broadcast(exchange)
        )

    def _set_timer(self, deadline: float) -> None:
        """On a serial line one may be set for a longer request that came before, and be too late."""
        self._wait.set_deadline(deadline, self._on_timer)

    def _broadcast(self, exchange: Transaction, now: float) -> None:
        """Nobody answers; all get the time to carry it out."""
        self._requests.open.clear()
        exchange.ended_at, exchange.data = now, b""
        self._wait.sent_broadcast(now + self._rules.wire_time(exchange.request) + TURNAROUND_S)

    def _received(self, frame: Frame) -> None:
        transaction, exchange = next(iter(self._requests.open.items()), (0, None))
        if exchange is None or (
            exchange.unit != frame.unit and frame.unit not in self._rules.accepted_unit_ids
        ):
            self._unexpected(frame, self._abandoned)
            return
        if self._serial_framer is not None and self._echo.is_copy(frame.pdu):
            self._diagnosis.last_bytes = b""
            return
        now = self._wait.now()
        self.record.last_reply_at = now
        if exchange.request is LOOPBACK:
            self._echoed(transaction, exchange, frame.pdu, now)
            return
        if _is_echo(frame.pdu):  # whatever came before it answers something that was asked before it
            self._stats.late_replies += 1
            self._overdue.late_loopback(exchange.unit)
            exchange.withheld_reply = None
            exchange.deadline = (
                exchange.asked_at + self._requests.timeout + self._rules.wire_time(exchange.request)
            )
            self._set_timer(exchange.deadline)
            return
        if exchange.withheld_reply is not None:
            self._on_duplicate_reply(transaction, exchange, frame.pdu, now)
            return
        exchange.ended_at = now
        if hold := self._overdue.withhold_time(
            exchange.unit, now - exchange.asked_at, self._requests.timeout
        ):
            exchange.withheld_reply = frame.pdu
            exchange.deadline = now + hold
            self._set_timer(exchange.deadline)
        else:
            self._accept(transaction, exchange, frame.pdu, now)

    def _echoed(self, transaction: int, exchange: Transaction, pdu: bytes, now: float) -> None:
        if not _is_echo(pdu):
            self._stats.late_replies += 1
            return
        self._overdue.loopback_replied(exchange.unit)
        exchange.ended_at = now
        self._accept(transaction, exchange, pdu, now)

    def _on_duplicate_reply(self, transaction: int, exchange: Transaction, pdu: bytes, now: float) -> None:
        """One of them is late. Which one, nobody can tell: it is asked again, where that does no harm."""
        self._overdue.late_reply_arrived(exchange.unit)
        self._stats.late_replies += 1
        if pdu == exchange.withheld_reply or exchange.request[0] not in READS:
            self._accept(transaction, exchange, pdu, now)
            return
        self._requests.open.clear()
        exchange.withheld_reply = None
        self._requests.waiting.appendleft(exchange)
        self._advance(now)

    def _unexpected(self, frame: Frame, timed_out: Transaction | None) -> None:
        if _is_echo(frame.pdu):
            self._stats.late_replies += 1
            if timed_out is not None and timed_out.request is LOOPBACK:
                self._overdue.loopback_replied(frame.unit)
            else:
                self._overdue.late_loopback(frame.unit)
            return
        if timed_out is not None and timed_out.unit == frame.unit:
            self._abandoned = None
            self._overdue.late_reply_arrived(frame.unit)
            self._wait.end_pause(self._pause_over)
        super()._unexpected(frame, timed_out)

    def _expire(self, transaction: int, exchange: Transaction, now: float) -> None:
        if exchange.withheld_reply is not None:  # nothing came after it
            self._overdue.clear(exchange.unit)
            self._accept(transaction, exchange, exchange.withheld_reply, now)
            return
        waits = self._requests.waiting[0] if self._requests.waiting else exchange
        super()._expire(transaction, exchange, now)
        if exchange.request is LOOPBACK:
            self._no_echo(exchange, waits, now, exchange.error)
            return
        self._overdue.request_timed_out(exchange.unit, exchange.asked_at, now)
        if exchange.request is ECHO_TEST:
            waits.asked_at, waits.ended_at, waits.error = exchange.asked_at, now, exchange.error

    def _fail_all(self, error: QiluError) -> None:
        """A device may end the connection because of the echo: what waits for that was not asked for."""
        waiting = self._requests.waiting
        for exchange in self._requests.open.values():
            if exchange.request is LOOPBACK and waiting:
                self._no_echo(exchange, waiting[0], self._wait.now(), ReplyTimeoutError(f"no echo: {error}"))
        super()._fail_all(error)

    def _no_echo(self, echo: Transaction, waits: Transaction, now: float, error: QiluError | None) -> None:
        self._overdue.loopback_timed_out(echo.unit, echo.asked_at, now)
        waits.asked_at, waits.ended_at, waits.error = echo.asked_at, now, error

    def _after_timeout(self, transaction: int, exchange: Transaction) -> None:  # noqa: ARG002 - it has no number
        if self._rules.serial is not None:  # is no stream: opening it anew changes nothing on the line
            self._abandoned = exchange
        else:
            self._disconnect()


def _serial_framer(rules: LinkOptions) -> RtuClientFramer | AsciiFramer | None:
    """The framer of replies without a transaction id; None for Modbus TCP."""
    match rules.framing:
        case "rtu":
            return RtuClientFramer(rules.accepted_unit_ids, echoes=True)
        case "ascii":
            from qilu.modbus_client.ascii_framing import AsciiFramer

            return AsciiFramer()
        case "tcp":
            return None


def _is_echo(pdu: bytes) -> bool:
    return pdu[0] & ~EXCEPTION == LOOPBACK[0]
