"""Everything that can be asked and told: against pymodbus, and against a device that lies (fault 32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from pymodbus.framer import FramerType

from qilu.contract.errors import UnreachableError
from qilu.modbus.device_identification import Access
from qilu.modbus.errors import IllegalAddress, InvalidRequest, ProtocolError
from qilu.modbus.framing import frames
from qilu.modbus.functions import Function
from qilu.modbus.read_functions import Read, read_response
from qilu.modbus.tcp import TcpFramer, tcp_frame
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    write_echo,
)
from qilu.modbus_client.client import Client, connected, verify_request
from qilu.modbus_client.transaction import ReplyTimeoutError
from simulator.serving.server import ModbusServer, Port
from tests.gateway.sources.foreign import pymodbus_server

NOTHING: dict[str, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
HOLDING, COILS = Function.READ_HOLDING_REGISTERS, Function.READ_COILS


@pytest.mark.parametrize(("framer", "scheme"), [(FramerType.SOCKET, "tcp"), (FramerType.RTU, "rtu+tcp")])
async def test_pymodbus_carries_out_every_write(framer: FramerType, scheme: str) -> None:
    """Functions 5, 6, 15, 16, 22 and 23, each confirmed and read back."""
    async with (
        pymodbus_server(NOTHING, framer) as port,
        connected(f"{scheme}://127.0.0.1:{port}") as client,
    ):
        await client.write_and_verify(1, WriteCoil(3, True))
        await client.write_and_verify(1, WriteCoils(10, (True, False, True) * 7))
        await client.write_and_verify(1, WriteRegister(5, b"\x12\x34"))
        await client.write_and_verify(1, WriteRegisters(6, bytes(range(1, 21))))
        await client.write_and_verify(1, MaskWrite(5, 0xFF0F, 0x00C0))
        assert await client.read(1, Read(HOLDING, 5, 1)) == b"\x12\xc4"
        data = await client.read(1, ReadWrite(5, 3, 6, b"\xab\xcd"))
        assert data == b"\x12\xc4\xab\xcd\x03\x04"
        with pytest.raises(IllegalAddress):
            await client.write(1, WriteRegister(5000, b"\0\0"))


class Named:
    """A device of ours that says who it is, at length."""

    identity: ClassVar = {number: bytes((65 + number,)) * 100 for number in range(5)}


async def test_an_identity_is_read_to_its_end() -> None:
    """43/14 in several responses."""
    async with ModbusServer([Port({1: Named()})]) as server:  # type: ignore[dict-item]
        async with connected(f"tcp://127.0.0.1:{server.addresses[0][1]}") as client:
            assert await client.identify(1, Access.REGULAR) == Named.identity
            assert set(await client.identify(1)) == {0, 1, 2}


class _Answering(asyncio.Protocol):
    """Answers request PDUs as it is told, and keeps them."""

    def __init__(self, answer: Callable[[bytes], bytes | None], asked: list[bytes]) -> None:
        self.answer, self.asked, self.framer = answer, asked, TcpFramer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in frames(self.framer, data):
            self.asked.append(frame.pdu)
            if (response := self.answer(frame.pdu)) is not None:
                self.transport.write(tcp_frame(frame.transaction, frame.unit, response))


@asynccontextmanager
async def device(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[tuple[Client, list[bytes]]]:
    """A client of a device that answers request PDUs so, and the requests that it got."""
    asked: list[bytes] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(answer, asked), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"tcp://127.0.0.1:{port}", timeout=0.1) as client:
            yield client, asked
    finally:
        server.close()
        await asyncio.sleep(0.01)  # the far side has seen the end, and its transport is gone


WRITES = [
    WriteCoil(3, True),
    WriteRegister(5, b"\x12\x34"),
    WriteCoils(10, (True, False, True)),
    WriteRegisters(6, b"\1\2\3\4"),
    MaskWrite(5, 0xFF0F, 0x00C0),
]


@pytest.mark.parametrize("write", WRITES)
async def test_another_echo_than_the_write_is_a_failure(write: WriteCoil) -> None:
    """Fault 32: every byte of the echo counts."""
    echo = write_echo(write.encode())
    for place in range(1, len(echo)):
        wrong = echo[:place] + bytes((echo[place] ^ 1,)) + echo[place + 1 :]
        async with device(lambda pdu, wrong=wrong: wrong) as (client, _):  # type: ignore[misc]
            with pytest.raises(ProtocolError, match="expects an echo"):
                await client.write(1, write)


async def test_a_write_without_an_answer_is_not_sent_again() -> None:
    async with device(lambda pdu: None) as (client, asked):
        with pytest.raises(ReplyTimeoutError):
            await client.write(1, WriteRegister(5, b"\0\1"))
    assert asked == [WriteRegister(5, b"\0\1").encode()]


@pytest.mark.parametrize(
    "request_",
    [
        WriteCoils(0, (True,) * 1969),
        WriteRegisters(0, bytes(2 * 124)),
        WriteRegisters(65535, bytes(4)),
        WriteRegister(0, b"\0"),
        MaskWrite(0, 0x10000, 0),
        ReadWrite(0, 126, 0, b"\0\0"),
        ReadWrite(0, 1, 0, bytes(2 * 122)),
        Read(HOLDING, 0, 126),
        Read(COILS, 0, 2001),
    ],
)
async def test_what_the_specification_does_not_allow_is_not_sent(request_: Read) -> None:
    async with device(lambda pdu: pdu) as (client, asked):
        with pytest.raises(InvalidRequest):
            await client.read(1, request_)
    assert asked == []


async def test_requests_of_several_tasks_go_one_after_the_other() -> None:
    async with device(lambda pdu: read_response(3, pdu[1:3])) as (client, asked):
        addresses = range(30)
        found = await asyncio.gather(*(client.read(1, Read(HOLDING, address, 1)) for address in addresses))
    assert found == [address.to_bytes(2, "big") for address in addresses]
    assert len(asked) == 30


async def test_nobody_there_is_reported() -> None:
    with pytest.raises(UnreachableError, match="tcp://127.0.0.1:1: "):
        async with connected("tcp://127.0.0.1:1"):
            pass


def test_a_mask_is_read_back_where_it_changes_something() -> None:
    assert verify_request(MaskWrite(7, 0xFF0F, 0xFFC0)) == (Read(HOLDING, 7, 1), b"\0\xf0", b"\0\xc0")
