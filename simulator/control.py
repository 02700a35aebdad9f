"""Steers a running plant from this machine: a JSON object per line over TCP on the loopback address.

A request: {"do": WHAT, ...}, with the keys of `Command`; `fault.start` counts from now. The answer: the
plant's state and what was asked for, or {"error": WHAT IS WRONG}; a line that is no JSON object ends the
connection, so that no web page can talk to it by accident.
"""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from qilu.config.error_texts import suggestion
from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError
from qilu.contract.validation import FrozenModel
from simulator.network_faults.catalogue import FAULTS as WIRE_FAULTS
from simulator.network_faults.catalogue import AnyNetworkFault
from simulator.network_faults.fault import NetworkFault
from simulator.plant.clock import Clock
from simulator.plant.faults import FaultInstance
from simulator.plant.plant import Plant
from simulator.plant.plant_file import FaultSettings

LOOPBACK = "127.0.0.1"
MAX_LINE = 65_536
MAX_CLIENTS = 16
MAX_FAULTS = 256
"""Injected faults that are not over, of machines and of wires together: each costs work in every tick."""
EVERYWHERE = "*"
TICKS_PER_SLICE = 50  # ticks between which the servers get their turn

Action: TypeAlias = Literal["status", "list", "inject", "repair", "pause", "resume", "step", "speed"]


class Command(FrozenModel):
    """One request; each `do` has use for some of the other keys."""

    do: Action
    fault: FaultSettings | None = None
    """To inject."""
    wire: AnyNetworkFault | None = None
    """To inject instead: a fault of the wire of a device, a port or all."""
    device: Annotated[str | None, Field(max_length=200)] = None
    """To list or to repair; a number is a port and * all wires, where their faults are repaired."""
    name: Annotated[str | None, Field(max_length=200)] = None
    """Of the fault to repair; without it, all of the device."""
    ticks: Annotated[int, Field(ge=1, le=100_000)] = 1
    """To step on by."""
    speed: Annotated[float | None, Field(gt=0, le=10_000)] = None


class Control:
    """Carries commands out; every command that changes the plant does so between two ticks."""

    def __init__(self, plant: Plant, clock: Clock) -> None:
        self._plant = plant
        self._clock = clock

    async def execute(self, command: Command, wanted: Callable[[], bool]) -> Mapping[str, Any]:
        """The response. ConfigError: it cannot be done so. Stepping ends when it is no longer `wanted`."""
        match command.do:
            case "list":
                return self._status() | self._list(command.device)
            case "inject":
                if command.wire is None:
                    self._inject(command.fault)
                else:
                    self._inject_wire(command.wire)
            case "repair":
                return self._status() | {"repaired": self._repair(command)}
            case "pause" | "resume":
                self._clock.paused = command.do == "pause"
            case "step":
                await self._step(command.ticks, wanted)
            case "speed":
                if command.speed is None:
                    raise ConfigError("no speed was given", remedy="give simulated seconds per second")
                self._clock.speed = command.speed
            case "status":
                pass
        return self._status()

    def _status(self) -> dict[str, Any]:
        return {
            "plant": self._plant.settings.plant,
            "tick": self._plant.tick,
            "seconds": round(self._plant.seconds, 6),
            "speed": self._clock.speed,
            "paused": self._clock.paused,
            "ticks_skipped": self._clock.ticks_skipped,
        }

    def _list(self, device: str | None) -> dict[str, Any]:
        courses = [course for course in self._plant.faults if device in (None, course.fault.device)]
        rows: dict[str, Any] = {"faults": [self._fault_fields(course) for course in courses]}
        rows["faults"] += [self._network_fault_fields(fault) for fault in self._on_wires(device)]
        if device is not None:
            self._require(device)
            rows["possible"] = [*self._plant.possible_faults(device), *WIRE_FAULTS]
        return rows

    def _fault_fields(self, course: FaultInstance) -> Mapping[str, Any]:
        now = self._plant.seconds
        fault = course.fault
        over = now >= course.end
        return {
            "device": fault.device,
            "fault": fault.fault,
            "point": fault.point,
            "state": "over" if over else "active" if fault.start <= now else "to come",
            "begin": fault.start,
            "end": None if course.end == float("inf") else course.end,
            "severity": round(course.severity(now), 6),
        }

    def _on_wires(self, device: str | None) -> Iterable[NetworkFault]:
        """Each fault once, on however many ports it is; those of a whole port strike each of its devices."""
        faults: dict[str, NetworkFault] = {}
        for fault in self._plant.wires.faults:
            if device is None or fault.device == device or self._strikes(fault, device):
                faults.setdefault(repr(fault), fault)
        return faults.values()

    def _strikes(self, fault: NetworkFault, device: str) -> bool:
        at = self._plant.devices.get(device)
        return fault.device is None and at is not None and fault.port in (None, at.port)

    def _network_fault_fields(self, fault: NetworkFault) -> Mapping[str, Any]:
        whole = "all ports" if fault.port is None else f"port {fault.port}"
        return {
            "device": fault.device or whole,
            "fault": fault.fault,
            "point": getattr(fault, "point", None),
            "state": "active" if fault.active(self._plant.seconds) else "to come",
            "begin": fault.start,
            "end": None if fault.duration is None else fault.end,
            "severity": fault.probability,
        }

    def _require_room(self) -> None:
        now = self._plant.seconds
        machine_faults = sum(course.end > now for course in self._plant.faults)
        if machine_faults + len(list(self._on_wires(None))) >= MAX_FAULTS:
            raise ConfigError(f"{MAX_FAULTS} faults are injected already", remedy="repair some of them first")

    def _inject(self, fault: FaultSettings | None) -> None:
        if fault is None:
            raise ConfigError("no fault was given", remedy="name the device and its fault")
        self._require_room()
        for problem in self._plant.fault_problems(fault, ()):
            key = ".".join(map(str, problem.loc))
            raise ConfigError(problem.text, key=key, remedy=problem.remedy)
        start = self._plant.seconds + fault.start
        self._plant.inject(fault.model_copy(update={"start": start}))

    def _inject_wire(self, fault: NetworkFault) -> None:
        self._require_room()
        for problem in self._plant.wires.problems(fault):
            raise ConfigError(problem.text, key=".".join(map(str, problem.loc)), remedy=problem.remedy)
        self._plant.wires.inject(fault.copy_with(start=self._plant.seconds + fault.start))

    def _repair(self, command: Command) -> int:
        if command.device is None:
            raise ConfigError("no device was given", remedy="name the device that is repaired")
        if command.device == EVERYWHERE or command.device.isdecimal():
            port = int(command.device) if command.device.isdecimal() else None
            repaired = self._plant.wires.repair(command.name, port=port)
        else:
            self._require(command.device)
            repaired = self._plant.repair(command.device, command.name)
            repaired += self._plant.wires.repair(command.name, device=command.device)
        if not repaired:
            what = f"no fault {command.name}" if command.name else "no fault"
            remedy = f"see what there is: list {command.device}"
            raise ConfigError(f"{command.device} has {what}", remedy=remedy)
        return repaired

    def _require(self, device: str) -> None:
        if device not in self._plant.devices:
            raise ConfigError(f"no device {device!r}", remedy=suggestion(device, sorted(self._plant.devices)))

    async def _step(self, ticks: int, wanted: Callable[[], bool]) -> None:
        if not self._clock.paused:
            raise ConfigError("the plant is running", remedy="pause it before you step it by hand")
        for done in range(0, ticks, TICKS_PER_SLICE):
            if not wanted():
                return
            self._plant.advance(min(TICKS_PER_SLICE, ticks - done))
            await asyncio.sleep(0)


@asynccontextmanager
async def serve_control(plant: Plant, clock: Clock, port: int) -> AsyncIterator[int]:
    """Listens on the loopback address alone; gives the port, which 0 leaves open. ConfigError: taken."""
    control = Control(plant, clock)
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(writers) >= MAX_CLIENTS:
            writer.close()
            return
        writers.add(writer)
        try:
            await _converse(control, reader, writer)
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writers.discard(writer)
            writer.close()

    try:
        server = await asyncio.start_server(connected, LOOPBACK, port, limit=MAX_LINE)
    except OSError as error:
        known = error.errno == errno.EADDRINUSE
        problem = "the port is in use" if known else (error.strerror or str(error))
        raise ConfigError(
            f"cannot be controlled on {LOOPBACK}:{port}: {problem}",
            key="control",
            remedy="choose another port for `control`",
        ) from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def _converse(control: Control, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await _line(reader):
        try:
            if not isinstance(json.loads(line), dict):
                return
        except (ValueError, RecursionError):
            return
        try:
            command = load_text(line.decode(), Command, file="request")
            response = await control.execute(command, lambda: not reader.at_eof())
        except ConfigError as error:
            response = {"error": str(error)}
        writer.write(json.dumps(response).encode() + b"\n")
        await writer.drain()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; nothing at the end or where it is too long."""
    try:
        return await reader.readline()
    except ValueError:
        return b""
