"""A device that is nothing but memory, and a raw client, for the tests of the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from qilu.contract.profile import Table
from qilu.modbus.errors import DeviceFailure, IllegalAddress, IllegalValue
from qilu.modbus.framing import Frame
from qilu.modbus.tcp import TcpFramer, tcp_frame

SIZE = 300  # addresses of each table
BROKEN = 299  # reading it fails
REFUSED = 0xDEAD  # no register takes it


class Memory:
    """Holding and input register a contain `base` + a at first, every third bit is set."""

    def __init__(self, base: int = 0, identity: Mapping[int, bytes] | None = None) -> None:
        self.identity: Mapping[int, bytes] = identity or {0: b"Qilu", 1: b"memory", 2: b"1"}
        words = b"".join((base + address).to_bytes(2, "big") for address in range(SIZE))
        self.registers = {Table.HOLDING: bytearray(words), Table.INPUT: bytearray(words)}
        self.bits = {table: [a % 3 == 0 for a in range(SIZE)] for table in (Table.COIL, Table.DISCRETE)}
        self.reads = 0

    def read_registers(self, table: Table, address: int, count: int) -> bytes:
        self._require(address, count)
        if address <= BROKEN < address + count:
            raise DeviceFailure(f"register {BROKEN} is broken")
        self.reads += 1
        return bytes(self.registers[table][2 * address : 2 * (address + count)])

    def require_running(self) -> None: ...

    def require_registers(self, table: Table, address: int, count: int) -> None:
        self._require(address, count)

    def read_bits(self, table: Table, address: int, count: int) -> bytes:
        self._require(address, count)
        number = sum(
            1 << place for place, bit in enumerate(self.bits[table][address : address + count]) if bit
        )
        return number.to_bytes((count + 7) // 8, "little")

    def write_bits(self, address: int, values: list[bool]) -> None:
        self._require(address, len(values))
        self.bits[Table.COIL][address : address + len(values)] = values

    def write_registers(self, address: int, data: bytes) -> None:
        self._require(address, len(data) // 2)
        if REFUSED.to_bytes(2, "big") in (data[at : at + 2] for at in range(0, len(data), 2)):
            raise IllegalValue(f"{REFUSED:#x}")
        self.registers[Table.HOLDING][2 * address : 2 * address + len(data)] = data

    def _require(self, address: int, count: int) -> None:
        if address + count > SIZE:
            raise IllegalAddress(f"{address} to {address + count - 1}")


class RawClient:
    """Sends any bytes and gives back the frames that come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._framer = TcpFramer()

    def send(self, *frames: Frame) -> None:
        self.writer.write(b"".join(tcp_frame(*frame) for frame in frames))

    async def frame(self) -> Frame:
        """The next frame; EOFError when the server has closed."""
        while (frame := self._framer.next_frame()) is None:
            data = await self.reader.read(65536)
            if not data:
                raise EOFError
            self._framer.feed(data)
        return frame

    async def ask(self, unit: int, pdu: bytes, transaction: int = 1) -> bytes:
        """The response PDU to one request."""
        self.send(Frame(transaction, unit, pdu))
        answer = await self.frame()
        assert answer[:2] == (transaction, unit)
        return answer.pdu

    async def closed(self) -> bool:
        """Waits until the server has closed the connection; False if it sent something before."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def raw_client(address: tuple[str, int], receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    """receive_buffer: bytes that the system takes for this client before the server has to wait."""
    connection = socket.socket()
    connection.setblocking(False)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(connection, address)
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass
