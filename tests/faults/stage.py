"""Plays a case: the simulator's server with faults on its wire, and before it the gateway's own source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll, Reason, Value
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import Dial, dial_tcp
from qilu.runtime.monotonic_utc import Timebase
from simulator.network_faults.catalogue import FAULTS, network_fault
from simulator.network_faults.connections import PowerCycle
from simulator.network_faults.fault import NetworkFault
from simulator.network_faults.port_injector import FaultyWire
from simulator.serving.server import ModbusServer, Port, _Connection, _Endpoint
from tests.faults.served import Truthful, Watched, truth
from tests.support.memory_transport import join

Framing = Literal["tcp", "rtu", "serial"]
Kind = Literal["memory", "sockets"]

SOCKET_UNIT = 0.12  # seconds that stand for one where clocks are real
_TIMES = frozenset(
    (
        "start", "duration", "delay", "jitter", "gap", "pause", "max_delay", "busy", "idle_timeout",
        "off_duration", "zero_duration",
    )
)  # fmt: skip
"""Parameters of faults that are durations."""


Intrude = Callable[[], Awaitable[asyncio.Transport]]
"""Connects a client that asks for nothing."""


@dataclass(frozen=True)
class Stage:
    """Where a case plays. `unit` is how long its seconds are: 1 on virtual time, less on real sockets."""

    kind: Kind
    framing: Framing

    @property
    def unit(self) -> float:
        return 1.0 if self.kind == "memory" else SOCKET_UNIT

    @property
    def frames(self) -> Literal["tcp", "rtu"]:
        return "tcp" if self.framing == "tcp" else "rtu"

    def url(self, port: int) -> str:
        if self.framing == "serial":
            return "rtu:///dev/ttyUSB0?baudrate=115200"
        return f"{'tcp' if self.framing == 'tcp' else 'rtu+tcp'}://127.0.0.1:{port}"

    def scaled(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A fault's settings with its times in this stage's seconds."""
        return {key: value * self.unit if key in _TIMES else value for key, value in raw.items()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour of the far side, and what is expected of the gateway. Times are in time-outs: 1 s."""

    row: int
    name: str
    expect: Callable[[Seen], None] = lambda seen: None
    faults: Sequence[Mapping[str, Any]] = ()
    """As in a scenario file, with `strikes` beside: the unit ids whose requests are struck."""
    polls: int = 4
    period: float = 4.0
    units: Sequence[int] = (1,)
    meter: DeviceProfile
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the source, beside what every case has."""
    device: Mapping[str, Any] = field(default_factory=dict)
    """Of every device in those settings."""
    moving: Callable[[], Callable[[int], int]] | None = None
    """Makes, for each device, what gives the registers by their addresses in place of the truth."""
    during: Callable[[Seen], None] = lambda seen: None
    """After each poll."""
    play: Callable[[Case, Stage], Awaitable[None]] | None = None
    """Plays it otherwise than by polling one source."""
    tcp_only: str = ""
    """Why it has no meaning for RTU over TCP."""
    virtual_only: str = ""
    """Why it is not played on real sockets."""
    sockets_only: str = ""
    """Why it is not played in memory."""

    no_line: str = ""
    """Why it has no meaning for a serial line, where its faults do not tell: those of connections."""

    @property
    def framings(self) -> tuple[Framing, ...]:
        """With which framings it has a meaning over TCP."""
        return ("tcp",) if self.tcp_only else ("tcp", "rtu")

    @property
    def on_a_line(self) -> bool:
        """Whether it has a meaning for RTU on a serial line, which is never opened, closed or reset."""
        kinds = [FAULTS[str(raw["fault"])] for raw in self.faults]
        ends = any(kind.of_connections or kind is PowerCycle for kind in kinds)
        ends |= any(raw.get("behaviour") in ("close", "reset") for raw in self.faults)
        return not (ends or self.tcp_only or self.no_line or self.sockets_only)


@dataclass
class Seen:
    """What a case brought."""

    case: Case
    stage: Stage
    source: ModbusSource
    wire: Watched
    devices: Mapping[int, Truthful]
    intrude: Intrude
    dial: Dial
    polls: list[Poll] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Lines in the log about this endpoint that somebody is to read."""

    @property
    def struck(self) -> Mapping[str, int]:
        return self.wire.wire.struck

    def values(self, unit: int | None = None) -> list[dict[str, Value]]:
        """Of each poll (of this unit): point -> value, or the reason where it is bad; nothing is judged."""
        return [
            {
                name: str(reading.reasons[place]) if place in reading.reasons else reading.values[place]
                for reading in poll.readings
                for place, name in enumerate(reading.columns.points)
            }
            for poll in self.polls
            if unit in (None, unit_of(poll))
        ]

    def reasons(self, unit: int | None = None) -> list[str]:
        """Of each poll (of this unit): `good`, or the reasons of its bad values, joined.

        Every value is there once; a good one is the true one, a bad one is none.
        """
        return [
            "+".join(sorted(_judged(poll))) or "good" for poll in self.polls if unit in (None, unit_of(poll))
        ]

    def events(self) -> list[str]:
        return [event.kind for event in self.source.stats.events]

    def inject(self, **raw: Any) -> None:
        self.wire.wire.inject(network_fault(self.stage.scaled(raw)))

    def repair(self) -> None:
        for fault in list(self.wire.wire.faults):
            self.wire.wire.end(fault)


def unit_of(poll: Poll) -> int:
    return int(poll.origin.device.removeprefix("meter-"))


def _judged(poll: Poll) -> set[str]:
    """The reasons in a poll of points named after their address."""
    seen: set[str] = set()
    found: set[str] = set()
    for reading in poll.readings:
        for place, name in enumerate(reading.columns.points):
            assert name not in seen, "a value came twice in one poll"
            seen.add(name)
            value, reason = reading.values[place], reading.reasons.get(place)
            if reason is not None:
                assert value is None
                found.add(str(Reason(reason)))
                continue
            true = truth(unit_of(poll), int(name[1:]))
            assert value == (true % 2 == 1 if isinstance(value, bool) else true), f"{name} is {value}"
    return found


def profile(addresses: Sequence[int] = range(10), table: str = "holding", **more: Any) -> DeviceProfile:
    """A point of 16 bits, or of one, at each address; named by it."""
    kind = "bool" if table in ("coil", "discrete") else "uint16"
    rows = [{"name": f"p{a}", "table": table, "address": a, "type": kind} for a in addresses]
    return DeviceProfile.model_validate({"profile": "meter", "points": rows, **more})


async def play(case: Case, stage: Stage) -> None:
    """Plays a case to its end, and judges it."""
    if case.play is not None:
        await case.play(case, stage)
        return
    async with staged(case, stage) as seen:
        await poll(seen)
    case.expect(seen)


async def poll(seen: Seen, during: Callable[[Seen], None] | None = None) -> None:
    """Polls until the case has what it wants; `during` in place of that of the case."""
    async with seen.source:
        async for found in seen.source.polls():
            seen.polls.append(found)
            (during or seen.case.during)(seen)
            if len(seen.polls) == seen.case.polls:
                break


@asynccontextmanager
async def staged(case: Case, stage: Stage) -> AsyncIterator[Seen]:
    """The far side of a case, and a source that has yet to be entered."""
    start = asyncio.get_running_loop().time()
    wire = FaultyWire(
        lambda: asyncio.get_running_loop().time() - start,
        framing=stage.frames,
        seed=case.name,
        profiles=dict.fromkeys(range(256), case.meter),
        serial=stage.framing == "serial",
    )
    for raw in case.faults:
        fault, units = _struck(stage.scaled(raw))
        wire.inject(fault, units)
    watched = Watched(wire)
    devices = {unit: Truthful(unit, case.moving and case.moving()) for unit in case.units}
    async with serving(Port(devices, framing=stage.frames, wire=watched), stage) as (port, dial, intrude):
        source = source_of(case, stage, port, dial)
        seen = Seen(case, stage, source, watched, devices, intrude, dial)
        with _listening(seen):
            yield seen


@asynccontextmanager
async def serving(port: Port, stage: Stage) -> AsyncIterator[tuple[int, Dial, Intrude]]:
    """The simulator's server, listening or to be dialled in memory."""
    loop = asyncio.get_running_loop()
    if stage.kind == "sockets":
        async with ModbusServer([port]) as server:
            number = server.addresses[0][1]

            async def connect() -> asyncio.Transport:
                return (await loop.create_connection(_Mute, "127.0.0.1", number))[0]

            yield number, dial_tcp, connect
        return
    endpoint = _Endpoint(port)
    async with asyncio.TaskGroup() as tasks:

        async def dial(_: object, made: Callable[[], Connection]) -> Connection:
            connection = made()
            join(connection, _Connection(endpoint, tasks))
            return connection

        async def intrude() -> asyncio.Transport:
            return join(_Mute(), _Connection(endpoint, tasks))

        yield 502, dial, intrude


class _Mute(asyncio.BufferedProtocol):
    """A client that says nothing."""

    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray(256)


class StageRandom(Random):
    """Waits between two connections are in the seconds of the stage, too."""

    unit = 1.0

    def uniform(self, a: float, b: float) -> float:
        return super().uniform(a, b) * self.unit


def source_of(
    case: Case,
    stage: Stage,
    port: int,
    dial: Dial,
    slots: ConnectLimiter | None = None,
    random: Random | None = None,
) -> ModbusSource:
    """A source for the units of a case, its times in the seconds of the stage."""
    given = dict(case.settings)
    for key in ("timeout", "connect_timeout", "message_spacing", "connect_delay"):
        if key in given:
            given[key] *= stage.unit
    groups = dict.fromkeys(case.meter.groups, case.period * stage.unit)
    raw = {
        "type": "modbus",
        "url": stage.url(port),
        "timeout": stage.unit,
        "devices": [
            {
                "device": f"meter-{unit}",
                "unit_id": unit,
                "profile": "meter",
                "poll_periods": groups,
                **case.device,
            }
            for unit in case.units
        ],
        **given,
    }
    settings = ModbusSettings.model_validate(raw)
    setups = [
        DeviceSetup(device, case.meter, Origin("edge-1", device.device, "meter"))
        for device in settings.devices
    ]
    timebase = Timebase(1.8e9, asyncio.get_running_loop().time())
    if random is None:
        random = StageRandom(7)
        random.unit = stage.unit
    return ModbusSource(settings, setups, timebase, random, dial=dial, slots=slots)


def _struck(raw: dict[str, Any]) -> tuple[NetworkFault, frozenset[int] | None]:
    only = raw.pop("strikes", None)
    return network_fault(raw), None if only is None else frozenset(only)


class _listening(logging.Handler):  # noqa: N801 - it is used as a context
    """Collects what the source logs for people to read."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(logging.WARNING)
        self._seen = seen
        self._logger = logging.getLogger("gateway.sources")

    def __enter__(self) -> None:
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if self._seen.source.name in text:
            self._seen.warnings.append(text)
