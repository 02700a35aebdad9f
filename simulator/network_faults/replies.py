"""Exceptions, silence and refusals: what a device or the gateway before it sends instead of its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from pydantic import Field

from qilu.contract.profile import TABLES_BY_FUNCTION, Table
from qilu.contract.units import Duration
from qilu.contract.validation import Problem
from qilu.modbus.errors import ExceptionCode
from qilu.modbus.framing import Frame
from qilu.modbus.functions import ADDRESSES, READ_LIMITS, Function
from qilu.modbus.pdu import exception_response
from qilu.modbus.read_functions import pack_bits
from qilu.modbus.write_functions import write_echo
from simulator.network_faults.fault import Chunk, Exchange, NetworkFault
from simulator.serving.response_hook import Responder

Address = Field(ge=0, le=65535)
Refusal = Literal["exception", "no_reply", "reset"]
_READS_OF_BITS = (Function.READ_COILS, Function.READ_DISCRETE_INPUTS)


class Exception_(NetworkFault):  # noqa: N801 - it is the fault `exception`, not an exception
    """The device replies with an exception code, of the specification or of its own."""

    fault: Literal["exception"] = "exception"
    code: int = Field(ge=1, le=255)
    function: int | None = Field(default=None, ge=1, le=127)
    """Strikes only requests with this function code."""

    def applies_to(self, exchange: Exchange) -> bool:
        return self.function in (None, exchange.request.pdu[0])

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return exception_response(request.pdu[0], self.code)


class _RefusalFault(NetworkFault):
    """The device refuses certain requests: by an exception, by no reply, or by the end of the connection."""

    behaviour: Refusal = "exception"
    code: int = Field(default=2, ge=1, le=255)
    """Of the exception."""

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return exception_response(request.pdu[0], self.code) if self.behaviour == "exception" else None

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        return [Chunk(then="reset")] if self.behaviour == "reset" else pieces


class PartialIllegal(_RefusalFault):
    """Some addresses do not exist: every block that touches one of them is refused."""

    fault: Literal["partial_illegal"] = "partial_illegal"
    address: int = Address
    last: int | None = Field(default=None, ge=0, le=65535)
    """Up to this address; by default just the one."""
    table: Table | None = None
    """By default in every table."""

    def applies_to(self, exchange: Exchange) -> bool:
        read = exchange.read
        if read is None or self.table not in (None, TABLES_BY_FUNCTION[read.function]):
            return False
        last = self.address if self.last is None else self.last
        return read.address <= last and self.address < read.address + read.quantity


class NoRead(PartialIllegal):
    """Addresses that must not be read: a device that is asked for them drops its connection or is silent."""

    fault: Literal["no_read"] = "no_read"  # type: ignore[assignment]
    behaviour: Refusal = "reset"


class BlockLimit(_RefusalFault):
    """Blocks of more than `max_addresses` addresses are refused."""

    fault: Literal["block_limit"] = "block_limit"
    max_addresses: int = Field(ge=1, le=2000)
    code: int = Field(default=3, ge=1, le=255)
    """Of the exception."""

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.read is not None and exchange.read.quantity > self.max_addresses


class NoLimits(NetworkFault):
    """A device that checks nothing: a block past the last address goes on at 0, addresses that do not exist
    read 0, and the byte count of a block that is too long has lost what does not fit into a byte.
    """

    fault: Literal["no_limits"] = "no_limits"

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.read is None and exchange.request.pdu[0] in READ_LIMITS

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        function, pdu = request.pdu[0], request.pdu.ljust(5, b"\0")
        first, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        data = b""
        for address in range(first, first + min(count, 2 * ADDRESSES)):
            part = function.to_bytes(1, "big") + (address % ADDRESSES).to_bytes(2, "big") + b"\0\1"
            reply = device(request._replace(pdu=part))
            if reply == exception_response(function, ExceptionCode.ILLEGAL_ADDRESS):
                data += bytes(1 if function in _READS_OF_BITS else 2)
                continue
            if reply is None or reply[0] != function:
                return reply
            data += reply[2:]
        if function in _READS_OF_BITS:
            data = pack_bits([byte == 1 for byte in data])
        return bytes((function, len(data) & 0xFF)) + data


class DeadUnit(NetworkFault):
    """A unit that does not reply; the serial line or gateway in front of it is busy meanwhile."""

    fault: Literal["dead_unit"] = "dead_unit"
    unit_id: int | None = Field(default=None, ge=0, le=255)
    """Strikes only requests to this unit id."""
    busy: Duration = 0.0
    """Seconds without a reply of any unit behind the port, from each request on."""

    def applies_to(self, exchange: Exchange) -> bool:
        return self.unit_id in (None, exchange.request.unit)

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        shared = exchange.shared
        shared.busy_until = max(shared.now(), shared.busy_until) + self.busy
        return None


class UnitZeroOnly(NetworkFault):
    """A device that replies to one unit id only, usually 0, whatever its settings are."""

    fault: Literal["unit_zero_only"] = "unit_zero_only"
    unit_id: int = Field(default=0, ge=0, le=255)

    def place_problems(self, unit_ids: AbstractSet[int]) -> Iterator[Problem]:
        if self.unit_id not in unit_ids:
            text = f"no device there has the unit id {self.unit_id}, so none would reply to anything"
            remedy = "give the device a TCP port of its own, or name a unit_id of that port"
            yield Problem(("unit_id",), text, remedy)

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.request.unit != self.unit_id

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return None


class ByteCount(NetworkFault):
    """A reply whose byte count is not that of the request: only the count, or with data to match."""

    fault: Literal["byte_count"] = "byte_count"
    byte_count_delta: int = Field(default=0, ge=-255, le=255)
    """Added to the byte count alone."""
    data_delta: int = Field(default=0, ge=-250, le=250)
    """So many bytes of data more or fewer, and counted."""

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.read is not None

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        reply = device(request)
        if reply is None or reply[0] != request.pdu[0]:
            return reply
        data = (
            reply[2:][: self.data_delta or None]
            if self.data_delta < 0
            else reply[2:] + bytes(self.data_delta)
        )
        return bytes((reply[0], len(data) + self.byte_count_delta & 0xFF)) + data


class WrongFunction(NetworkFault):
    """A reply of the right shape with the code of another function."""

    fault: Literal["wrong_function"] = "wrong_function"
    function: int | None = Field(default=None, ge=1, le=255)
    """By default that of the other table with values of the same size."""

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        reply = device(request)
        if reply is None:
            return None
        other = {1: 2, 2: 1, 3: 4, 4: 3}.get(reply[0], reply[0] ^ 1)
        return bytes((self.function or other,)) + reply[1:]


class WriteEcho(NetworkFault):
    """A write is carried out, and its confirmation names another address or value."""

    fault: Literal["write_echo"] = "write_echo"
    wrong: Literal["value", "address"] = "value"
    """What is wrong in it; of a multiple write the value is the count."""

    def applies_to(self, exchange: Exchange) -> bool:
        return _writes(exchange)

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        reply = device(request)
        if reply is None or reply[0] != request.pdu[0]:
            return reply
        place = 4 if self.wrong == "value" else 2
        return reply[:place] + bytes((reply[place] ^ 1,)) + reply[place + 1 :]


class WriteNotApplied(NetworkFault):
    """A write is confirmed and never carried out."""

    fault: Literal["write_not_applied"] = "write_not_applied"

    def applies_to(self, exchange: Exchange) -> bool:
        return _writes(exchange)

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return write_echo(request.pdu)


_WRITES = (
    Function.WRITE_COIL,
    Function.WRITE_REGISTER,
    Function.WRITE_COILS,
    Function.WRITE_REGISTERS,
    Function.MASK_WRITE_REGISTER,
)


def _writes(exchange: Exchange) -> bool:
    return exchange.request.pdu[0] in _WRITES
