"""Ten minutes of the shipped plant as polls, read from its registers by the gateway's own plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from gateway.accounting.edge_account import EdgeAccount, origin_of
from gateway.health import GROUP, POINTS, PROFILE
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import Block, plans
from gateway.sources.modbus.settings import DeviceSettings
from qilu.config.profiles import profiles
from qilu.config.settings_file import load
from qilu.contract.accounting import (
    COLLECTION,
    COUNTS,
    COUNTS_POINTS,
    EDGE_COUNTS_POINTS,
    EVENT_POINTS,
    EVENTS,
    EventKind,
)
from qilu.contract.profile import Table
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.modbus.errors import IllegalAddress
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.registers.device import Device
from tests.deploy.deployed import CONFIGS

EDGE = "edge-1"
OF_ALL_DEVICES = BlockSchema(
    origin_of(Origin(EDGE, EDGE, PROFILE, "demo-enterprise", "demo-plant")), COUNTS, EDGE_COUNTS_POINTS
)
SECONDS = 600
EVERY = 5


@dataclass(frozen=True, slots=True)
class Silence:
    """When a device does not answer, and why; in seconds."""

    reason: Reason
    begin: int
    end: int


SILENT = {
    "compressor-2": Silence(Reason.TIMEOUT, 120, 180),
    "press-1": Silence(Reason.UNREACHABLE, 120, 180),
    "chiller-1": Silence(Reason.UNREACHABLE, 360, SECONDS + 1),
}

Read = tuple[Device, list[list[Block]]]
"""A device and the blocks of its poll groups."""


def served(end_ms: int, file: Path = CONFIGS / "plant.yaml") -> Iterator[Poll]:
    """Polls of all devices and of the gateway itself, the last ones at `end_ms`."""
    settings = load(file, PlantSettings).model_copy(update={"step": 1.0})
    plant = Plant(settings, profiles({machine.machine for machine in settings.machines}))
    reads = [read_device(plant.devices[placed.device], placed.settings.line) for placed in settings.placed()]
    total = EdgeAccount()
    for second in range(0, SECONDS + 1, EVERY):
        time_ms = end_ms - (SECONDS - second) * 1000
        for device, groups in reads:
            silence = SILENT.get(device.name)
            reason = silence.reason if silence and silence.begin <= second < silence.end else None
            for blocks in groups:
                yield Poll(time_ms, tuple(reading_of(device, block, time_ms, reason) for block in blocks))
            if second % 60 == 0:
                ended = account(groups[0][0].columns.origin, time_ms)
                total.add(ended)
                yield ended
            if silence and second == silence.begin:
                yield offline(groups[0][0].columns.origin, time_ms)
        if total:
            yield Poll(time_ms, (Reading(OF_ALL_DEVICES, time_ms, total.take()),))
        yield gateway_health(time_ms, second)
        plant.advance(EVERY)


def gateway_health(time_ms: int, second: int) -> Poll:
    """All points of the profile `gateway`: counters rise, and the link is up."""
    columns = BlockSchema(Origin(EDGE, EDGE, PROFILE, "", "demo-plant"), GROUP, tuple(POINTS))
    values = tuple(1 if point == "broker_connected" else second * 10 for point in POINTS)
    return Poll(time_ms, (Reading(columns, time_ms, values),))


def account(device: Origin, time_ms: int) -> Poll:
    """What an edge tells of its collecting from a device, every minute."""
    origin = replace(device, profile=COLLECTION)
    values = tuple(60_000 if point == "span_ms" else 60 for point in COUNTS_POINTS)
    return Poll(time_ms, (Reading(BlockSchema(origin, COUNTS, COUNTS_POINTS), time_ms, values),))


def offline(device: Origin, time_ms: int) -> Poll:
    """What an edge tells when a device does not answer any more; the text is the only one in the store."""
    columns = BlockSchema(replace(device, profile=COLLECTION), EVENTS, EVENT_POINTS)
    values = tuple(0 if point != "text" else "offline" for point in EVENT_POINTS)
    values = (int(EventKind.OFFLINE), *values[1:])
    return Poll(time_ms, (Reading(columns, time_ms, values),))


def read_device(device: Device, line: str, edge: str = EDGE) -> Read:
    """What the gateway reads of a device."""
    origin = Origin(edge, device.name, device.profile.profile, "demo-enterprise", "demo-plant", line)
    settings = DeviceSettings(device=device.name, profile=device.profile.profile, line=line)
    return device, [
        [part for block in group.blocks for part in _readable(device, block)]
        for group in plans(device.profile, settings, origin, "tcp")
    ]


def _readable(device: Device, block: Block) -> Iterator[Block]:
    """The block, or its parts where the device refuses to be read through a gap, as the gateway learns it."""
    try:
        _data(device, block.span)
    except IllegalAddress:
        for half in Bisection().refused(block.span, Reason.ILLEGAL_ADDRESS):
            yield from _readable(device, block.part(half))
    else:
        yield block


def reading_of(device: Device, block: Block, time_ms: int, reason: Reason | None = None) -> Reading:
    """The values of a block as they are now, or why there are none."""
    if reason is not None:
        return block.bad(time_ms, reason)
    return block.reading(time_ms, _data(device, block.span))


def _data(device: Device, span: Span) -> bytes:
    table, first, count = _place(span)
    ask = device.read_bits if table.holds_bits else device.read_registers
    return ask(table, first, count)


@lru_cache(maxsize=10_000)
def _place(span: Span) -> tuple[Table, int, int]:
    return span.table, span.first, span.count
