"""Runs simulated machines until it is told to stop, or writes what they would have said."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.errors import ConfigError
from qilu_cli.commands.emit_gateway import emit_gateway
from qilu_cli.commands.export import ExportOptions, export_to
from qilu_cli.file_kinds import Kind, expected
from simulator.app import Simulation, load
from simulator.app import simulate as serve
from simulator.plant.plant import Plant

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SimulateOptions:
    """What the user wants of the plant in `file`."""

    file: Path
    truth: Path | None
    speed: float | None
    paused: bool
    control: int | None
    emit: Path | None
    export: ExportOptions | None


async def simulate(options: SimulateOptions) -> None:
    """Serve the plant; ConfigError when it, a profile or a port is wrong."""
    if options.emit is not None and options.export is not None:
        raise ConfigError("--emit-gateway and --export are two things", remedy="ask for one after the other")
    with expected(Kind.PLANT, options.file):
        if options.emit is not None:
            emit_gateway(options.file, options.emit)
        elif options.export is not None:
            await export_to(options.file, options.export)
        else:
            await _serve(options)


async def _serve(options: SimulateOptions) -> None:
    plant = load(options.file)
    control = plant.settings.control if options.control is None else options.control
    async with serve(plant, truth=options.truth, control=control) as simulation:
        simulation.clock.speed = options.speed or simulation.clock.speed
        simulation.clock.paused = options.paused
        _log_endpoints(plant, simulation)
        await asyncio.Event().wait()


def _log_endpoints(plant: Plant, simulation: Simulation) -> None:
    for placed in plant.settings.placed():
        serial = placed.settings.serial
        where = (
            f"{plant.settings.host}:{simulation.ports[placed.port]}" if serial is None else str(serial.path)
        )
        _log.info("%s: %s at %s unit %d", placed.device, placed.settings.machine, where, placed.unit)
    if simulation.control is not None:
        _log.info("controlled by `qilu fault %d`", simulation.control)
    _log.info("%d devices are served, stop with Ctrl-C", len(plant.devices))
