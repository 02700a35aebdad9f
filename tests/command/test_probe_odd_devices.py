"""A probe goes on past what ends the connection, and shows what odd devices send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.reader import Prober, ping, read_range, settings_for
from gateway.commissioning.probe.unit_scan import scan
from qilu.contract.profile import Table
from qilu.modbus.framing import Frame, frames
from qilu.modbus.pdu import exception_response, parse_request
from qilu.modbus.read_functions import Read, read_response
from qilu.modbus.tcp import TcpFramer, tcp_frame

T = TypeVar("T")
Behaviour = Callable[[Frame, Read], bytes | None]
"""The bytes that a device sends; nothing; or b"", and the connection is closed."""


def probed(behave: Behaviour, ask: Callable[[Prober], Awaitable[T]]) -> tuple[T, list[str]]:
    """What was found, and the notes."""

    class Device(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport, self.framer = transport, TcpFramer()
            transports.append(transport)

        def data_received(self, data: bytes) -> None:
            for frame in frames(self.framer, data):
                sent = (
                    behave(frame, request) if isinstance(request := parse_request(frame.pdu), Read) else b""
                )
                if sent == b"":
                    self.transport.abort()
                elif sent is not None:
                    self.transport.write(sent)

    transports: list[asyncio.Transport] = []

    async def meet() -> tuple[T, list[str]]:
        server = await asyncio.get_running_loop().create_server(Device, "127.0.0.1", 0)
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Prober(settings_for(url, 0.15), Random(1)) as prober:
            result = await ask(prober)
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0)
        return result, prober.notes

    return asyncio.run(meet())


def reply(frame: Frame, request: Read, unit: int | None = None, behind: bytes = b"") -> bytes:
    pdu = read_response(request.function, bytes(2 * request.quantity)) + behind
    return tcp_frame(frame.transaction, frame.unit if unit is None else unit, pdu)


def test_a_scan_goes_on_past_ids_that_end_the_connection() -> None:
    async def ask(prober: Prober) -> list[int]:
        return [unit.unit for unit in await scan(prober, range(1, 9), lambda unit: None, lambda done: None)]

    found, _ = probed(lambda frame, request: reply(frame, request) if frame.unit == 3 else b"", ask)
    assert found == [3]


def test_a_read_goes_on_past_an_address_that_ends_the_connection() -> None:
    def behave(frame: Frame, request: Read) -> bytes:
        in_it = request.address <= 5 < request.address + request.quantity
        return b"" if in_it else reply(frame, request)

    dump, _ = probed(behave, lambda prober: read_range(prober, 1, Range(Table.HOLDING, 0, 19)))
    assert sorted(dump.values) == [address for address in range(20) if address != 5]
    assert dump.missing == {5: "the device closes the connection"}


def test_an_address_that_is_refused_as_a_missing_function_costs_only_itself() -> None:
    def behave(frame: Frame, request: Read) -> bytes:
        if request.address <= 5 < request.address + request.quantity:
            return tcp_frame(frame.transaction, frame.unit, exception_response(request.function, 1))
        return reply(frame, request)

    dump, _ = probed(behave, lambda prober: read_range(prober, 1, Range(Table.HOLDING, 0, 19)))
    assert dump.missing == {5: "illegal function"}


def test_a_device_that_replies_as_unit_0_is_found_and_the_quirk_is_named() -> None:
    how, (note,) = probed(
        lambda frame, request: reply(frame, request, unit=0), lambda prober: ping(prober, 1)
    )
    assert how == "answers"
    assert "what came is no reply: " in note
    assert " 00 00 00 05 00 03 02 00 00; set `quirks: {accepted_unit_ids: [0]}` of this source" in note


def test_replies_that_are_padded_are_read_and_shown() -> None:
    how, (note,) = probed(
        lambda frame, request: reply(frame, request, behind=b"\x5f"), lambda prober: ping(prober, 1)
    )
    assert how == "answers"
    assert "(03 02 00 00 5f)" in note
    assert "lenient_replies" in note


def test_what_is_no_modbus_is_shown() -> None:
    how, _ = probed(lambda frame, request: b"\x00\x01\x00", lambda prober: ping(prober, 1))
    assert how is not None
    assert how.endswith("what came is no reply: 00 01 00")


def test_a_device_that_is_asleep_is_found_at_the_second_request() -> None:
    asked: list[int] = []

    def behave(frame: Frame, request: Read) -> bytes | None:
        asked.append(frame.unit)
        return reply(frame, request) if len(asked) > 1 else None

    assert probed(behave, lambda prober: ping(prober, 1, 2))[0] == "answers"
