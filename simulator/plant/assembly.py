"""How a plant is put together from its settings: who feeds whom, which buffers stand where, which wires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qilu.contract.profile import DeviceProfile
from simulator.network_faults.plant_injector import WiredDevice, Wires
from simulator.physics.machine import Machines
from simulator.physics.utility import Utility
from simulator.plant.buffers import Buffer
from simulator.plant.plant_file import DevicePlacement
from simulator.plant.settings import PlantSettings
from simulator.registers.image import Image
from simulator.sensors.layer import SensedModel
from simulator.sensors.settings import sensors_of

IDENTITY_VENDOR, IDENTITY_PRODUCT, IDENTITY_REVISION, IDENTITY_NAME = 0, 1, 2, 4


@dataclass(frozen=True)
class ModelGroup:
    """All machines of one model; `places` are their indexes in the plant's order of devices."""

    machines: Machines
    image: Image
    places: np.ndarray
    sensed: SensedModel


def sensed(
    settings: PlantSettings, own: Sequence[DevicePlacement], profile: DeviceProfile, *, physics: bool
) -> SensedModel:
    of_entry = {
        entry.entry: sensors_of(
            profile,
            settings.sensors if entry.settings.sensors is None else entry.settings.sensors,
            physics=physics,
        )
        for entry in own
    }
    return SensedModel(profile, [entry.device for entry in own], [of_entry[entry.entry] for entry in own])


def feeds(
    settings: PlantSettings, placed: Sequence[DevicePlacement], rows: Sequence[ModelGroup]
) -> Mapping[Utility, Sequence[tuple[int, int]]]:
    """Pairs (supplier, consumer) of each utility: what a machine gives goes to all that it feeds."""
    pairs: dict[Utility, list[tuple[int, int]]] = {}
    index = {entry.device: number for number, entry in enumerate(placed)}
    consumers = {
        id(entry.settings): sorted(index[device] for device in settings.fed_by(entry.settings))
        for entry in {id(entry.settings): entry for entry in placed if entry.settings.feeds}.values()
    }
    for row in rows:
        for utility in row.machines.supplies:
            pairs[utility] = pairs.get(utility, []) + [
                (int(place), consumer)
                for place in row.places
                for consumer in consumers.get(id(placed[place].settings), ())
            ]
    return pairs


def buffers(settings: PlantSettings, placed: Sequence[DevicePlacement]) -> list[Buffer]:
    def places(names: Sequence[str]) -> list[int]:
        devices = settings.devices_of(names)
        return [index for index, entry in enumerate(placed) if entry.device in devices]

    return [
        Buffer(buffer.capacity, buffer.filled, places(buffer.after), places(buffer.before))
        for buffer in settings.buffers
    ]


def wires(
    placed: Sequence[DevicePlacement],
    profiles: Mapping[str, DeviceProfile],
    seed: int,
    seconds: Callable[[], float],
) -> Wires:
    devices = [
        WiredDevice(
            entry.device,
            entry.port or entry.settings.wire_place,
            entry.unit,
            profiles[entry.settings.profile],
            entry.settings.framing if entry.port else "rtu",
            entry.settings.ignore_unit_id,
        )
        for entry in placed
    ]
    return Wires(devices, seed, seconds)


def identity(entry: DevicePlacement, profile: DeviceProfile) -> Mapping[int, bytes]:
    defaults = {
        IDENTITY_VENDOR: b"Qilu",
        IDENTITY_PRODUCT: profile.profile.encode(),
        IDENTITY_REVISION: b"1.0",
        IDENTITY_NAME: f"{profile.title} {entry.device}".encode(),
    }
    return defaults | entry.settings.identity.objects()
