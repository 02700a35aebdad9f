"""Ready fleets: which machine, which fault, and how it may grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.plant.plant_file import GROWTHS, Growth

DAY = 86_400.0


@dataclass(frozen=True)
class FleetPreset:
    """A fleet of one machine with one fault; times are simulated ones in s."""

    machine: str
    fault: str
    alarm: int
    """The alarm that ends the life of a unit."""
    left_out: tuple[str, ...]
    """Points that name a unit or its age, and no state of wear: no features."""
    units: int = 20
    span: float = 10 * DAY
    step: float = 10.0
    every: float = 120.0
    healthy: float = 0.2
    """Share of the units without the fault."""
    ramp: tuple[float, float] = (1.5 * DAY, 6 * DAY)
    severity: tuple[float, float] = (0.5, 1.0)
    growths: tuple[Growth, ...] = GROWTHS
    test_share: float = 0.3
    """Share of the units that are in the test set."""
    present: float = 0.01
    """Severity from which on a row counts as faulty."""


PRESETS: Mapping[str, FleetPreset] = {
    "pump-bearing": FleetPreset(
        "centrifugal-pump", "bearing_wear", 13, ("energy", "volume", "run_hours", "starts", "alarm", "fault")
    ),
    "compressor-cooler": FleetPreset(
        "screw-air-compressor",
        "cooler_fouling",
        10,
        ("energy", "air_volume", "run_hours", "load_hours", "motor_starts", "alarm", "fault"),
    ),
}
