"""Devices that answer more than 125 registers or 2000 bits in one read, which a profile may say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from gateway.sources.modbus.planning.plan import plan
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.modbus.framing import frames
from qilu.modbus.pdu import exception_response
from qilu.modbus.read_functions import pack_bits
from qilu.modbus.tcp import TcpFramer, tcp_frame
from tests.gateway.sources.foreign import read, values

ORIGIN = Origin("edge-1", "meter-1", "meter")
LONG = {"max_registers": 400, "max_bits": 4000}


@asynccontextmanager
async def generous(short_by: int = 0) -> AsyncIterator[tuple[int, list[int]]]:
    """The port of a device that answers any quantity up to 400 registers and 4000 bits, and the quantities
    that were asked; `short_by`: bytes that its long replies lack."""
    quantities: list[int] = []

    class Device(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)
            self.framer = TcpFramer()

        def data_received(self, data: bytes) -> None:
            for transaction, unit, pdu in frames(self.framer, data):
                self.transport.write(tcp_frame(transaction, unit, self.reply(pdu)))

        def reply(self, pdu: bytes) -> bytes:
            function, address, count = pdu[0], int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
            quantities.append(count)
            places = range(address, address + count)
            if count > (4000 if function <= 2 else 400):
                return exception_response(function, 3)
            if function <= 2:
                content = pack_bits([place % 3 == 0 for place in places])
            else:
                content = b"".join(place.to_bytes(2) for place in places)
            if len(content) > 250:
                content = content[: len(content) - short_by]
            return bytes((function, len(content) & 0xFF)) + content

    server = await asyncio.get_running_loop().create_server(Device, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], quantities


def meter(count: int, **limits: object) -> DeviceProfile:
    registers = [{"name": f"r{n}", "table": "holding", "address": n, "type": "uint16"} for n in range(count)]
    bits = [{"name": f"b{n}", "table": "coil", "address": n, "type": "bool"} for n in range(0, 3000, 100)]
    return DeviceProfile.model_validate(
        {"profile": "everything", "limits": {**LONG, **limits}, "points": [*registers, *bits]}
    )


async def test_a_block_of_400_registers_is_one_request() -> None:
    async with generous() as (port, quantities):
        poll, source = await read(f"tcp://127.0.0.1:{port}", meter(400))
    assert sorted(set(quantities)) == [400, 2901]
    expected = {f"r{n}": n for n in range(400)} | {f"b{n}": n % 3 == 0 for n in range(0, 3000, 100)}
    assert values(poll) == expected
    assert source.stats.bad_points == 0


@pytest.mark.parametrize("short_by", [1, 2, 256])
async def test_a_long_reply_that_is_too_short_is_no_value(short_by: int) -> None:
    """With 256 bytes too few the byte count is right."""
    async with generous(short_by) as (port, _):
        poll, _ = await read(f"tcp://127.0.0.1:{port}", meter(400), polls=1)
    wrong = {name: value for name, value in values(poll).items() if name[0] == "r" and value != int(name[1:])}
    assert set(map(str, wrong.values())) <= {"protocol_error", "timeout"}


def test_a_frame_of_a_serial_line_has_room_for_the_limits_of_the_specification_only() -> None:
    whole = {"table": "holding", "first": 0, "last": 199}
    for framing in ("rtu", "ascii"):
        blocks = plan(meter(400), "default", ORIGIN, framing=framing).blocks
        assert max(block.span.count for block in blocks if block.columns.points[0][0] == "r") == 125
        with pytest.raises(ConfigError, match="is too long for one"):
            plan(meter(400, read_whole=[whole]), "default", ORIGIN, framing=framing)
    blocks = plan(meter(400, read_whole=[whole]), "default", ORIGIN).blocks
    assert sorted(block.span.count for block in blocks) == [200, 200, 2901]


def test_without_the_limits_of_a_profile_a_long_frame_breaks_the_stream() -> None:
    framer = TcpFramer()
    framer.feed(tcp_frame(1, 1, bytes((3, 144)) + bytes(400)))
    with pytest.raises(Exception, match="is not Modbus TCP"):
        framer.next_frame()
