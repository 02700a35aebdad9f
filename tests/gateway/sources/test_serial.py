"""RTU on a serial line: over pseudo terminals with real peers, and its silences on virtual time."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.reader import Prober, read_range, settings_for
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile, Table
from qilu.contract.reading import Origin, Poll
from qilu.modbus_client.endpoint import SerialLine
from qilu.modbus_client.serial_port import missing, open_port
from qilu.runtime.monotonic_utc import Timebase
from tests.gateway.sources.everything import equipment
from tests.gateway.sources.everywhere import on_a_serial_line
from tests.gateway.sources.foreign import device_of, read, values
from tests.gateway.sources.peer import Asked, Line, Peer, World, normal, profile, reasons, truth
from tests.gateway.sources.pty_lines import line_to, two_ports
from tests.support.virtual_time import run

TWO_BLOCKS = profile([0, 1, 200, 201])
FAST = "baudrate=115200"


def source_on(port: str, meter: DeviceProfile, period: str = "50ms", timeout: str = "1s") -> ModbusSource:
    settings = ModbusSettings.model_validate(
        {
            "type": "modbus",
            "url": f"rtu://{port}?{FAST}",
            "timeout": timeout,
            "devices": [{"device": "meter-1", "profile": "meter", "poll_periods": {"default": period}}],
        }
    )
    setup = DeviceSetup(settings.devices[0], meter, Origin("edge-1", "meter-1", "meter"))
    return ModbusSource(
        settings, [setup], Timebase(time.time(), asyncio.get_running_loop().time()), Random(5)
    )


async def polled(source: ModbusSource, until: Callable[[list[str]], bool]) -> list[Poll]:
    """Polls until `until` is content with what was said so far."""
    found: list[Poll] = []
    async with source, asyncio.timeout(60):
        async for poll in source.polls():
            found.append(poll)
            if until(reasons(found)):
                break
    return found


async def test_a_device_at_the_end_of_a_serial_line_is_read() -> None:
    peer = Peer()
    with line_to(peer) as port:
        polls = await polled(source_on(port, TWO_BLOCKS), lambda output: len(output) == 5)
    assert reasons(polls) == ["good"] * 5
    assert len(peer.asked) == 10


async def test_noise_and_the_frames_of_others_on_the_line_are_read_over() -> None:
    def behave(line: Line, asked: Asked) -> None:
        foreign = line.frame(asked, line.pdu(asked._replace(unit=9)), unit=9)
        line.say(b"\xff\x00\x01\x03" + foreign + line.answer(asked)[:2])
        line.say(line.answer(asked)[2:])

    peer = Peer(behave)
    with line_to(peer) as port:
        polls = await polled(source_on(port, TWO_BLOCKS), lambda output: len(output) == 4)
    assert reasons(polls) == ["good"] * 4


async def test_pymodbus_on_a_serial_line_is_read_in_every_encoding_and_order() -> None:
    meter, image, expected = equipment()
    with two_ports() as (ours, theirs):
        server = ModbusSerialServer(device_of(image), framer=FramerType.RTU, port=theirs, baudrate=115200)
        await server.serve_forever(background=True)
        try:
            poll, source = await read(f"rtu://{ours}?{FAST}", meter)
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]
    assert values(poll) == expected
    assert source.stats.bad_points == 0


async def test_a_serial_line_can_be_probed() -> None:
    with line_to(Peer()) as port:
        async with Prober(settings_for(f"rtu://{port}?{FAST}", 1.0), Random(1)) as prober:
            dump = await read_range(prober, 7, Range(Table.HOLDING, 3, 12))
    assert dump.values == {address: truth(7, address) for address in range(3, 13)}


async def test_a_port_that_is_not_there_is_reported_and_read_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The message names the ports that are there; nobody else waits for it."""
    port = tmp_path / "ttyUSB7"
    (tmp_path / "ttyUSB0").touch()
    peer = Peer()
    with line_to(peer) as real:

        def plug_in(output: list[str]) -> bool:
            if len(output) == 2:
                port.symlink_to(real)
            return output[-1] == "good"

        polls = await polled(source_on(str(port), TWO_BLOCKS), plug_in)
    assert reasons(polls)[:2] == ["unreachable", "unreachable"]
    assert f"there is no port {port}; {tmp_path} has {tmp_path / 'ttyUSB0'}" in caplog.text


async def test_an_adapter_that_is_pulled_out_makes_values_unreachable_till_it_is_back(
    tmp_path: Path,
) -> None:
    port = tmp_path / "ttyUSB0"
    first, second = Peer(), Peer()
    with line_to(first) as real, line_to(second) as other:
        port.symlink_to(real)

        def pull_out(output: list[str]) -> bool:
            if len(output) == 2:
                first.lines[0].end()
            if "unreachable" in output and second.asked == []:
                port.unlink(missing_ok=True)
                port.symlink_to(other)
            return "unreachable" in output and output[-1] == "good"

        polls = await polled(source_on(str(port), TWO_BLOCKS), pull_out)
    assert reasons(polls)[:2] == ["good", "good"]
    assert set(reasons(polls)) == {"good", "unreachable"}


async def test_a_port_that_another_program_uses_is_not_shared() -> None:
    with line_to(Peer()) as port:
        descriptor = open_port(port, SerialLine(115200))
        try:
            with pytest.raises(BlockingIOError, match="another program uses"):
                open_port(port, SerialLine(115200))
        finally:
            os.close(descriptor)
        os.close(open_port(port, SerialLine(9600)))


def test_a_file_that_is_no_port_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no port")
    with pytest.raises(OSError, match="is no serial line of 9600 8N1"):
        open_port(str(tmp_path / "notes"), SerialLine())
    assert missing(str(tmp_path / "notes")) is None
    assert missing("/dev/ttyNONE9") is not None


@on_a_serial_line
async def test_frames_are_apart_by_the_silence_that_the_line_needs(world: World) -> None:
    """3.5 characters of ten bits at 9600 baud."""
    answered: list[float] = []

    def behave(line: Line, asked: Asked) -> None:
        if answered:
            assert asked.time - answered[-1] >= 3.5 * 10 / 9600 - 1e-9
        normal(line, asked)
        answered.append(asked.time)

    polls, _ = await world.polls(Peer(behave), 20, meter=TWO_BLOCKS, period=0.02)
    assert reasons(polls) == ["good"] * 20


@on_a_serial_line
async def test_the_time_that_bytes_take_on_the_line_is_not_held_against_a_device(world: World) -> None:
    """250 bytes at 9600 baud take longer than this time-out."""
    late = 265 * 10 / 9600

    peer = Peer(lambda line, asked: line.say(line.answer(asked), late + 0.04))
    polls, source = await world.polls(peer, 3, meter=profile(range(125)), timeout=0.05)
    assert reasons(polls) == ["good"] * 3
    assert source.stats.timeouts == 0


def late_on_the_line(after: float) -> Peer:
    """The third reply comes late; the same line carries it, whoever listens then."""

    def behave(line: Line, asked: Asked) -> None:
        answer = line.answer(asked)
        if len(line.peer.asked) == 3:
            line.loop.call_later(after, lambda: line.peer.lines[-1].say(answer))
        else:
            line.say(answer, 0.8 if len(line.peer.asked) == 4 else 0.0)

    return Peer(behave)


@pytest.mark.parametrize("serial", [True, False])
@pytest.mark.parametrize("after", [1.05, 1.5, 1.99])
def test_a_late_reply_of_the_same_shape_is_never_taken_for_the_next_one(after: float, serial: bool) -> None:
    """Fault 9: behind a serial device server too, which hands it to a new connection. Both blocks have two
    registers, so only silence tells their replies apart."""
    polls, source = run(
        World("memory", "rtu", serial=serial).polls(late_on_the_line(after), 3, meter=TWO_BLOCKS, period=6)
    )
    assert reasons(polls) == ["good"] * 3, "asked again"
    assert source.stats.timeouts == 1
    assert source.stats.reconnects == (0 if serial else 1)


@on_a_serial_line
async def test_a_late_reply_ends_the_wait_for_it(world: World) -> None:
    peer = late_on_the_line(1.2)
    await world.polls(peer, 2, meter=TWO_BLOCKS, period=6)
    first, second = peer.asked[2:4]
    assert 1.2 < second.time - first.time < 1.21


@on_a_serial_line
async def test_other_units_do_not_wait_for_a_late_reply(world: World) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.unit == 2:
            normal(line, asked)

    peer = Peer(behave)
    await world.polls(peer, 40, units=[1, 2], period=0.5, timeout=1)
    silent = [number for number, asked in enumerate(peer.asked) if asked.unit == 1]
    following = [peer.asked[number + 1].time - peer.asked[number].time for number in silent[:-1]]
    assert min(following) < 1.1, "the second request goes to the other unit, right after the time-out"


@on_a_serial_line
async def test_a_line_that_is_never_silent_does_not_keep_us_silent_for_ever(world: World) -> None:
    def chatter(line: Line) -> None:
        line.say(b"\x55")
        line.loop.call_later(0.001, chatter, line)

    peer = Peer(opened=chatter)
    polls, _ = await world.polls(peer, 3, meter=TWO_BLOCKS, period=10)
    assert reasons(polls) == ["good"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="the constants of Linux")
def test_a_baud_rate_without_a_constant_is_set() -> None:
    import fcntl
    import pty

    master, slave = pty.openpty()
    port = open_port(os.ttyname(slave), SerialLine(14400, "E"))
    try:
        *_, received, sent = struct.unpack("IIIIB19sII", fcntl.ioctl(port, 0x802C542A, bytes(44)))
        assert (received, sent) == (14400, 14400)
    finally:
        for descriptor in (port, slave, master):
            os.close(descriptor)
