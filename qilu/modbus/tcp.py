"""Modbus TCP framing: the MBAP header (transaction id, protocol id 0, length, unit id) and a PDU.

Requests and responses are framed alike.
Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3.
"""

from __future__ import annotations

from struct import Struct
from typing import NoReturn

from qilu.modbus.errors import FrameError
from qilu.modbus.framing import Frame
from qilu.modbus.functions import MAX_PDU, READ_LIMITS
from qilu.modbus.pdu import EXCEPTION, reply_size

_HEADER = Struct(">HHHB")
_pack, _unpack, _HEADER_SIZE = _HEADER.pack, _HEADER.unpack_from, _HEADER.size
_COUNTED = 6  # the header bytes before those that its length field counts
_MIN_LENGTH = 2  # unit id and function
MAX_FRAME = _COUNTED + 1 + MAX_PDU


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return _pack(transaction, 0, len(pdu) + 1, unit) + pdu


class TcpFramer:
    """Nothing in a stream marks where a frame begins, so after a FrameError every call raises it again."""

    __slots__ = ("_at", "_broken", "_buffer", "_lenient", "_max_length", "_owed")

    def __init__(self, *, lenient: bool = False, max_pdu: int = MAX_PDU) -> None:
        """`lenient`: a reply whose header announces one byte more than came is a frame (`reply_size`).
        `max_pdu`: bytes of the longest PDU; beyond the standard only for devices with longer replies."""
        self._max_length = max_pdu + 1
        self._lenient = lenient
        self._owed = False  # whether the byte may still come that the last header announced too many
        self._buffer = b""
        self._at = 0  # where the next frame begins in the buffer
        self._broken: str | None = None

    encode = staticmethod(tcp_frame)

    @property
    def buffered(self) -> int:
        return len(self._buffer) - self._at

    def reset(self) -> None:
        self._buffer, self._at, self._broken, self._owed = b"", 0, None, False

    def expect(self, unit: int, request: bytes) -> None:
        """Nothing: the header has the length of its frame."""

    def feed(self, data: bytes) -> None:
        if self._owed:
            self._owed = False
            if data[2:5] != bytes(3):  # no header: it is the byte
                data = data[1:]
        if self._broken is None:
            rest = self._buffer[self._at :]
            if rest and _starts_with_reply(data):
                self._buffer, self._at = b"", 0
                self._broken = f"a frame with {len(rest)} bytes that another frame follows is cut short"
                return
            self._buffer = rest + data if rest else data
            self._at = 0

    def next_frame(self) -> Frame | None:
        buffer, start = self._buffer, self._at
        size = len(buffer)
        if size - start < _HEADER_SIZE:
            if size > start or self._broken is not None:
                self._short(buffer[start:])
            return None
        transaction, protocol, length, unit = _unpack(buffer, start)
        if protocol or not _MIN_LENGTH <= length <= self._max_length:
            self._break(f"a header with protocol id {protocol} and length {length}")
        end = start + _COUNTED + length
        if end > size:
            if (
                not self._lenient
                or end != size + 1
                or reply_size(buffer[start + _HEADER_SIZE :]) != length - 2
            ):
                return None
            self._owed, end = True, size
        self._at = end
        return Frame(transaction, unit, buffer[start + _HEADER_SIZE : end])

    def _short(self, header: bytes) -> None:
        """Less than a header is left: report early what no further byte can mend."""
        if self._broken is not None:
            raise FrameError(self._broken)
        if any(header[2:4]):
            self._break(f"a header that begins with {header.hex(' ')}")

    def _break(self, what: str) -> NoReturn:
        self._buffer, self._at = b"", 0
        self._broken = f"{what} is not Modbus TCP (protocol id 0, length {_MIN_LENGTH} to {self._max_length})"
        raise FrameError(self._broken)


def _starts_with_reply(data: bytes) -> bool:
    """Whether a whole reply to a read, or a whole exception, stands at the start: no part of a frame does so
    by chance. The frame before it was cut short."""
    if len(data) < _HEADER_SIZE + 2:
        return False
    _, protocol, length, _ = _unpack(data)
    function, count = data[_HEADER_SIZE], data[_HEADER_SIZE + 1]
    if protocol or _COUNTED + length > len(data):
        return False
    return length == 3 if function >= EXCEPTION else function in READ_LIMITS and length == count + 3
