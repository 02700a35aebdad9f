"""Clients that are not ours read the server correctly: pymodbus in both framings, libmodbus via mbpoll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from qilu.contract.profile import Table
from qilu.modbus.errors import ExceptionCode
from simulator.serving.server import ModbusServer, Port
from tests.servers.programs import require
from tests.simulator.memory import Memory

framings = pytest.mark.parametrize("framing", ["tcp", "rtu"])


@asynccontextmanager
async def pymodbus_client(
    address: tuple[str, int], framing: str, wait: float = 5
) -> AsyncIterator[AsyncModbusTcpClient]:
    framer = FramerType.SOCKET if framing == "tcp" else FramerType.RTU
    host, port = address
    client = AsyncModbusTcpClient(host, port=port, framer=framer, timeout=wait, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def port_of(framing: str, memories: dict[int, Memory]) -> Port:
    return Port(memories, framing="tcp" if framing == "tcp" else "rtu")


@framings
async def test_pymodbus_reads_every_table_of_every_unit(framing: str) -> None:
    memories = {unit: Memory(base=1000 * unit) for unit in (1, 2, 3)}
    async with ModbusServer([port_of(framing, memories)]) as server:
        async with pymodbus_client(server.addresses[0], framing) as client:
            for unit in memories:
                expected = [1000 * unit + a for a in range(125)]
                assert (
                    await client.read_holding_registers(0, count=125, device_id=unit)
                ).registers == expected
                assert (await client.read_input_registers(0, count=125, device_id=unit)).registers == expected
                bits = [a % 3 == 0 for a in range(1, 251)]
                assert (await client.read_coils(1, count=250, device_id=unit)).bits[:250] == bits
                assert (await client.read_discrete_inputs(1, count=250, device_id=unit)).bits[:250] == bits


@framings
async def test_pymodbus_writes_and_reads_back(framing: str) -> None:
    memory = Memory()
    async with ModbusServer([port_of(framing, {1: memory})]) as server:
        async with pymodbus_client(server.addresses[0], framing) as client:
            replies = [
                await client.write_coil(1, True),
                await client.write_coils(10, [True, False, True] * 5),
                await client.write_register(2, 4711),
                await client.write_registers(20, [7, 8, 9]),
                await client.mask_write_register(address=2, and_mask=0xFF00, or_mask=0x0001),
            ]
            assert not any(reply.isError() for reply in replies)
            both = await client.readwrite_registers(
                read_address=20, read_count=4, write_address=22, values=[90, 91]
            )
            assert both.registers == [7, 8, 90, 91]
            assert (await client.read_holding_registers(2)).registers == [4711 & 0xFF00 | 1]
    assert memory.bits[Table.COIL][1]
    assert memory.bits[Table.COIL][10:25] == [True, False, True] * 5


@framings
async def test_pymodbus_reads_an_identity_of_several_responses(framing: str) -> None:
    identity = {number: b"%d " % number * 40 for number in (0, 1, 2, 4, 0x80)}
    async with ModbusServer([port_of(framing, {1: Memory(identity=identity)})]) as server:
        async with pymodbus_client(server.addresses[0], framing) as client:
            found: dict[int, bytes] = {}
            following = 0
            while len(found) < len(identity):
                reply = await client.read_device_information(read_code=3, object_id=following)
                assert isinstance(reply, ReadDeviceInformationResponse)
                found |= reply.information
                following = reply.next_object_id
    assert found == identity


@framings
async def test_pymodbus_sees_our_exceptions(framing: str) -> None:
    async with ModbusServer([port_of(framing, {1: Memory(), 2: Memory()})]) as server:
        async with pymodbus_client(server.addresses[0], framing) as client:
            for address, code in ((300, ExceptionCode.ILLEGAL_ADDRESS), (299, ExceptionCode.DEVICE_FAILURE)):
                assert (await client.read_holding_registers(address)).exception_code == code
            refused = await client.write_register(0, 0xDEAD)
            assert refused.exception_code == ExceptionCode.ILLEGAL_VALUE
            if framing == "tcp":
                unknown = await client.read_holding_registers(0, device_id=9)
                assert unknown.exception_code == ExceptionCode.TARGET_FAILED_TO_RESPOND


async def test_on_a_bus_unknown_units_are_silent_and_a_broadcast_reaches_all() -> None:
    memories = {1: Memory(), 2: Memory()}
    async with ModbusServer([port_of("rtu", memories)]) as server:
        async with pymodbus_client(server.addresses[0], "rtu", wait=0.1) as client:
            with pytest.raises(ModbusIOException):
                await client.read_holding_registers(0, device_id=9)
            await client.write_register(5, 4711, device_id=0, no_response_expected=True)
            for unit in memories:
                assert (await client.read_holding_registers(5, device_id=unit)).registers == [4711]


async def test_many_pymodbus_clients_read_at_once() -> None:
    async with ModbusServer([Port({unit: Memory(base=100 * unit) for unit in range(1, 21)})]) as server:

        async def read(unit: int) -> None:
            async with pymodbus_client(server.addresses[0], "tcp") as client:
                for address in range(0, 100, 10):
                    reply = await client.read_holding_registers(address, count=2, device_id=unit)
                    assert reply.registers == [100 * unit + address, 100 * unit + address + 1]

        async with asyncio.TaskGroup() as group:
            for unit in range(1, 21):
                group.create_task(read(unit))


async def mbpoll(port: int, *arguments: str) -> str:
    """What mbpoll prints for one poll; it counts registers from 1 unless told -0."""
    command = [
        str(require("mbpoll")),
        "-m",
        "tcp",
        "-p",
        str(port),
        "-0",
        "-1",
        "-q",
        *arguments,
        "127.0.0.1",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_mbpoll_reads_registers_and_bits() -> None:
    async with ModbusServer([Port({1: Memory(), 7: Memory(base=500)})]) as server:
        port = server.addresses[0][1]
        registers = await mbpoll(port, "-a", "7", "-r", "10", "-c", "3", "-t", "4")
        assert [line.split() for line in registers.splitlines() if line.startswith("[")] == [
            ["[10]:", "510"],
            ["[11]:", "511"],
            ["[12]:", "512"],
        ]
        bits = await mbpoll(port, "-a", "1", "-r", "3", "-c", "3", "-t", "0")
        assert [line.split()[1] for line in bits.splitlines() if line.startswith("[")] == ["1", "0", "0"]


async def test_mbpoll_names_our_exceptions() -> None:
    async with ModbusServer([Port({1: Memory(), 2: Memory()})]) as server:
        port = server.addresses[0][1]
        assert "Illegal data address" in await mbpoll(port, "-a", "1", "-r", "400", "-t", "4")
        assert "Target device failed to respond" in await mbpoll(port, "-a", "9", "-r", "0", "-t", "4")
