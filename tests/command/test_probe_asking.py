"""What a probe makes of devices that ignore questions, or say odd things of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.reader import Prober, identity, read_range, settings_for
from qilu.contract.errors import UnreachableError
from qilu.contract.profile import Table
from qilu.modbus.device_identification import ObjectId, ReadIdentity, identity_response
from qilu.modbus.framing import frames
from qilu.modbus.pdu import Request, parse_request
from qilu.modbus.read_functions import Read, read_response
from qilu.modbus.tcp import TcpFramer

Answer = Callable[[Request], bytes | None]


def meeting(answer: Answer, ask: Callable[[Prober], Awaitable[None]]) -> None:
    """A prober and a device that answers so, or is silent for None."""

    class Device(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport, self.framer = transport, TcpFramer()
            connections.append(transport)

        def data_received(self, data: bytes) -> None:
            for frame in frames(self.framer, data):
                if (output := answer(parse_request(frame.pdu))) is not None:
                    self.transport.write(self.framer.encode(frame.transaction, frame.unit, output))

    connections: list[asyncio.Transport] = []

    async def meet() -> None:
        server = await asyncio.get_running_loop().create_server(Device, "127.0.0.1", 0)
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Prober(settings_for(url, 0.1), Random(1)) as prober:
            await ask(prober)
        for transport in connections:
            transport.abort()
        await asyncio.sleep(0)

    asyncio.run(meet())


def silent_from(first: int) -> Answer:
    def answer(request: Request) -> bytes | None:
        assert isinstance(request, Read)
        if request.address + request.quantity > first:
            return None
        return read_response(request.function, bytes(2 * request.quantity))

    return answer


def test_a_device_that_ignores_what_it_does_not_have_is_read_around_it() -> None:
    async def ask(prober: Prober) -> None:
        dump = await read_range(prober, 1, Range(Table.HOLDING, 0, 15))
        assert set(dump.values) == set(range(10))
        assert dump.missing == dict.fromkeys(range(10, 16), "no answer")

    meeting(silent_from(10), ask)


def test_a_device_that_ignores_everything_is_not_there() -> None:
    async def ask(prober: Prober) -> None:
        with pytest.raises(UnreachableError, match="did not reply"):
            await read_range(prober, 1, Range(Table.HOLDING, 0, 15))

    meeting(silent_from(0), ask)


def test_an_identity_is_one_line_that_steers_no_terminal() -> None:
    """So it can stand in the comment of a profile, too."""
    objects: dict[int, bytes] = {
        ObjectId.VENDOR_NAME: b"Works\r\n",
        ObjectId.PRODUCT_CODE: b"\x1b[31mA-7\0\0 x\0",
    }

    def answer(request: Request) -> bytes | None:
        return identity_response(request, objects) if isinstance(request, ReadIdentity) else None

    async def ask(prober: Prober) -> None:
        assert await identity(prober, 1) == {0: "Works", 1: "[31mA-7 x"}

    meeting(answer, ask)
