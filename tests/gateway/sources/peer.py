"""A far side that behaves as a test scripts it: in memory on virtual time, or on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.modbus.framing import Framer
from qilu.modbus.functions import Function
from qilu.modbus.pdu import exception_response, parse_request
from qilu.modbus.read_functions import Read, pack_bits, read_response
from qilu.modbus.rtu import RtuServerFramer
from qilu.modbus.tcp import TcpFramer
from qilu.modbus_client.ascii_framing import AsciiFramer
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import dial_tcp
from qilu.modbus_client.endpoint import Framing
from qilu.modbus_client.options import ClientOptions
from qilu.runtime.monotonic_utc import Timebase
from tests.support.memory_transport import join


def truth(unit: int, address: int) -> int:
    """What the peer serves: tells of every good value whose it is."""
    return (unit * 1000 + address) & 0xFFFF


class Asked(NamedTuple):
    """One request as it came in; `time` is the loop's."""

    time: float
    transaction: int
    unit: int
    read: Read


Behaviour = Callable[["Line", Asked], None]

_FRAMERS: Mapping[Framing, Callable[[], Framer]] = {
    "tcp": TcpFramer,
    "rtu": RtuServerFramer,
    "ascii": AsciiFramer,
}
_SCHEMES: Mapping[Framing, str] = {"tcp": "tcp", "rtu": "rtu+tcp", "ascii": "ascii+tcp"}


class Line:
    """One connection of the peer, with everything it can do to it."""

    def __init__(self, peer: Peer, transport: asyncio.Transport) -> None:
        self.peer = peer
        self.transport = transport
        self.framer: Framer = _FRAMERS[peer.framing]()
        self.loop = asyncio.get_running_loop()

    def frame(
        self, asked: Asked, pdu: bytes, transaction: int | None = None, unit: int | None = None
    ) -> bytes:
        return self.framer.encode(
            asked.transaction if transaction is None else transaction,
            asked.unit if unit is None else unit,
            pdu,
        )

    def answer(self, asked: Asked) -> bytes:
        """The right answer as bytes."""
        return self.frame(asked, self.pdu(asked))

    def pdu(self, asked: Asked) -> bytes:
        function, address, count = asked.read
        values = [truth(asked.unit, address + place) for place in range(count)]
        if function <= 2:
            return read_response(function, pack_bits([value % 2 == 1 for value in values]))
        return read_response(function, b"".join(value.to_bytes(2) for value in values))

    def refuse(self, asked: Asked, code: int) -> None:
        self.say(self.frame(asked, exception_response(asked.read.function, code)))

    def say(self, data: bytes, after: float = 0.0) -> None:
        """Send these bytes, `after` seconds from now."""
        if after:
            self.loop.call_later(after, self._say, data)
        else:
            self._say(data)

    def _say(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Close in good order."""
        self.transport.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.transport.abort()


def normal(line: Line, asked: Asked) -> None:
    """A device as it should be."""
    line.say(line.answer(asked))


@dataclass
class Peer:
    """The far side: what it was asked, and how it behaves."""

    behave: Behaviour = normal
    framing: Framing = "tcp"
    refuses: Callable[[], bool] = lambda: False
    opened: Callable[[Line], None] = lambda line: None
    echo: Callable[[Line, bytes], None] = lambda line, answer: line.say(answer)
    """How it answers a request for an echo: the bytes that it would say."""
    echo_reply: Callable[[bytes], bytes] = lambda pdu: exception_response(pdu[0], 1)
    """Most devices do not know the function, and say so."""
    asked: list[Asked] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def accept(self, transport: asyncio.Transport) -> Line:
        self.connects.append(asyncio.get_running_loop().time())
        line = Line(self, transport)
        self.lines.append(line)
        self.opened(line)
        return line

    def heard(self, line: Line, data: bytes) -> None:
        line.framer.feed(data)
        while (frame := line.framer.next_frame()) is not None:
            if frame.pdu[0] == Function.DIAGNOSTICS:
                self.echo(line, line.framer.encode(frame.transaction, frame.unit, self.echo_reply(frame.pdu)))
                continue
            request = parse_request(frame.pdu)
            assert isinstance(request, Read)
            asked = Asked(line.loop.time(), frame.transaction, frame.unit, request)
            self.asked.append(asked)
            self.behave(line, asked)


class _Served(asyncio.BufferedProtocol):
    """The peer at the end of a connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.buffer = bytearray(2048)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.line = self.peer.accept(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.peer.heard(self.line, bytes(self.buffer[:nbytes]))


def dial_in_memory(peer: Peer) -> Callable[[ClientOptions, Callable[[], Connection]], Any]:
    async def dial(options: ClientOptions, made: Callable[[], Connection]) -> Connection:
        if peer.refuses():
            raise ConnectionRefusedError("connection refused")
        connection = made()
        join(connection, _Served(peer))
        return connection

    return dial


def profile(addresses: Sequence[int] = range(10), table: str = "holding", **more: Any) -> DeviceProfile:
    """A point of 16 bits, or of one, at each address; named by it."""
    kind = "bool" if table in ("coil", "discrete") else "uint16"
    rows = [{"name": f"p{a}", "table": table, "address": a, "type": kind} for a in addresses]
    return DeviceProfile.model_validate({"profile": "meter", "points": rows, **more})


FOUR_BLOCKS = profile([start + place for start in (0, 200, 400, 600) for place in range(8)])


def losing(share: float, seed: int = 1) -> Peer:
    """A device that does not get, or whose reply does not come back, as often as this."""
    random = Random(seed)

    def behave(line: Line, asked: Asked) -> None:
        if random.random() >= share:
            line.say(line.answer(asked), 0.01)

    def echo(line: Line, answer: bytes) -> None:
        if random.random() >= share:
            line.say(answer, 0.01)

    return Peer(behave, echo=echo)


@dataclass
class World:
    """Where a scenario plays. `unit` is how long its seconds are: 1 on virtual time, less on real sockets."""

    kind: Literal["memory", "sockets"]
    framing: Framing = "tcp"
    serial: bool = False
    """Whether the endpoint is a serial line, which is never hung up."""

    @property
    def unit(self) -> float:
        return 1.0 if self.kind == "memory" else 0.08

    async def polls(
        self,
        peer: Peer,
        count: int,
        *,
        meter: DeviceProfile | None = None,
        units: Sequence[int] = (1,),
        period: float = 1.0,
        meanwhile: Callable[[ModbusSource, Poll], None] = lambda source, poll: None,
        memory: LearnedLimitsStore | None = None,
        **settings: Any,
    ) -> tuple[list[Poll], ModbusSource]:
        """The first `count` polls of a source on this peer; `period` and `timeout` in units of this world."""
        peer.framing = self.framing
        loop = asyncio.get_running_loop()
        server = None
        if self.kind == "sockets":
            server = await loop.create_server(lambda: _Served(peer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1] if server else 502
        source = self._source(peer, port, meter or profile(), units, period, settings, memory)
        found: list[Poll] = []
        try:
            async with source:
                async for poll in source.polls():
                    found.append(poll)
                    meanwhile(source, poll)
                    if len(found) == count:
                        break
        finally:
            if server is not None:
                server.close()
                for line in peer.lines:
                    line.transport.abort()
                await asyncio.sleep(0)
        return found, source

    def _source(
        self,
        peer: Peer,
        port: int,
        meter: DeviceProfile,
        units: Sequence[int],
        period: float,
        more: dict[str, Any],
        memory: LearnedLimitsStore | None,
    ) -> ModbusSource:
        host = f"127.0.0.1:{port}"
        url = f"{_SCHEMES[self.framing]}://{host}"
        if self.serial:
            url = "rtu:///dev/ttyUSB0?baudrate=9600"
        of_device = {key: more.pop(key) for key in ("settling_polls",) if key in more}
        for key in ("timeout", "connect_timeout", "message_spacing", "connect_delay"):
            if key in more:
                more[key] *= self.unit
        raw = {
            "type": "modbus",
            "url": url,
            "timeout": self.unit,
            "devices": [
                {
                    "device": f"meter-{unit}",
                    "unit_id": unit,
                    "profile": "meter",
                    "poll_periods": dict.fromkeys(meter.groups, period * self.unit),
                    **of_device,
                }
                for unit in units
            ],
            **more,
        }
        settings = ModbusSettings.model_validate(raw)
        loop = asyncio.get_running_loop()
        setups = [
            DeviceSetup(device, meter, Origin("edge-1", device.device, "meter"))
            for device in settings.devices
        ]
        dial = dial_tcp if self.kind == "sockets" else dial_in_memory(peer)
        timebase = Timebase(1.8e9, loop.time())
        return ModbusSource(settings, setups, timebase, Random(7), dial=dial, memory=memory)


def flat(polls: Sequence[Poll]) -> list[dict[str, Any]]:
    """Of each poll: point -> value, or the reason where it is bad; and every good value is the true one."""
    found = []
    for poll in polls:
        unit = int(poll.origin.device.removeprefix("meter-"))
        seen: dict[str, Any] = {}
        for reading in poll.readings:
            for index, name in enumerate(reading.columns.points):
                assert name not in seen, "a value came twice in one poll"
                reason = reading.reasons.get(index)
                value = reading.values[index]
                if reason is None:
                    true = truth(unit, int(name[1:]))
                    assert value == (true % 2 == 1 if isinstance(value, bool) else true)
                else:
                    assert value is None
                seen[name] = value if reason is None else str(reason)
        found.append(seen)
    return found


def reasons(polls: Sequence[Poll]) -> list[str]:
    """Of each poll: `good`, or the reasons of its bad values, joined."""
    return [
        "+".join(sorted({v for v in seen.values() if isinstance(v, str)})) or "good" for seen in flat(polls)
    ]
