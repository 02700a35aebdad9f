"""What can be wrong in a plant's file beyond single values: names, places, neighbours that do not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from qilu.config.error_texts import nearest, suggestion
from qilu.contract.validation import Loc, Problem
from simulator.plant.catalogue import CATALOGUE, traits_of
from simulator.plant.plant_file import LAST_UNIT, DevicePlacement, PlantFile


def of_plant(plant: PlantFile) -> list[Problem]:
    """Everything that is wrong, each at its place in the file."""
    problems = [
        *_useless_signals(plant),
        *_double_places(plant),
        *_shared_ports(plant),
        *_unlike_neighbours(plant),
        *_port_of_control(plant),
        *_unknown_names(plant),
    ]
    return problems or [*_double_buffers(plant), *_useless_buffers(plant), *_useless_feeds(plant)]


def _useless_signals(plant: PlantFile) -> Iterator[Problem]:
    for entry, machine in enumerate(plant.machines):
        if machine.playback is not None and machine.feeds:
            text = f"{machine.device} shows a recording, and supplies nothing"
            yield Problem(("machines", entry, "feeds"), text, "leave feeds out, or playback")
        if machine.signals and machine.machine in CATALOGUE and machine.playback is None:
            text = f"the points of {machine.machine} are moved by its physics"
            yield Problem(("machines", entry, "signals"), text, "leave signals out, or name another profile")


def _double_places(plant: PlantFile) -> Iterator[Problem]:
    names: dict[str, int] = {}
    places: dict[tuple[int | str, int], str] = {}
    for device, port, unit, machine, entry, _ in plant.placed():
        if port > 65535:
            yield Problem(
                ("machines", entry, "replicas"),
                f"{device} would be on port {port}",
                "begin with a lower port",
            )
            break
        speaks_rtu = machine.serial is not None or machine.framing == "rtu"
        if speaks_rtu and unit == 0:
            text = "0 is the broadcast address in RTU frames, and gets no reply"
            yield Problem(("machines", entry, "unit_id"), text, f"give a unit id from 1 to {LAST_UNIT}")
        elif speaks_rtu and unit > LAST_UNIT:
            text = f"{device} would be unit {unit}, and {LAST_UNIT} is the last in RTU frames"
            by_replicas = machine.replicas is not None and machine.unit_id <= LAST_UNIT
            remedy = "use fewer, or a second line" if by_replicas else f"give one from 1 to {LAST_UNIT}"
            yield Problem(("machines", entry, "replicas" if by_replicas else "unit_id"), text, remedy)
            break
        if device in names:
            text = f"a second device {device!r}; the first one is machine {names[device] + 1} of the file"
            yield Problem(("machines", entry, "device"), text, "give each device its own name")
        place: int | str = port or machine.wire_place
        if (place, unit) in places:
            where = f"port {port}" if port else f"{place}"
            text = f"{device!r} and {places[place, unit]!r} are both unit {unit} on {where}"
            yield Problem(("machines", entry, "unit_id"), text, "give each device of a port its own unit id")
        names.setdefault(device, entry)
        places.setdefault((place, unit), device)


def _shared_ports(plant: PlantFile) -> Iterator[Problem]:
    """Devices that ignore unit ids and are not alone on a TCP port."""
    devices = Counter(placed.port or placed.settings.place for placed in plant.placed())
    for entry, machine in enumerate(plant.machines):
        here = ("machines", entry, "ignore_unit_id")
        if not machine.ignore_unit_id:
            continue
        if machine.serial is not None or machine.framing == "rtu":
            yield Problem(here, "needs Modbus TCP: RTU frames go to all devices of a line", "leave it out")
        elif any(devices[placed.port] > 1 for placed in plant.placed() if placed.entry == entry):
            remedy = "give each such device a port of its own: replicas with units_per_port: 1"
            yield Problem(here, "other devices are on the same port", remedy)


def _unlike_neighbours(plant: PlantFile) -> Iterator[Problem]:
    """Devices that share a port or a line, and do not agree on how it speaks."""
    first: dict[int | str, DevicePlacement] = {}
    for placed in plant.placed():
        place: int | str = placed.port or placed.settings.wire_place
        own, other = placed.settings, first.setdefault(place, placed).settings
        if own.framing != other.framing:
            text = f"{other.device} speaks {other.framing} on the same port"
            yield Problem(("machines", placed.entry, "framing"), text, "a port has one framing")
        if own.serial != other.serial:
            text = f"{other.device} has other settings for the same line"
            yield Problem(("machines", placed.entry, "serial"), text, "a line has one speed and parity")


def _named(plant: PlantFile) -> Iterator[tuple[Loc, str]]:
    """Every place of the file that names devices, rows or lines."""
    for entry, machine in enumerate(plant.machines):
        yield from ((("machines", entry, "feeds", index), name) for index, name in enumerate(machine.feeds))
    for entry, fault in enumerate(plant.faults):
        yield ("faults", entry, "device"), fault.device
    for entry, buffer in enumerate(plant.buffers):
        yield from ((("buffers", entry, "after", index), name) for index, name in enumerate(buffer.after))
        yield from ((("buffers", entry, "before", index), name) for index, name in enumerate(buffer.before))


def _unknown_names(plant: PlantFile) -> Iterator[Problem]:
    known = {placed.device for placed in plant.placed()}
    known |= {machine.device for machine in plant.machines} | {
        machine.line for machine in plant.machines if machine.line
    }
    for place, name in _named(plant):
        if name not in known:
            yield Problem(place, f"no device and no line {name!r}", suggestion(name, sorted(known)))
    lines = sorted({machine.line for machine in plant.machines if machine.line})
    for line in plant.lines:
        if line not in lines:
            yield Problem(("lines", line), "no machine is on this line", suggestion(line, lines))


def _double_buffers(plant: PlantFile) -> Iterator[Problem]:
    for side in ("after", "before"):
        first: dict[str, int] = {}
        for entry, buffer in enumerate(plant.buffers):
            for device in sorted(plant.devices_of(getattr(buffer, side))):
                if first.setdefault(device, entry) != entry:
                    where = "before" if side == "after" else "behind"
                    problem = f"{device} already stands {where} another buffer"
                    yield Problem(
                        ("buffers", entry, side), problem, "a machine fills and empties one buffer at most"
                    )


def _useless_buffers(plant: PlantFile) -> Iterator[Problem]:
    """Buffers at which nothing stands, and names of which no machine fills or empties one."""
    models = {placed.device: placed.settings.machine for placed in plant.placed()}
    able = ", ".join(model for model, traits in CATALOGUE.items() if traits.handles_parts)
    for entry, buffer in enumerate(plant.buffers):
        if not buffer.after and not buffer.before:
            remedy = "name the machines after and before which it stands"
            yield Problem(("buffers", entry), "no machine fills it and none empties it", remedy)
        for side, names in (("after", buffer.after), ("before", buffer.before)):
            for index, name in enumerate(names):
                if not any(traits_of(models[device]).handles_parts for device in plant.devices_of([name])):
                    text = f"nothing in {name!r} handles parts"
                    remedy = f"leave it out; what does: {able}"
                    yield Problem(("buffers", entry, side, index), text, remedy)


def _useless_feeds(plant: PlantFile) -> Iterator[Problem]:
    """Machines that supply nothing, and names of which no machine takes what is supplied."""
    models = {placed.device: placed.settings.machine for placed in plant.placed()}
    for entry, machine in enumerate(plant.machines):
        supplied = traits_of(machine.machine).supplies
        if machine.feeds and not supplied:
            able = ", ".join(model for model, traits in CATALOGUE.items() if traits.supplies)
            text = f"{machine.machine} supplies nothing"
            close = "" if machine.machine in CATALOGUE else nearest(machine.machine, CATALOGUE)
            remedy = f"did you mean {close}?" if close else f"leave it out; what supplies is: {able}"
            yield Problem(("machines", entry, "feeds"), text, remedy)
            continue
        for index, name in enumerate(machine.feeds):
            fed = {models[device] for device in plant.devices_of([name])}
            if not any(supplied & traits_of(model).takes for model in fed):
                able = ", ".join(model for model, traits in CATALOGUE.items() if supplied & traits.takes)
                text = f"nothing in {name!r} takes {' or '.join(sorted(supplied))}"
                remedy = f"leave it out; what takes it is: {able}"
                yield Problem(("machines", entry, "feeds", index), text, remedy)


def _port_of_control(plant: PlantFile) -> Iterator[Problem]:
    control = plant.control_settings
    for placed in plant.placed() if control is not None else ():
        if control is not None and placed.port == control.port:
            text = f"port {placed.port} is that of {placed.device}"
            yield Problem(("control",), text, "choose a port on which no machine is")
            return
