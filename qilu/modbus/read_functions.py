"""Functions 1 to 4: read coils, discrete inputs, holding registers and input registers."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from qilu.modbus.errors import IllegalFunction, IllegalValue, InvalidRequest
from qilu.modbus.functions import READ_LIMITS, check_request_range, check_served_range

_READ = Struct(">BHH")


class Read(NamedTuple):
    """Read `quantity` bits (functions 1, 2) or registers (3, 4) from `address` on."""

    function: int
    address: int
    quantity: int

    def encode(self, limit: int = 0) -> bytes:
        """The request PDU. `limit`: items in one read of a device that allows more than the specification."""
        standard = READ_LIMITS.get(self.function)
        if standard is None:
            raise InvalidRequest(f"function {self.function} does not read: functions 1 to 4 do")
        check_request_range(self.address, self.quantity, max(standard, limit))
        return _READ.pack(self.function, self.address, self.quantity)

    @classmethod
    def parse(cls, pdu: bytes) -> Read:
        if len(pdu) != _READ.size:
            raise IllegalValue(f"a read request of {len(pdu)} bytes, not {_READ.size}")
        function, address, count = _READ.unpack(pdu)
        limit = READ_LIMITS.get(function)
        if limit is None:
            raise IllegalFunction(f"function {function} does not read")
        check_served_range(address, count, limit)
        return cls(function, address, count)


def read_response(function: int, data: bytes) -> bytes:
    """The response PDU of functions 1 to 4 and 23; `data` as `response_data` gives it to the client."""
    return bytes((function, len(data))) + data


def pack_bits(bits: tuple[bool, ...] | list[bool]) -> bytes:
    """Bits as they travel: eight in a byte, the first in the least significant place, padded with zeros."""
    number = 0
    for place, bit in enumerate(bits):
        if bit:
            number |= 1 << place
    return number.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes, count: int) -> tuple[bool, ...]:
    """The first `count` of the packed bits."""
    number = int.from_bytes(data, "little")
    return tuple(bool(number >> place & 1) for place in range(count))
