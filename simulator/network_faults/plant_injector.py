"""The wires of a whole plant: which fault is on which port, now and by the scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from qilu.config.error_texts import did_you_mean
from qilu.contract.profile import DeviceProfile
from qilu.contract.validation import Loc, Problem
from qilu.modbus.unit_ids import BROADCAST, SERVER_UNIT_ID
from simulator.network_faults.fault import NetworkFault
from simulator.network_faults.port_injector import AffectedRequest, FaultyWire

Place = int | str
"""A TCP port, or the path of a serial line."""


class WiredDevice(NamedTuple):
    """One device, as its wire needs to know it."""

    device: str
    place: Place
    unit: int
    profile: DeviceProfile
    framing: Literal["tcp", "rtu"] = "tcp"
    any_unit_id: bool = False
    """Whether it replies to every unit id."""


class Wires:
    """By port. A fault of a device strikes the requests to its unit id; what it does to a connection, the
    other devices of the port feel too.
    """

    def __init__(self, devices: Sequence[WiredDevice], seed: int, seconds: Callable[[], float]) -> None:
        """seconds: of the plant."""
        self._devices = {wired.device: wired for wired in devices}
        self._seconds = seconds
        self._by_place: dict[Place, list[WiredDevice]] = {}
        for wired in devices:
            self._by_place.setdefault(wired.place, []).append(wired)
        self._unit_ids = {
            place: frozenset[int]().union(*map(self._units, there)) for place, there in self._by_place.items()
        }
        self._wires = {
            place: FaultyWire(
                seconds,
                framing=there[0].framing,
                seed=f"{seed}/{place}",
                profiles={unit: wired.profile for wired in there for unit in self._units(wired)},
                serial=isinstance(place, str),
            )
            for place, there in self._by_place.items()
        }
        self._active_ports: set[Place] = set()  # where there are faults, or changes still to be reported

    @property
    def faults(self) -> Iterator[NetworkFault]:
        """Those that have not ended, each as often as there are ports that it is on."""
        return (fault for wire in self._wires.values() for fault in wire.faults)

    def __getitem__(self, place: Place) -> FaultyWire:
        return self._wires[place]

    def problems(self, fault: NetworkFault, loc: Loc = ()) -> Iterator[Problem]:
        """What is wrong with a fault in this plant; the places are keys of the fault below `loc`."""
        known = {"device": list(self._devices), "port": [str(place) for place in self._by_place]}
        for key, names in known.items():
            meant = getattr(fault, key)
            if meant is not None and str(meant) not in names:
                remedy = did_you_mean(str(meant), names, f"there are: {', '.join(names[:20])}")
                yield Problem((*loc, key), f"no {key} {meant}", remedy)
                return
        struck = self._struck_by(fault)
        if fault.of_connections and all(isinstance(wired.place, str) for wired in struck):
            text = f"{fault.fault} is a fault of connections, and a serial line has none"
            yield Problem((*loc, "fault"), text, "choose another fault")
        # a fault of a whole port is for those of its devices that it fits
        problems = [
            [*fault.problems(wired.profile), *fault.place_problems(self._unit_ids[wired.place])]
            for wired in struck
        ]
        if problems and all(problems):
            yield from (problem._replace(loc=(*loc, *problem.loc)) for problem in problems[0])

    def inject(self, fault: NetworkFault) -> None:
        """Lets a fault begin, at `start` or, where that is over, now. It must have no `problems`."""
        now = self._seconds()
        if fault.start < now:
            duration = None if fault.duration is None else fault.end - now
            fault = fault.copy_with(start=now, duration=duration)
        else:
            fault = fault.copy_with()
        if fault.device is not None:
            wired = self._devices[fault.device]
            self._wires[wired.place].inject(fault, self._units(wired))
            self._active_ports.add(wired.place)
            return
        for place, wire in self._wires.items():
            if fault.port in (None, place) and not any(fault.place_problems(self._unit_ids[place])):
                wire.inject(fault)
                self._active_ports.add(place)

    def repair(self, name: str | None = None, *, device: str | None = None, port: int | None = None) -> int:
        """Ends the faults of that name (None: all) that were injected for this device, or for this port, or
        where neither is given all of them; how many there were.
        """
        count = 0
        for place, wire in self._wires.items():
            for fault in list(wire.faults):
                meant = name in (None, fault.fault) and device in (None, fault.device)
                if meant and (port is None or (place == port and fault.device is None)):
                    wire.end(fault)
                    count += 1
        return count

    def step(self) -> Iterator[tuple[str, NetworkFault, bool]]:
        """Whose fault has begun (True) or ended since the last call: the device's name, for each device."""
        for place in sorted(self._active_ports, key=str):
            wire = self._wires[place]
            for fault, started in wire.step():
                yield from ((device, fault, started) for device in self._struck_at(place, fault))
            if not wire.faults:
                self._active_ports.discard(place)

    def active(self) -> Iterator[tuple[str, NetworkFault]]:
        """What `step` has reported to have started, and not to have ended."""
        for place in sorted(self._active_ports, key=str):
            for fault in self._wires[place].active:
                yield from ((device, fault) for device in self._struck_at(place, fault))

    def listen(self, on_change: Callable[[Place, AffectedRequest], None] | None) -> None:
        """Is called with every request that a fault changed."""
        for place, wire in self._wires.items():
            wire.on_change = None if on_change is None else lambda sent, place=place: on_change(place, sent)

    def _struck_at(self, place: Place, fault: NetworkFault) -> Iterator[str]:
        return (wired.device for wired in self._by_place[place] if fault.device in (None, wired.device))

    def _units(self, wired: WiredDevice) -> frozenset[int]:
        if wired.any_unit_id:
            return frozenset(range(256))
        alone = len(self._by_place[wired.place]) == 1 and wired.framing == "tcp"
        return frozenset((wired.unit, BROADCAST, SERVER_UNIT_ID) if alone else (wired.unit,))

    def _struck_by(self, fault: NetworkFault) -> Sequence[WiredDevice]:
        return [
            wired
            for wired in self._devices.values()
            if fault.device in (None, wired.device) and fault.port in (None, wired.place)
        ]
