"""Random faults of a fleet: which unit has one, when it starts, how it grows, and who is in the test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from simulator.learning.presets import FleetPreset
from simulator.physics.noise import stream


class Unit(NamedTuple):
    """One machine of the fleet; `fault`: its keys in a plant's file, None where it is healthy."""

    device: str
    split: str
    fault: dict[str, Any] | None


def drawn_units(preset: FleetPreset, seed: int) -> Sequence[Unit]:
    """The units of a fleet, from a seed: healthy ones and each growth are in both sets, as far as they go."""
    order = stream(seed, "fleet", "order").permutation(preset.units)
    healthy = round(preset.healthy * preset.units)
    units = []
    for number in range(preset.units):
        device, place = f"unit-{number + 1:02}", int(order[number])
        test = int((place + 1) * preset.test_share) > int(place * preset.test_share)
        fault = None if place % preset.units < healthy else _drawn_fault(preset, device, seed, place)
        units.append(Unit(device, "test" if test else "train", fault))
    return units


def _drawn_fault(preset: FleetPreset, device: str, seed: int, place: int) -> dict[str, Any]:
    draw = stream(seed, device, "fleet fault")
    ramp = draw.uniform(*preset.ramp)
    return {
        "device": device,
        "fault": preset.fault,
        "start": round(draw.uniform(0.05, 0.5) * preset.span),
        "ramp": round(min(ramp, 0.6 * preset.span)),
        "severity": round(draw.uniform(*preset.severity), 3),
        "growth_shape": preset.growths[place % len(preset.growths)],
    }
