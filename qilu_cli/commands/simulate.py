"""Runs simulated machines until it is told to stop, or writes what they would have said."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.errors import ConfigError
from qilu_cli.commands.emit_gateway import emit_gateway
from qilu_cli.commands.export import Exported, export_to
from qilu_cli.file_kinds import Kind, expected
from simulator.app import Simulation, load
from simulator.app import simulate as serve
from simulator.plant.plant import Plant

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What the user wants of the plant in `file`."""

    file: Path
    truth: Path | None
    speed: float | None
    paused: bool
    control: int | None
    emit: Path | None
    export: Exported | None


async def simulate(asked: Asked) -> None:
    """Serve the plant; ConfigError when it, a profile or a port is wrong."""
    if asked.emit is not None and asked.export is not None:
        raise ConfigError("--emit-gateway and --export are two things", remedy="ask for one after the other")
    with expected(Kind.PLANT, asked.file):
        if asked.emit is not None:
            emit_gateway(asked.file, asked.emit)
        elif asked.export is not None:
            await export_to(asked.file, asked.export)
        else:
            await _serve(asked)


async def _serve(asked: Asked) -> None:
    plant = load(asked.file)
    control = plant.settings.control if asked.control is None else asked.control
    async with serve(plant, truth=asked.truth, control=control) as simulation:
        simulation.clock.speed = asked.speed or simulation.clock.speed
        simulation.clock.paused = asked.paused
        _tell(plant, simulation)
        await asyncio.Event().wait()


def _tell(plant: Plant, simulation: Simulation) -> None:
    for placed in plant.settings.placed():
        serial = placed.settings.serial
        where = (
            f"{plant.settings.host}:{simulation.ports[placed.port]}" if serial is None else str(serial.path)
        )
        _log.info("%s: %s at %s unit %d", placed.device, placed.settings.machine, where, placed.unit)
    if simulation.control is not None:
        _log.info("controlled by `qilu fault %d`", simulation.control)
    _log.info("%d devices are served, stop with Ctrl-C", len(plant.devices))
