"""Runs simulated machines until they are stopped."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.errors import ConfigError
from qilu.web.settings import WebSettings, on_port
from qilu.web.tokens import FILE_NAME
from qilu_cli.commands.console.page import page_folder
from qilu_cli.file_kinds import Kind, expected
from simulator.app import Simulation, load, plant_of_profile
from simulator.app import simulate as serve
from simulator.plant.plant import Plant

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SimulateOptions:
    """What the user wants: the plant in `file`, or `replicas` devices of a profile at `port`."""

    file: Path | None
    profile: str | None
    port: int
    replicas: int
    truth: Path | None
    speed: float | None
    paused: bool
    control: int | None
    console: bool


async def simulate(options: SimulateOptions) -> None:
    """Serve the plant; ConfigError when it, a profile or a port is wrong."""
    plant = _plant(options)
    control = _control(options, plant)
    tokens = None if options.file is None else options.file.parent / FILE_NAME
    async with serve(
        plant, truth=options.truth, control=control, page=page_folder(), tokens=tokens
    ) as simulation:
        simulation.clock.speed = options.speed or simulation.clock.speed
        simulation.clock.paused = options.paused
        _log_endpoints(plant, simulation)
        await asyncio.Event().wait()


def _control(options: SimulateOptions, plant: Plant) -> WebSettings | None:
    """Where the plant is controlled and seen: as named on the command line, else as in its file."""
    control = plant.settings.control_settings if options.control is None else on_port(options.control)
    return WebSettings() if control is None and options.console else control


def _plant(options: SimulateOptions) -> Plant:
    if (options.file is None) == (options.profile is None):
        raise ConfigError("name a plant file or --profile, one of them", remedy="see `qilu simulate --help`")
    if options.profile is not None:
        return plant_of_profile(options.profile, port=options.port, replicas=options.replicas)
    assert options.file is not None
    with expected(Kind.PLANT, options.file):
        return load(options.file)


def _log_endpoints(plant: Plant, simulation: Simulation) -> None:
    for placed in plant.settings.placed():
        serial = placed.settings.serial
        where = (
            f"{plant.settings.host}:{simulation.ports[placed.port]}" if serial is None else str(serial.path)
        )
        _log.info("%s: %s at %s unit %d", placed.device, placed.settings.machine, where, placed.unit)
    if simulation.control is not None:
        _log.info("control port %d: see `qilu plant status %d`", simulation.control, simulation.control)
        _log.info("the factory is shown at %s", simulation.url)
    _log.info("%d devices are served, stop with Ctrl-C", len(plant.devices))
