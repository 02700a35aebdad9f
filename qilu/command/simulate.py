"""Runs simulated machines until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from simulator.app import load
from simulator.app import simulate as serve

_log = logging.getLogger(__name__)


async def simulate(file: Path, truth: Path | None, speed: float | None, paused: bool) -> None:
    """Serve the plant of `file`; ConfigError when it, a profile or a port is wrong."""
    plant = load(file)
    async with serve(plant, truth=truth) as simulation:
        simulation.clock.speed = speed or simulation.clock.speed
        simulation.clock.paused = paused
        for device in plant.devices.values():
            _log.info(
                "%s: %s at %s:%d unit %d",
                device.name,
                device.profile.profile,
                plant.settings.host,
                simulation.ports[device.port],
                device.unit,
            )
        _log.info("%d devices are served, stop with Ctrl-C", len(plant.devices))
        await asyncio.Event().wait()
