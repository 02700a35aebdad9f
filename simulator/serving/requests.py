"""From one request PDU to its response PDU: what a device answers, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from qilu.contract.profile import TABLES_BY_FUNCTION, Table
from qilu.modbus.device_identification import ReadIdentity, identity_response
from qilu.modbus.diagnostics import Loopback, ReportServerId, server_id_response
from qilu.modbus.errors import ExceptionReply
from qilu.modbus.pdu import Request, exception_response, parse_request
from qilu.modbus.read_functions import Read, read_response
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    write_echo,
)


class ServedDevice(Protocol):
    """A device as the server needs it.

    Each method may raise an ExceptionReply of qilu.modbus.errors (IllegalAddress, IllegalValue, DeviceFailure
    and so on) to be answered so. A write is carried out wholly or not at all.
    """

    @property
    def identity(self) -> Mapping[int, bytes]:
        """Texts by object id, for function 43/14."""

    def read_bits(self, table: Table, address: int, count: int) -> bytes:
        """(count + 7) // 8 bytes, the first bit in the least significant place."""

    def read_registers(self, table: Table, address: int, count: int) -> bytes:
        """2 * count bytes, the high byte of each register first."""

    def require_running(self) -> None:
        """Raise what any request to the device would, whatever it is about."""

    def require_registers(self, table: Table, address: int, count: int) -> None:
        """Raise what `read_registers` would; nothing was read then."""

    def write_bits(self, address: int, values: list[bool]) -> None:
        """Coils from `address` on."""

    def write_registers(self, address: int, data: bytes) -> None:
        """Holding registers from `address` on, in the order of `read_registers`."""


def respond(device: ServedDevice, pdu: bytes) -> bytes:
    """The response to any bytes of one PDU; what may not be asked is answered with its exception."""
    try:
        return _execute(device, parse_request(pdu), pdu)
    except ExceptionReply as refusal:
        return exception_for(pdu, refusal)


def exception_for(pdu: bytes, refusal: ExceptionReply) -> bytes:
    return exception_response(pdu[0], refusal.code)


def _execute(device: ServedDevice, request: Request, pdu: bytes) -> bytes:
    match request:
        case Read(function, address, quantity):
            read = device.read_registers if function > 2 else device.read_bits
            return read_response(function, read(TABLES_BY_FUNCTION[function], address, quantity))
        case WriteCoil(address, on):
            device.write_bits(address, [on])
        case WriteCoils(address, bits):
            device.write_bits(address, list(bits))
        case WriteRegister(address, data) | WriteRegisters(address, data):
            device.write_registers(address, data)
        case MaskWrite(address):
            value = int.from_bytes(device.read_registers(Table.HOLDING, address, 1), "big")
            device.write_registers(address, request.apply(value).to_bytes(2, "big"))
        case ReadWrite(read_address, read_count, write_address, data):
            device.require_registers(Table.HOLDING, read_address, read_count)  # or nothing is carried out
            device.write_registers(write_address, data)
            return read_response(pdu[0], device.read_registers(Table.HOLDING, read_address, read_count))
        case ReadIdentity():
            return identity_response(request, device.identity)
        case Loopback():
            device.require_running()
            return pdu
        case ReportServerId():
            device.require_running()
            return server_id_response(b" ".join(device.identity[name] for name in sorted(device.identity)))
    return write_echo(pdu)
