"""What one connection works with: a request, what became of it, and the rules that its endpoint plays by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qilu.contract.errors import QiluError, UnreachableError
from qilu.modbus.errors import ProtocolError
from qilu.modbus.functions import MAX_PDU, Function
from qilu.modbus.pdu import data_size
from qilu.modbus.unit_ids import BROADCAST
from qilu.modbus_client.endpoint import Framing, SerialLine
from qilu.modbus_client.local_echo import EchoSetting

QUIET_TIME_S = 0.01
"""Seconds between a reply and the next request where ids are ignored: what else comes is read and dropped."""

TURNAROUND_S = 0.1
"""Seconds that the devices of a serial line get to carry out a broadcast.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.4.1.
"""

_WRITES = frozenset(
    (
        Function.WRITE_COIL.value,
        Function.WRITE_REGISTER.value,
        Function.WRITE_COILS.value,
        Function.WRITE_REGISTERS.value,
        Function.MASK_WRITE_REGISTER.value,
    )
)
_ECHOED = _WRITES | {Function.DIAGNOSTICS.value}  # whose reply is no longer than the request
READS = frozenset(
    (
        Function.READ_COILS.value,
        Function.READ_DISCRETE_INPUTS.value,
        Function.READ_HOLDING_REGISTERS.value,
        Function.READ_INPUT_REGISTERS.value,
    )
)
"""What can be asked again without harm."""
_RTU_FRAMED = 3  # bytes around a PDU: unit id, CRC
_ASCII_FRAMED = 3  # characters of start and end; each other byte is two, and the LRC is one byte shorter
_LONGEST_REPLY = 256


class ReplyTimeoutError(UnreachableError):
    """The unit did not answer in time; the connection is sound."""


class UnusableReplyError(ReplyTimeoutError):
    """Bytes came in time, and none of them was a reply to the request."""

    quirks: Mapping[str, object] = ProtocolError.quirks


class ConnectionLostError(UnreachableError):
    """The connection ended before the reply came, or broke in the middle of it."""


class Transaction:
    """One request and what became of it: `data` of the reply or `error`; neither when it was
    not sent. On a line without transaction ids, `error` may be that of the loopback sent in its place.

    `asked_at`, `ended_at` and `deadline` are seconds of the loop's clock. `withheld_reply` is a reply that
    may be that to an earlier request; `ended_at` is then when it came.
    """

    __slots__ = ("asked_at", "data", "deadline", "ended_at", "error", "request", "unit", "withheld_reply")

    def __init__(self, unit: int, request: bytes) -> None:
        self.unit = unit
        self.request = request
        self.asked_at = 0.0
        self.ended_at = 0.0
        self.deadline = 0.0
        self.data: bytes | None = None
        self.error: QiluError | None = None
        self.withheld_reply: bytes | None = None


LateReply = Callable[[int, float], None]
"""Told of a reply to a request that had been given up: the unit, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How the far side is talked to, and what it is forgiven (`Quirks`)."""

    framing: Framing = "tcp"
    max_in_flight: int = 1
    ignore_transaction_id: bool = False
    accepted_unit_ids: frozenset[int] = frozenset()
    serial: SerialLine | None = None
    local_echo: EchoSetting = "auto"
    lenient: bool = False
    """Whether one byte too many in a reply, or in its header, and another function in an exception pass."""
    max_pdu: int = MAX_PDU
    """Bytes of the longest reply PDU; more than the standard has only over TCP."""

    @property
    def has_transaction_ids(self) -> bool:
        """Whether a reply says which request it answers."""
        return self.framing == "tcp" and not self.ignore_transaction_id

    @property
    def min_gap(self) -> float:
        """Seconds of silence that every request needs before it."""
        if self.serial is not None:
            return self.serial.frame_gap
        return QUIET_TIME_S if self.ignore_transaction_id else 0.0

    def is_broadcast(self, exchange: Transaction) -> bool:
        """Whether nobody answers it: a broadcast, which exists on serial lines only."""
        return self.framing != "tcp" and exchange.unit == BROADCAST and exchange.request[0] in _WRITES

    def wire_time(self, request: bytes) -> float:
        """Seconds that the bytes of this request and of its reply take, at most."""
        if self.serial is None:
            return 0.0
        size = data_size(request)
        if size is not None:
            reply = 2 + size + _RTU_FRAMED
        else:
            reply = len(request) + _RTU_FRAMED if request[0] in _ECHOED else _LONGEST_REPLY
        size = len(request) + _RTU_FRAMED + reply
        if self.framing == "ascii":
            size = 2 * (size - 2) + 2 * _ASCII_FRAMED
        return size * self.serial.character
