"""The plant: all machines on one clock, and what they share.

What stands in the registers after k ticks is a pure function of the settings (with their seed), k and
what was written at which tick; only the serve counters also depend on who read what. Nothing here knows
real time: see `clock.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from qilu.config.error_texts import suggestion
from qilu.contract.profile import DeviceProfile
from qilu.contract.validation import Loc, Problem
from simulator.machines import MODELS
from simulator.network_faults.fault import NetworkFault
from simulator.network_faults.plant_injector import Place
from simulator.network_faults.port_injector import AffectedRequest
from simulator.physics.machine import Fleet, Machines, Values
from simulator.physics.noise import Noise
from simulator.plant import assembly as placing
from simulator.plant.assembly import ModelGroup
from simulator.plant.buffers import Buffers
from simulator.plant.environment import Disturbances, Environment, Moment
from simulator.plant.events import Event, EventPublisher, WireAction
from simulator.plant.faults import REBOOT, SENSOR_FAULTS, FaultInstance, Faults, problems
from simulator.plant.plant_file import DevicePlacement, FaultSettings
from simulator.plant.settings import PlantSettings
from simulator.plant.utilities import Supplies
from simulator.plant.works import Group, Works, seen_from
from simulator.playback.machines import PlaybackMachines
from simulator.playback.recording import Recording
from simulator.registers.device import Device
from simulator.registers.image import Image
from simulator.sensors.layer import Sensors
from simulator.signals.machines import SignalMachines


class Plant:
    """Machines by device name; `advance` is one tick."""

    def __init__(
        self,
        settings: PlantSettings,
        profiles: Mapping[str, DeviceProfile],
        recordings: Mapping[int, Recording] = MappingProxyType({}),
    ) -> None:
        """profiles: one for each model that the settings name. recordings: of the machines that show one, by
        their number in the settings."""
        self._recordings = recordings
        self.settings = settings
        self.tick = 0
        self.devices: dict[str, Device] = {}
        self._environment = Environment(settings)
        placed = list(settings.placed())
        self.events = EventPublisher([entry.device for entry in placed])
        groups: dict[tuple[str, str, int | None, int], list[int]] = {}
        for number, entry in enumerate(placed):
            model, readable = entry.settings.machine, entry.settings.readable_addresses
            has_physics = model in MODELS and entry.settings.playback is None
            own = None if has_physics else entry.entry
            groups.setdefault((model, entry.settings.profile, own, readable), []).append(number)
        self._rows = [
            self._build(np.array(places, dtype=np.intp), placed, profiles[profile])
            for (_, profile, _, _), places in groups.items()
        ]
        self.sensors = Sensors([row.sensed for row in self._rows], settings.seed)
        self.devices = {entry.device: self.devices[entry.device] for entry in placed}
        self._where = {
            placed[place].device: (row, i) for row in self._rows for i, place in enumerate(row.places)
        }
        self.faults = Faults([row.image for row in self._rows], self._fault_changed)
        supplies = Supplies(len(placed), placing.feeds(settings, placed, self._rows))
        for row in self._rows:
            for utility in row.machines.supplies:
                row.machines.stand_on(supplies.headers(utility)[row.places])
        self.buffers = Buffers(len(placed), placing.buffers(settings, placed))
        groups_of = [Group(row.machines, row.places) for row in self._rows]
        self.works = Works(groups_of, supplies, self.buffers, Disturbances(settings.seed))
        # a fault that does not fit is reported by `problems` and not injected
        for fault, loc in self._scripted_faults():
            if not any(self.fault_problems(fault, loc)):
                self.inject(fault)
        self.wires = placing.wires(placed, profiles, settings.seed, lambda: self.seconds)
        self.wires.listen(self._publish_wire_action)
        for network_fault, place in self._scripted():
            if not any(self.wires.problems(network_fault, place)):
                self.wires.inject(network_fault)
        self._step(self._environment_now())

    @property
    def seconds(self) -> float:
        """Simulated seconds since the plant began."""
        return self.tick * self.settings.step

    def true_values(self) -> Iterator[tuple[Sequence[int], DeviceProfile, Values]]:
        """Of all machines, model by model: their places in the order of `devices`, and every point."""
        for row in self._rows:
            yield [int(place) for place in row.places], row.image.profile, row.machines.values()

    @property
    def groups(self) -> Sequence[ModelGroup]:
        return self._rows

    @property
    def images(self) -> Sequence[Image]:
        """The registers of all machines, model by model."""
        return [row.image for row in self._rows]

    @property
    def profiles(self) -> Mapping[str, DeviceProfile]:
        """The profile of each kind of machine by its name, in the order of the devices."""
        return {device.profile.profile: device.profile for device in self.devices.values()}

    def listen(self, on_event: Callable[[Event], None]) -> None:
        """Call `on_event` with what happens from now on, and first with the faults that are there already."""
        self.events.listen(on_event)
        for instance in self.faults:
            if instance.active:
                self._publish_fault(instance.fault, started=True)
        for device, fault in self.wires.active():
            self._publish_network_fault(device, fault, started=True)

    def endpoints(self) -> Mapping[int, Mapping[int, Device]]:
        """Devices by port and unit id, those on serial lines left out."""
        ports: dict[int, dict[int, Device]] = {}
        for device in self.devices.values():
            if device.port:
                ports.setdefault(device.port, {})[device.unit] = device
        return ports

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the settings and only comes to light with the machines: faults, short cycles."""
        yield from self._step_problems()
        for index in range(len(self.settings.faults)):
            of_devices = (
                list(self.fault_problems(fault, loc))
                for fault, loc in self._scripted_faults()
                if loc[1] == index
            )
            yield from next(filter(None, of_devices), ())
        for network_fault, stands_at in self._scripted():
            yield from self.wires.problems(network_fault, stands_at)

    def _step_problems(self) -> Iterator[Problem]:
        """Of each model the first machine that begins more than one part in a step: it would count one."""
        step = self.settings.step
        names = list(self.devices)
        for row in self._rows:
            seconds = row.machines.cycle_seconds()
            if seconds is not None and (seconds < step).any():
                short = int(np.argmax(seconds < step))
                name = names[row.places[short]]
                text = f"{step:g} s is longer than the cycle of {name}, {seconds[short]:.3g} s"
                yield Problem(("step",), text, "give a shorter step, or the machine a larger cycle_factor")

    def _scripted_faults(self) -> Iterator[tuple[FaultSettings, Loc]]:
        """The faults of machines and sensors in the settings, one for each device, and where they stand."""
        for index, fault in enumerate(self.settings.faults):
            struck = self.settings.devices_of([fault.device])
            named = [device for device in self.devices if device in struck] or [fault.device]
            for device in [fault.device] if fault.device in self.devices else named:
                yield fault.model_copy(update={"device": device}), ("faults", index)

    def _scripted(self) -> Iterator[tuple[NetworkFault, Loc]]:
        """The faults of the wire in the settings, for each device that has them, and where they stand."""
        for index, fault in enumerate(self.settings.network_faults):
            yield fault, ("network_faults", index)
        for placed in self.settings.placed():
            for index, fault in enumerate(placed.settings.network_faults):
                yield (
                    fault.copy_with(device=placed.device),
                    ("machines", placed.entry, "network_faults", index),
                )

    def fault_problems(self, fault: FaultSettings, place: Loc) -> Iterator[Problem]:
        """What is wrong with a fault of these settings, which stand at `place`."""
        if fault.device not in self.devices:
            text = f"no device {fault.device!r}"
            yield Problem((*place, "device"), text, suggestion(fault.device, sorted(self.devices)))
            return
        row, _ = self._where[fault.device]
        yield from problems(fault, place, row.machines, self.devices[fault.device])

    def machines_of(self, device: str) -> tuple[Machines, int]:
        """The machines of the device's model, and its place among them."""
        row, index = self._where[device]
        return row.machines, index

    def possible_faults(self, device: str) -> list[str]:
        row, _ = self._where[device]
        return [*row.machines.faults, *SENSOR_FAULTS, REBOOT]

    def inject(self, fault: FaultSettings) -> None:
        """Lets a fault begin, now or later; `start` counts from the start of the plant."""
        row, index = self._where[fault.device]
        self.faults.add(
            FaultInstance(fault, self.devices[fault.device], index, row.image, self.settings.seed)
        )

    def repair(self, device: str, fault: str | None = None) -> int:
        """Ends the faults of that name on the device, or all of them; how many there were."""
        return self.faults.repair(device, fault, self.seconds)

    def advance(self, ticks: int = 1, *, show: bool = True) -> None:
        """Moves the whole plant on by `ticks` steps; the registers show the state after the last one, if they
        are to."""
        for left in reversed(range(ticks)):
            self._step(self.start_tick(), show=show and left == 0)

    def start_tick(self) -> Moment:
        """Half of `advance`, for who moves the machines himself: time and faults go on by one tick. The
        environment after it, without noise."""
        self.tick += 1
        return self._environment_now()

    def _environment_now(self) -> Moment:
        if self.faults.exist:
            for row in self._rows:
                self.faults.step(row.image, self.seconds)
        return self._environment.course(self.seconds)

    def end_tick(self) -> None:
        """The other half: what begins and ends on the wires."""
        for device, fault, started in self.wires.step():
            self._publish_network_fault(device, fault, started=started)

    def _step(self, course: Moment, *, show: bool = True) -> None:
        step = self.settings.step
        everywhere = self.works.surroundings(course, self.tick, step)
        struck = [self.faults.has_sensor_faults(row.image) for row in self._rows]
        follows = self.sensors.need_values(self.seconds)
        needed = show or follows or any(struck) or self.events.on_event is not None
        values: list[Values] = []
        for row in self._rows:
            row.machines.step(step, seen_from(row.places, everywhere))
            if needed:
                values.append(row.machines.values())
                self.events.states(self.tick, row.places, values[-1])
        if follows:
            self.sensors.follow(values, self.seconds)
        if show or any(struck):
            self._publish(values, struck, show=show)
        for group in self.works.groups:
            parts = self.works.exchange(group)
            if parts is not None:
                self.events.parts(self.tick, group.places, parts)
        self.works.move_parts()
        self.end_tick()

    def _publish_network_fault(self, device: str, fault: NetworkFault, *, started: bool) -> None:
        self.events.fault(self.tick, device, f"wire {fault.fault}", started=started)

    def _publish_wire_action(self, place: Place, sent: AffectedRequest) -> None:
        if self.events.on_wire_action is not None:
            self.events.on_wire_action(WireAction(str(place), sent.unit, "+".join(sent.faults), sent.sent))

    def _publish(self, values: Sequence[Values], struck: Sequence[bool], *, show: bool) -> None:
        """What sensors make of the values of each model, faulty ones too; the registers where they are
        shown."""
        readings = self.sensors.read(values, self.seconds)
        for row, true, read, ill in zip(self._rows, values, readings, struck, strict=True):
            points: Mapping[tuple[str, int], float] = {}
            shown = {**true, **read} if read else true
            if ill:
                points = self.faults.distort(row.image, true, shown, self.seconds, self.settings.step)
            if show:
                row.image.refresh(shown, points)

    def _fault_changed(self, fault: FaultSettings, started: bool) -> None:
        self._publish_fault(fault, started=started)

    def _publish_fault(self, fault: FaultSettings, *, started: bool) -> None:
        name = f"{fault.fault} {fault.point}" if fault.point else fault.fault
        self.events.fault(self.tick, fault.device, name, started=started)

    def _build(
        self, places: np.ndarray, placed: Sequence[DevicePlacement], profile: DeviceProfile
    ) -> ModelGroup:
        own = [placed[i] for i in places]
        parameters = [entry.settings.parameters for entry in own]
        names = [entry.device for entry in own]
        fleet = Fleet(names, Noise(self.settings.seed, names), parameters)
        machines: Machines
        first = own[0].settings
        if first.playback is not None:
            recording = self._recordings[own[0].entry]
            machines = PlaybackMachines(
                fleet, profile, first.signals, self.settings.seed, recording, first.playback
            )
        elif first.machine in MODELS:
            machines = MODELS[first.machine](fleet)
        else:
            machines = SignalMachines(fleet, profile, first.signals, self.settings.seed)
        image = Image(
            profile, machines, parameters, names, readable_addresses=own[0].settings.readable_addresses
        )
        for row, entry in enumerate(own):
            self.devices[entry.device] = Device(
                entry.device,
                image,
                row,
                port=entry.port,
                unit=entry.unit,
                writable=entry.settings.writable,
                identity=placing.identity(entry, profile),
            )
        physics = first.machine in MODELS and first.playback is None
        return ModelGroup(
            machines, image, places, placing.sensed(self.settings, own, profile, physics=physics)
        )
