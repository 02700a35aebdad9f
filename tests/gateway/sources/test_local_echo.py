"""An adapter that receives what it sends: the copy of a request is never taken for its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from gateway.sources.modbus.stats import SourceStats
from qilu.contract.profile import DeviceProfile
from qilu.modbus.framing import Framer
from qilu.modbus.functions import Function
from qilu.modbus.pdu import parse_request
from qilu.modbus.read_functions import Read
from qilu.modbus.rtu import RtuClientFramer, RtuServerFramer, rtu_frame
from qilu.modbus.write_functions import (
    MaskWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    write_echo,
)
from qilu.modbus_client.client import Client, Write
from qilu.modbus_client.connector import new_connection
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.local_echo import EchoSetting, EchoState
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.transaction import ReplyTimeoutError
from tests.gateway.sources.peer import Asked, Line, Peer, World, dial_in_memory, normal, profile, reasons
from tests.support.virtual_time import run

LINES = [World("memory", "rtu", serial=True), World("memory", "rtu")]


class Loop(RtuServerFramer):
    """The far side of a line that returns everything; `line` is where to."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def feed(self, data: bytes) -> None:
        self.line.say(data)
        super().feed(data)


def with_echo(peer: Peer) -> Peer:
    def opened(line: Line) -> None:
        line.framer = Loop(line)

    peer.opened = opened
    return peer


TABLES = {
    "coils at 0x0300": profile(range(0x300, 0x300 + 20), "coil"),
    "registers at 0x0300": profile(range(0x300, 0x302)),
    "registers at 0x0301": profile([0x301]),
    "registers at 0": profile(range(4)),
    "bits at 0x0100": profile(range(0x100, 0x108), "discrete"),
}


@pytest.mark.parametrize("world", LINES, ids=["serial", "tcp"])
@pytest.mark.parametrize("meter", TABLES.values(), ids=TABLES)
def test_a_line_with_an_echo_gives_the_values_of_the_device(world: World, meter: DeviceProfile) -> None:
    """`reasons` compares every good value with the true one."""
    polls, source = run(world.polls(with_echo(Peer()), 8, meter=meter))
    assert reasons(polls) == ["good"] * 8
    assert source.stats.rejected_replies == 0


@pytest.mark.parametrize("meter", TABLES.values(), ids=TABLES)
def test_the_echo_of_a_device_that_is_off_is_no_reply(meter: DeviceProfile) -> None:
    peer = with_echo(Peer(lambda line, asked: None, echo=lambda line, answer: None))
    polls, source = run(LINES[0].polls(peer, 12, meter=meter))
    assert set(reasons(polls)) == {"timeout"}
    assert source.stats.replies == 0


@pytest.mark.parametrize("late", [1.5, 2.5, 4.0])
def test_the_echo_of_a_loopback_request_proves_nothing(late: float) -> None:
    """Replies come late now and then; the values of three blocks have one shape."""
    free = 0.0

    def behave(line: Line, asked: Asked) -> None:
        nonlocal free
        free = max(free, asked.time) + (late if len(peer.asked) % 7 == 0 else 0.02)
        line.loop.call_at(free, lambda: peer.lines[-1].say(line.answer(asked)))

    def echo(line: Line, answer: bytes) -> None:
        nonlocal free
        free = max(free, line.loop.time()) + 0.02
        line.loop.call_at(free, lambda: peer.lines[-1].say(answer))

    peer = with_echo(Peer(behave, echo=echo, echo_reply=lambda pdu: pdu))
    polls, _ = run(LINES[0].polls(peer, 100, meter=profile([0, 200, 400])))
    assert reasons(polls).count("good") > 20


class Device:
    """Carries out writes, unless it is off."""

    def __init__(self, *, echo: bool, on: bool = True) -> None:
        self.echo, self.on = echo, on
        self.written: list[Any] = []

    def heard(self, line: Line, data: bytes) -> None:
        if self.echo:
            line.say(data)
        framer: Framer = line.framer
        framer.feed(data)
        while (frame := framer.next_frame()) is not None:
            if not self.on:
                continue
            request = parse_request(frame.pdu)
            if isinstance(request, Read):
                normal(line, Asked(0.0, 0, frame.unit, request))
            else:
                self.written.append(request)
                line.say(rtu_frame(0, frame.unit, write_echo(frame.pdu)), 0.01)


WRITES: list[Write] = [
    WriteCoil(3, True),
    WriteRegister(5, b"\x12\x34"),
    WriteCoils(10, (True, False, True)),
    WriteRegisters(6, b"\1\2\3\4"),
    MaskWrite(5, 0xFF0F, 0x00C0),
]


def written(device: Device, request: Write, setting: EchoSetting = "auto") -> EchoState:
    """The state of the line after one write over it; ReplyTimeoutError where nobody confirmed it."""

    async def write() -> EchoState:
        options = ClientOptions("rtu:///dev/ttyUSB0", local_echo=setting)
        state = EndpointState(options, Random(7))
        peer = Peer(framing="rtu")
        peer.heard = device.heard  # type: ignore[method-assign]
        made: Callable[[], Any] = lambda: new_connection(  # noqa: E731
            options, SourceStats(), lambda unit, seconds: None, state
        )
        connection = await dial_in_memory(peer)(options, made)
        async with asyncio.timeout(60):
            await Client(connection, 1.0).write(1, request)
        return state.echo.state

    return run(write())


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("request_", WRITES, ids=str)
def test_a_write_is_confirmed_by_the_device_and_not_by_the_echo(request_: Write, echo: bool) -> None:
    device = Device(echo=echo)
    state = written(device, request_)
    assert device.written == [request_]
    assert state is (EchoState.PRESENT if echo else EchoState.ABSENT)
    off = Device(echo=echo, on=False)
    with pytest.raises(ReplyTimeoutError):
        written(off, request_)


@pytest.mark.parametrize("request_", WRITES, ids=str)
def test_a_setting_forces_the_echo(request_: Write) -> None:
    assert written(Device(echo=True), request_, "always") is EchoState.PRESENT
    with pytest.raises(ReplyTimeoutError):
        written(Device(echo=True, on=False), request_, "always")
    assert written(Device(echo=False), request_, "never") is EchoState.ABSENT


def test_an_echo_is_found_among_noise_and_in_pieces() -> None:
    request = Read(Function.READ_COILS, 0x300, 20).encode()
    reply = bytes((1, 3, 0, 0, 0))
    framer = RtuClientFramer()
    framer.expect(1, request)
    seen = []
    for byte in b"\xff\x00" + rtu_frame(0, 1, request) + b"\x00" + rtu_frame(0, 1, reply):
        framer.feed(bytes((byte,)))
        if (frame := framer.next_frame()) is not None:
            seen.append(frame.pdu)
    assert seen == [request, reply]
