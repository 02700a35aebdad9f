"""Functions 5, 6, 15, 16, 22 and 23: every request that changes coils or holding registers.

Register contents are bytes in wire order: two per register, the high one first.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from qilu.modbus.errors import IllegalValue
from qilu.modbus.functions import (
    MAX_READ_REGISTERS,
    MAX_READ_WRITE_REGISTERS,
    MAX_WRITE_BITS,
    MAX_WRITE_REGISTERS,
    Function,
    check_request_range,
    check_served_range,
    require_whole_registers,
    require_word,
)
from qilu.modbus.read_functions import pack_bits, unpack_bits

_SINGLE = Struct(">BHH")
_MULTIPLE = Struct(">BHHB")
_MASK = Struct(">BHHH")
_READ_WRITE = Struct(">BHHHHB")
_ON, _OFF = 0xFF00, 0x0000


class WriteCoil(NamedTuple):
    address: int
    on: bool

    def encode(self) -> bytes:
        check_request_range(self.address, 1, 1)
        return _SINGLE.pack(Function.WRITE_COIL, self.address, _ON if self.on else _OFF)

    @classmethod
    def parse(cls, pdu: bytes) -> WriteCoil:
        _, address, value = _exactly(_SINGLE, pdu)
        if value not in (_ON, _OFF):
            raise IllegalValue(f"a coil is written as 0xFF00 or 0x0000, not {value:#06x}")
        return cls(address, value == _ON)


class WriteRegister(NamedTuple):
    address: int
    data: bytes

    def encode(self) -> bytes:
        check_request_range(self.address, require_whole_registers(self.data), 1)
        return bytes((Function.WRITE_REGISTER,)) + self.address.to_bytes(2, "big") + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> WriteRegister:
        _, address, _ = _exactly(_SINGLE, pdu)
        return cls(address, pdu[3:])


class WriteCoils(NamedTuple):
    address: int
    bits: tuple[bool, ...]

    def encode(self) -> bytes:
        check_request_range(self.address, len(self.bits), MAX_WRITE_BITS)
        data = pack_bits(self.bits)
        return _MULTIPLE.pack(Function.WRITE_COILS, self.address, len(self.bits), len(data)) + data

    @classmethod
    def parse(cls, pdu: bytes) -> WriteCoils:
        (_, address, count, size), data = _head(_MULTIPLE, pdu)
        _counted(count, (count + 7) // 8, size, data)
        check_served_range(address, count, MAX_WRITE_BITS)
        return cls(address, unpack_bits(data, count))


class WriteRegisters(NamedTuple):
    address: int
    data: bytes

    def encode(self) -> bytes:
        count = require_whole_registers(self.data)
        check_request_range(self.address, count, MAX_WRITE_REGISTERS)
        return _MULTIPLE.pack(Function.WRITE_REGISTERS, self.address, count, 2 * count) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> WriteRegisters:
        (_, address, count, size), data = _head(_MULTIPLE, pdu)
        _counted(count, 2 * count, size, data)
        check_served_range(address, count, MAX_WRITE_REGISTERS)
        return cls(address, data)


class MaskWrite(NamedTuple):
    """Register becomes (register AND and_mask) OR (or_mask AND NOT and_mask)."""

    address: int
    and_mask: int
    or_mask: int

    def encode(self) -> bytes:
        check_request_range(self.address, 1, 1)
        require_word(self.and_mask, "AND mask")
        require_word(self.or_mask, "OR mask")
        return _MASK.pack(Function.MASK_WRITE_REGISTER, self.address, self.and_mask, self.or_mask)

    @classmethod
    def parse(cls, pdu: bytes) -> MaskWrite:
        _, address, and_mask, or_mask = _exactly(_MASK, pdu)
        return cls(address, and_mask, or_mask)

    def apply(self, value: int) -> int:
        return (value & self.and_mask) | (self.or_mask & ~self.and_mask & 0xFFFF)


class ReadWrite(NamedTuple):
    """Write `data`, then read: one transaction, in this order."""

    read_address: int
    read_count: int
    write_address: int
    data: bytes

    def encode(self) -> bytes:
        count = require_whole_registers(self.data)
        check_request_range(self.read_address, self.read_count, MAX_READ_REGISTERS)
        check_request_range(self.write_address, count, MAX_READ_WRITE_REGISTERS)
        head = (self.read_address, self.read_count, self.write_address, count, 2 * count)
        return _READ_WRITE.pack(Function.READ_WRITE_REGISTERS, *head) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> ReadWrite:
        (_, read_address, read_count, write_address, count, size), data = _head(_READ_WRITE, pdu)
        _counted(count, 2 * count, size, data)
        check_served_range(read_address, read_count, MAX_READ_REGISTERS)
        check_served_range(write_address, count, MAX_READ_WRITE_REGISTERS)
        return cls(read_address, read_count, write_address, data)


def write_echo(request: bytes) -> bytes:
    """The response PDU that confirms a write request: all of it (5, 6, 22) or address and count (15, 16)."""
    return request[:5] if request[0] in (Function.WRITE_COILS, Function.WRITE_REGISTERS) else request


def _exactly(layout: Struct, pdu: bytes) -> tuple[int, ...]:
    if len(pdu) != layout.size:
        raise IllegalValue(f"a request of function {pdu[0]} with {len(pdu)} bytes, not {layout.size}")
    return layout.unpack(pdu)


def _head(layout: Struct, pdu: bytes) -> tuple[tuple[int, ...], bytes]:
    if len(pdu) < layout.size:
        raise IllegalValue(f"a request of function {pdu[0]} with only {len(pdu)} bytes")
    return layout.unpack_from(pdu), pdu[layout.size :]


def _counted(count: int, expected: int, byte_count: int, data: bytes) -> None:
    """All three give the same length, or the request is refused."""
    if not expected == byte_count == len(data):
        raise IllegalValue(
            f"{count} items are {expected} bytes; the request says {byte_count} and brings {len(data)}"
        )
