"""The simulator as a program: a plant, its clock and its Modbus server together."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.profile import DeviceProfile
from qilu.runtime.profiles import profiles
from qilu.runtime.settings import load_with_places
from simulator.clock import Clock
from simulator.plant import Plant
from simulator.server import ModbusServer, Port
from simulator.settings import PlantSettings
from simulator.truth import TruthLog

UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True)
class Simulation:
    """A plant that runs and is served. `ports`: where each port of the settings really listens."""

    plant: Plant
    clock: Clock
    ports: Mapping[int, int]


def load(path: Path, *, lowest_port: int | None = None) -> Plant:
    """The plant of a settings file, ready to run; ConfigError with file, line, key and remedy.

    lowest_port: the first that may be listened on; the system is asked where it is not given.
    """
    settings, places = load_with_places(path, PlantSettings)
    lowest = first_free_port() if lowest_port is None else lowest_port
    for entry, machine in enumerate(settings.machines):
        if machine.port < lowest:
            low = f"port {machine.port} needs the rights of root"
            raise places.error(low, ("machines", entry, "port"), f"choose one from {lowest} on")
    plant = Plant(settings, profiles_of(settings, path.parent))
    for problem in plant.problems():
        raise places.error(problem.text, problem.loc, problem.remedy)
    return plant


def profiles_of(settings: PlantSettings, folder: Path | None = None) -> Mapping[str, DeviceProfile]:
    """The profile of each model in the plant: beside the settings in `profiles/`, else the shipped one."""
    beside = folder / "profiles" if folder is not None else None
    return profiles({machine.machine for machine in settings.machines}, beside)


def first_free_port() -> int:
    """The lowest port that this process may listen on."""
    if os.name != "posix" or os.geteuid() == 0:
        return 1
    return int(UNPRIVILEGED.read_text()) if UNPRIVILEGED.exists() else 1024


@asynccontextmanager
async def simulate(
    plant: Plant, *, truth: Path | None = None, free_ports: bool = False
) -> AsyncIterator[Simulation]:
    """Serves a plant and lets it run until the block is left.

    truth: a folder for the ground truth. free_ports: listen on any free ports instead of those of the
    settings. ConfigError: a port cannot be had.
    """
    endpoints = plant.endpoints()
    host = plant.settings.host
    served = [Port(units, 0 if free_ports else port, host) for port, units in endpoints.items()]
    clock = Clock(plant)
    async with ModbusServer(served) as server, asyncio.TaskGroup() as tasks:
        real = [port for _, port in server.addresses]
        simulation = Simulation(plant, clock, dict(zip(endpoints, real, strict=True)))
        running = [tasks.create_task(clock.run(), name="clock")]
        try:
            if truth is None:
                yield simulation
            else:
                async with TruthLog(plant, truth, lambda: time.time_ns() // 1_000_000) as log:
                    running.append(tasks.create_task(log.run(), name="truth"))
                    yield simulation
        finally:
            for task in running:
                task.cancel()


async def run(plant: Plant, *, truth: Path | None = None) -> None:
    """Serves a plant until cancelled."""
    async with simulate(plant, truth=truth):
        await asyncio.Event().wait()
