"""The functions of Modbus that we speak, their limits, and the one check of an address range.

Source of every number: MODBUS Application Protocol Specification V1.1b3, section 6.
"""

from __future__ import annotations

from enum import IntEnum

from qilu.modbus.errors import IllegalAddress, IllegalValue, InvalidRequest


class Function(IntEnum):
    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    DIAGNOSTICS = 8
    WRITE_COILS = 15
    WRITE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    MASK_WRITE_REGISTER = 22
    READ_WRITE_REGISTERS = 23
    READ_IDENTITY = 43


WRITE_FUNCTIONS = frozenset((5, 6, 15, 16, 22))
"""Those that only write: their reply confirms the request and is no longer than it."""
MIRRORED_FUNCTIONS = frozenset((5, 6, 8, 22))
"""Those whose reply equals the request: a copy of it on the line may be an echo or the reply."""
CONFIRMED_FUNCTIONS = WRITE_FUNCTIONS | MIRRORED_FUNCTIONS
MEI_IDENTITY = 14  # the only kind of function 43 that we speak
RETURN_QUERY_DATA = 0  # the only kind of function 8 that we speak
ADDRESSES = 65536
MAX_READ_BITS = 2000
MAX_READ_REGISTERS = 125
MAX_WRITE_BITS = 1968
MAX_WRITE_REGISTERS = 123
MAX_READ_WRITE_REGISTERS = 121  # the written ones; as many as 125 are read
MAX_PDU = 253

READ_LIMITS = {
    Function.READ_COILS.value: MAX_READ_BITS,
    Function.READ_DISCRETE_INPUTS.value: MAX_READ_BITS,
    Function.READ_HOLDING_REGISTERS.value: MAX_READ_REGISTERS,
    Function.READ_INPUT_REGISTERS.value: MAX_READ_REGISTERS,
}


def check_request_range(address: int, count: int, limit: int) -> None:
    """Refuse to send a request for a block that no device may have (InvalidRequest)."""
    if not 1 <= count <= limit:
        raise InvalidRequest(f"{count} items at address {address}: one request carries 1 to {limit}")
    if not 0 <= address <= ADDRESSES - count:
        raise InvalidRequest(f"{count} items at address {address}: addresses are 0 to {ADDRESSES - 1}")


def check_served_range(address: int, count: int, limit: int) -> None:
    """Refuse to serve such a block, in the order of the specification: first the count, then the range."""
    if not 1 <= count <= limit:
        raise IllegalValue(f"count {count} is not 1 to {limit}")
    if address + count > ADDRESSES:
        raise IllegalAddress(f"{count} items at address {address} reach past {ADDRESSES - 1}")


def require_word(value: int, name: str) -> None:
    if not 0 <= value <= 0xFFFF:
        raise InvalidRequest(f"{name} {value} does not fit into a register: 0 to 65535")


def require_whole_registers(data: bytes) -> int:
    """The count of registers in `data`."""
    if len(data) % 2:
        raise InvalidRequest(f"{len(data)} bytes are not whole registers of two bytes")
    return len(data) // 2
