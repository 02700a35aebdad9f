"""Carries out what a client asks of a running plant; every change happens between two ticks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from qilu.config.error_texts import suggestion
from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError
from qilu.contract.validation import FrozenModel
from simulator.network_faults.catalogue import FAULTS as NETWORK_FAULTS
from simulator.network_faults.catalogue import AnyNetworkFault
from simulator.network_faults.fault import NetworkFault
from simulator.plant.clock import Clock
from simulator.plant.faults import FaultInstance
from simulator.plant.plant import Plant
from simulator.plant.plant_file import FaultSettings

MAX_FAULTS = 256
"""Injected faults that are not over, of machines and of wires together: each costs work in every tick."""
EVERYWHERE = "*"
_PORT_DIGITS = 5
TICKS_PER_SLICE = 50  # ticks between which the servers get their turn


class ClockChange(FrozenModel):
    """What is asked of the clock; what is not named stays as it is."""

    paused: bool | None = None
    """Whether time stands still."""
    speed: Annotated[float | None, Field(gt=0, le=10_000)] = None
    """Simulated seconds per second."""
    step: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Ticks by which a paused plant is advanced."""


class _Injection(FrozenModel):
    """One of the two kinds of fault."""

    machine: FaultSettings | None = None
    network: AnyNetworkFault | None = None


class Control:
    """Faults and time of one plant. ConfigError of a method: why it cannot be done, with the remedy."""

    def __init__(self, plant: Plant, clock: Clock) -> None:
        self._plant = plant
        self._clock = clock

    def status(self) -> dict[str, Any]:
        """The plant's time, and how it passes."""
        return {
            "plant": self._plant.settings.plant,
            "tick": self._plant.tick,
            "seconds": round(self._plant.seconds, 6),
            "speed": self._clock.speed,
            "paused": self._clock.paused,
            "ticks_skipped": self._clock.ticks_skipped,
        }

    def faults(self, device: str | None = None) -> list[Mapping[str, Any]]:
        """The faults of machines, sensors and wires that were, are or will be; of one device or of all."""
        if device is not None:
            self.require(device)
        courses = [course for course in self._plant.faults if device in (None, course.fault.device)]
        of_machines = [self._fault_fields(course) for course in courses]
        return of_machines + [self._network_fault_fields(fault) for fault in self._on_wires(device)]

    def inject(self, body: object) -> None:
        """Start a fault; `body`: as in a plant's file, with `start` counting from now."""
        if not isinstance(body, Mapping):
            raise ConfigError("no fault was given", remedy="name the device and its fault")
        name = body.get("fault")
        kind = "network" if isinstance(name, str) and name in NETWORK_FAULTS else "machine"
        try:
            injection = load_text(json.dumps({kind: {"start": 0, **body}}), _Injection, file="request")
        except ConfigError as error:
            for each in error.each():  # the client has not written the kind
                each.key = None if each.key is None else each.key.removeprefix(f"{kind}.")
            raise
        if injection.network is not None:
            self._inject_wire(injection.network)
        else:
            self._inject(injection.machine)

    async def set_clock(self, body: object, wanted: Callable[[], bool]) -> None:
        """Pause, resume, change the speed, or advance a paused plant for as long as that is `wanted`."""
        if not isinstance(body, Mapping):
            raise ConfigError("no change was given", remedy="name paused, speed or step")
        change = load_text(json.dumps(body), ClockChange, file="request")
        if change.paused is not None:
            self._clock.paused = change.paused
        if change.speed is not None:
            self._clock.speed = change.speed
        if change.step is not None:
            await self._step(change.step, wanted)

    def _fault_fields(self, course: FaultInstance) -> Mapping[str, Any]:
        now = self._plant.seconds
        fault = course.fault
        over = now >= course.end
        return {
            "device": fault.device,
            "kind": "machine",
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
            "kind": "network",
            "fault": fault.fault,
            "point": getattr(fault, "point", None),
            "state": "active" if fault.active(self._plant.seconds) else "to come",
            "begin": fault.start,
            "end": None if fault.duration is None else fault.end,
            "severity": fault.probability,
        }

    def _check_room(self) -> None:
        now = self._plant.seconds
        machine_faults = sum(course.end > now for course in self._plant.faults)
        if machine_faults + len(list(self._on_wires(None))) >= MAX_FAULTS:
            raise ConfigError(f"{MAX_FAULTS} faults are injected already", remedy="repair some of them first")

    def _inject(self, fault: FaultSettings | None) -> None:
        if fault is None:
            raise ConfigError("no fault was given", remedy="name the device and its fault")
        self._check_room()
        for problem in self._plant.fault_problems(fault, ()):
            key = ".".join(map(str, problem.loc))
            raise ConfigError(problem.text, key=key, remedy=problem.remedy)
        start = self._plant.seconds + fault.start
        self._plant.inject(fault.model_copy(update={"start": start}))

    def _inject_wire(self, fault: NetworkFault) -> None:
        self._check_room()
        for problem in self._plant.wires.problems(fault):
            raise ConfigError(problem.text, key=".".join(map(str, problem.loc)), remedy=problem.remedy)
        self._plant.wires.inject(fault.copy_with(start=self._plant.seconds + fault.start))

    def repair(self, device: str, name: str | None = None) -> int:
        """End the faults of that name, or all, of a device, a port (its number) or everywhere (`*`); how many
        there were."""
        is_port = device.isdecimal() and len(device) <= _PORT_DIGITS
        if device == EVERYWHERE or is_port:
            port = int(device) if is_port else None
            repaired = self._plant.wires.repair(name, port=port)
        else:
            self.require(device)
            repaired = self._plant.repair(device, name)
            repaired += self._plant.wires.repair(name, device=device)
        if not repaired:
            what = f"no fault {name}" if name else "no fault"
            raise ConfigError(f"{device} has {what}", remedy=f"qilu plant status PLANT {device} lists them")
        return repaired

    def require(self, device: str) -> None:
        """ConfigError where the plant has no such device."""
        if device not in self._plant.devices:
            raise ConfigError(f"no device {device!r}", remedy=suggestion(device, sorted(self._plant.devices)))

    async def _step(self, ticks: int, wanted: Callable[[], bool]) -> None:
        """In slices, so that the servers reply meanwhile."""
        if not self._clock.paused:
            raise ConfigError("the plant is running", remedy="pause it before you step it by hand")
        for done in range(0, ticks, TICKS_PER_SLICE):
            if not wanted():
                return
            self._plant.advance(min(TICKS_PER_SLICE, ticks - done))
            await asyncio.sleep(0)
