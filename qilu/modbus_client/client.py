"""Reads and writes one endpoint: for tools in the hands of a person at the machine.

Nothing that arrives over MQTT leads here: the gateway takes no commands from the cloud, it only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import TypeAlias

from qilu.config.tls import TlsSettings
from qilu.contract.errors import DataError, UnreachableError
from qilu.modbus.device_identification import Access, ReadIdentity
from qilu.modbus.errors import ModbusError
from qilu.modbus.functions import Function
from qilu.modbus.pdu import response_identity
from qilu.modbus.read_functions import Read, pack_bits
from qilu.modbus.unit_ids import BROADCAST
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import Dial, connect, dial, new_connection
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.local_echo import ECHO_TEST
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import Transaction

Write: TypeAlias = WriteCoil | WriteRegister | WriteCoils | WriteRegisters | MaskWrite

MAX_IDENTITY_REQUESTS = 16  # to one question for an identity: a device that always has more would never end
_ON = b"\xff\xff"


class NotAppliedError(ModbusError, DataError):
    """The device confirmed a write, and yet reads back something else."""


class Client:
    """One request at a time. Errors are those of `response_data`, a reply that does not come is a
    ReplyTimeoutError, a request past the limits of the specification an InvalidRequest, which is not sent.

    Nothing is ever sent twice: after a time-out of a write nobody knows whether it was carried out, and only
    the caller knows whether it may be repeated.
    """

    def __init__(self, connection: Connection, timeout: float, gap: float = 0.0) -> None:
        """`timeout`, `gap`: seconds, as in the gateway's settings."""
        self._connection = connection
        self._timeout = timeout
        self._gap = gap
        self._lock = asyncio.Lock()

    async def read(self, unit: int, request: Read | ReadWrite) -> bytes:
        """The data that was read: 2 bytes per register, 8 bits per byte."""
        return await self._request(unit, request.encode())

    async def write(self, unit: int, request: Write) -> None:
        """Return once the device has confirmed the write word by word; ProtocolError for any other echo."""
        await self._request(unit, request.encode())

    async def write_and_verify(self, unit: int, request: Write) -> None:
        """As `write`, then read back; NotAppliedError where the device holds something else."""
        await self.write(unit, request)
        read, mask, expected = verify_request(request)
        actual = await self.read(unit, read)
        if _masked(actual, mask) != _masked(expected, mask):
            raise NotAppliedError(
                f"unit {unit} confirmed {request} and reads {actual.hex(' ')} in place of {expected.hex(' ')}"
            )

    async def identify(self, unit: int, access: Access = Access.BASIC) -> Mapping[int, bytes]:
        """The texts of function 43/14 by object id, in as many requests as it takes."""
        objects: dict[int, bytes] = {}
        request = ReadIdentity(access)
        for _ in range(MAX_IDENTITY_REQUESTS):
            part = response_identity(request, await self._request(unit, request.encode()))
            objects |= part.objects
            if part.next_object is None:
                break
            request = ReadIdentity(access, part.next_object)
        return objects

    async def _request(self, unit: int, request: bytes) -> bytes:
        connection = self._connection
        async with self._lock:
            if unit != BROADCAST and connection.endpoint.echo.must_test(request):
                test = Transaction(unit, ECHO_TEST)
                await connection.read([test], self._timeout, self._gap)
                if isinstance(test.error, UnreachableError):
                    raise test.error
            return await connection.request(unit, request, self._timeout, self._gap)


@asynccontextmanager
async def connected(
    url: str,
    *,
    timeout: float = 1.0,
    connect_timeout: float = 3.0,
    gap: float = 0.0,
    tls: TlsSettings | None = None,
    dial: Dial = dial,
    random: Random | None = None,
) -> AsyncIterator[Client]:
    """A client of the endpoint `url`; UnreachableError where no device listens.

    `tls`: the certificates for `tls://`, which else trusts the authorities of the system.
    """
    options = ClientOptions(url, timeout, connect_timeout, tls=tls or TlsSettings())
    state = EndpointState(options, random or Random())
    try:
        connection = await connect(
            dial, options, lambda: new_connection(options, ClientStats(), _late, state)
        )
    except UnreachableError as error:
        raise UnreachableError(f"{url}: {error}") from error
    try:
        yield Client(connection, timeout, gap)
    finally:
        connection.close()


def verify_request(request: Write) -> tuple[Read, bytes, bytes]:
    """What to read after a write, which bits of it to look at, and what they should be."""
    match request:
        case WriteCoil(address, on):
            return Read(Function.READ_COILS, address, 1), b"\x01", pack_bits((on,))
        case WriteCoils(address, bits):
            read = Read(Function.READ_COILS, address, len(bits))
            return read, pack_bits((True,) * len(bits)), pack_bits(bits)
        case WriteRegister(address, data) | WriteRegisters(address, data):
            read = Read(Function.READ_HOLDING_REGISTERS, address, len(data) // 2)
            return read, _ON * (len(data) // 2), data
        case MaskWrite(address, and_mask, or_mask):
            changed = ~and_mask & 0xFFFF
            read = Read(Function.READ_HOLDING_REGISTERS, address, 1)
            return read, changed.to_bytes(2, "big"), (or_mask & changed).to_bytes(2, "big")


def _masked(data: bytes, mask: bytes) -> bytes:
    return bytes(byte & bits for byte, bits in zip(data, mask, strict=True))


def _late(unit: int, seconds: float) -> None:
    """A reply to a request that was given up."""
