"""A plant as its server sees it: which devices are behind which port or serial line, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from qilu.modbus.unit_ids import BROADCAST, SERVER_UNIT_ID
from simulator.physics.noise import stream
from simulator.plant.plant import Plant
from simulator.plant.plant_file import DevicePlacement
from simulator.registers.device import Device
from simulator.serving.server import Bus, Delay, Port, RequestObserver
from simulator.serving.settings import LatencySettings


def ports(plant: Plant, observer: RequestObserver | None, *, free: bool = False) -> list[Port]:
    """In the order of `plant.endpoints()`. free: any port of the machine instead of that of the settings."""
    on_port = {placed.port: placed.settings for placed in plant.settings.placed()}
    latencies = _latencies(plant)
    return [
        Port(
            units,
            0 if free else port,
            plant.settings.host,
            framing=on_port[port].framing,
            wire=plant.wires[port],
            any_unit_id=on_port[port].ignore_unit_id,
            delays=_delays(plant, units, latencies, any_unit_id=on_port[port].ignore_unit_id),
            observer=observer,
        )
        for port, units in plant.endpoints().items()
    ]


def buses(plant: Plant, observer: RequestObserver | None) -> Iterator[Bus]:
    together: dict[str, list[DevicePlacement]] = {}
    for placed in plant.settings.placed():
        if placed.settings.serial is not None:
            together.setdefault(str(placed.settings.wire_place), []).append(placed)
    latencies = _latencies(plant)
    for on_line in together.values():
        units = {placed.unit: plant.devices[placed.device] for placed in on_line}
        serial = on_line[0].settings.serial
        assert serial is not None
        delays = _delays(plant, units, latencies)
        wire = plant.wires[on_line[0].settings.wire_place]
        yield Bus(Port(units, framing="rtu", wire=wire, delays=delays, observer=observer), serial)


def _latencies(plant: Plant) -> Mapping[str, LatencySettings]:
    return {
        placed.device: placed.settings.latency
        for placed in plant.settings.placed()
        if placed.settings.latency is not None
    }


def _delays(
    plant: Plant,
    units: Mapping[int, Device],
    latencies: Mapping[str, LatencySettings],
    *,
    any_unit_id: bool = False,
) -> Mapping[int, Delay]:
    delays: dict[int, Delay] = {
        unit: delay(latencies[device.name], plant.settings.seed, device.name)
        for unit, device in units.items()
        if device.name in latencies
    }
    if len(units) == 1 and delays:
        [only] = delays.values()
        if any_unit_id:
            return dict.fromkeys(range(256), only)
        return {BROADCAST: only, SERVER_UNIT_ID: only, **delays}
    return delays


def delay(latency: LatencySettings, seed: int, device: str) -> Delay:
    """Waits as long as the device takes, each time anew between mean - jitter and mean + jitter (uniform)."""
    generator = stream(seed, device, "latency")

    async def wait() -> None:
        await asyncio.sleep(latency.mean + latency.jitter * (2.0 * generator.random() - 1.0))

    return wait
