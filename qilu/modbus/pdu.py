"""One request and its response, whatever the function: what the client and the server call.

Client: `read_request(...)` or `Write...(...).encode()` once, `response_data(request, response)` per answer.
Server: `parse_request(pdu)`, then `read_response`, `write_echo`, `identity_response` or `exception_response`.
A PDU is the function code and its data, without unit id, transaction id or checksum: those are framing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeAlias

from qilu.modbus.device_identification import Identity, ReadIdentity, parse_identity
from qilu.modbus.diagnostics import Loopback, ReportServerId
from qilu.modbus.errors import IllegalFunction, ProtocolError, exception_reply
from qilu.modbus.functions import READ_LIMITS, Function
from qilu.modbus.read_functions import Read
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    write_echo,
)

Request: TypeAlias = (
    Read
    | WriteCoil
    | WriteRegister
    | WriteCoils
    | WriteRegisters
    | MaskWrite
    | ReadWrite
    | ReadIdentity
    | Loopback
    | ReportServerId
)

EXCEPTION = 0x80  # added to the function code of an exception response

_PARSE: dict[int, Callable[[bytes], Request]] = {
    **dict.fromkeys(READ_LIMITS, Read.parse),
    Function.WRITE_COIL.value: WriteCoil.parse,
    Function.WRITE_REGISTER.value: WriteRegister.parse,
    Function.WRITE_COILS.value: WriteCoils.parse,
    Function.WRITE_REGISTERS.value: WriteRegisters.parse,
    Function.MASK_WRITE_REGISTER.value: MaskWrite.parse,
    Function.READ_WRITE_REGISTERS.value: ReadWrite.parse,
    Function.READ_IDENTITY.value: ReadIdentity.parse,
    Function.DIAGNOSTICS.value: Loopback.parse,
    Function.REPORT_SERVER_ID.value: ReportServerId.parse,
}
# plain ints: an enum member costs a lookup on the hot path
_READ_BITS = (1, 2)
_READ_REGISTERS = (3, 4, 23)
_IDENTITY = Function.READ_IDENTITY.value


def read_request(function: int, address: int, count: int, limit: int = 0) -> bytes:
    """The request PDU of functions 1 to 4; InvalidRequest past the limits of the specification, or past
    `limit` where a device allows more."""
    return Read(function, address, count).encode(limit)


class WideRead(bytes):
    """A read request to a device whose addresses hold more than a register: `size` bytes are its data."""

    size: int


def wide_read_request(function: int, address: int, size: int) -> WideRead:
    """The request PDU for one address of functions 3 and 4 that is answered with `size` bytes."""
    request = WideRead(read_request(function, address, 1))
    request.size = size
    return request


def parse_request(pdu: bytes) -> Request:
    """What a client asks; raises the ExceptionReply to answer with where it may not be asked."""
    parse = _PARSE.get(pdu[0]) if pdu else None
    if parse is None:
        raise IllegalFunction(f"function {pdu[0]}" if pdu else "no function")
    return parse(pdu)


def exception_response(function: int, code: int) -> bytes:
    return bytes((function | EXCEPTION, code))


def response_data(request: bytes, response: bytes) -> bytes:
    """What the response to `request` (a PDU that we encoded) carries, after every check.

    Reads (1 to 4, 23): the bytes as they travelled, 2 per register, 8 bits per byte. Writes and echoes: b"".
    Identity (43/14): the whole response, for `response_identity`. Of more than 255 bytes the byte count
    has the lowest eight bits, so that only the length of the frame shows whether all are there.
    Raises the device's ExceptionReply (or UnknownExceptionReply), or ProtocolError where it does not answer.
    """
    size = data_size(request)
    if size is None:
        return _identified(request, response) if request[0] == _IDENTITY else _confirmed(request, response)
    if len(response) == size + 2 and response[0] == request[0] and response[1] == size & 0xFF:
        return response[2:]
    return _refuse(request, response, f"{size} bytes of data")


def reply_size(response: bytes) -> int | None:
    """Bytes of a response to a read, or of an exception, by its own content; None of any other."""
    if not response or response[0] < EXCEPTION:
        counted = len(response) > 1 and response[0] in (*_READ_BITS, *_READ_REGISTERS)
        return 2 + response[1] if counted else None
    return 2


def without_padding(request: bytes, response: bytes) -> bytes:
    """The response without one byte too many at its end, and an exception with the function of its request:
    only where something else (a transaction id) shows to which request it belongs."""
    size = reply_size(response)
    if size is None or len(response) - size not in (0, 1):
        return response
    return bytes((request[0] | EXCEPTION, response[1])) if response[0] >= EXCEPTION else response[:size]


def data_size(request: bytes) -> int | None:
    """How many bytes the response to a read (1 to 4, 23) has to carry; None where the request is no read."""
    function = request[0]
    if function in _READ_REGISTERS:
        if isinstance(request, WideRead):
            return request.size
        return 2 * (request[3] << 8 | request[4])
    if function in _READ_BITS:
        return ((request[3] << 8 | request[4]) + 7) // 8
    return None


def response_identity(request: ReadIdentity, response: bytes) -> Identity:
    """The identity objects of a response, after every check; raises as `response_data` does."""
    if not response or response[0] != _IDENTITY:
        _refuse(request.encode(), response, "identity objects")
    return parse_identity(request, response)


def _identified(request: bytes, response: bytes) -> bytes:
    response_identity(ReadIdentity.parse(request), response)
    return response


def _confirmed(request: bytes, response: bytes) -> bytes:
    if response != write_echo(request):
        _refuse(request, response, "an echo of what was sent")
    return b""


def _refuse(request: bytes, response: bytes, expected: str) -> NoReturn:
    function = request[0]
    asked = (
        f"function {function}"
        if function == _IDENTITY
        else f"function {function} at {request[1] << 8 | request[2]}"
    )
    if len(response) == 2 and response[0] == function | EXCEPTION:
        raise exception_reply(response[1], asked)
    raise ProtocolError(f"{asked} expects {expected}, got {_shown(response)}")


def _shown(response: bytes) -> str:
    head = response[:8].hex(" ")
    return f"{len(response)} bytes ({head}{' ...' if len(response) > 8 else ''})" if response else "nothing"
