"""The simulator as a program: a plant, its clock and its Modbus server together."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qilu.config.profiles import profile_of
from qilu.runtime.extras import require_console
from qilu.runtime.rlimits import raise_open_file_limit
from qilu.web.settings import WebSettings
from simulator.ground_truth.log import TruthLog
from simulator.plant import parameters
from simulator.plant.clock import Clock
from simulator.plant.content import PlantContent, load_settings, profiles_beside
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.playback.recording import Recording, load_recording
from simulator.registers.compatibility import check_compatible
from simulator.serving.server import ModbusServer
from simulator.wiring import buses, ports

UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True)
class Simulation:
    """A plant that runs and is served. `ports`: where each port of the settings really listens; `control`:
    the port at which it may be controlled, None where it may not; url: of its page there.
    """

    plant: Plant
    clock: Clock
    ports: Mapping[int, int]
    control: int | None = None
    url: str | None = None


def load(
    path: Path, *, lowest_port: int | None = None, step: float | None = None, minimum_step: float = 0.0
) -> Plant:
    """The plant of a settings file, ready to run; ConfigError with file, line, key and remedy.

    lowest_port: the first that may be listened on; the system is asked where it is not given. step: instead
    of that of the settings, which is otherwise used where it is not below minimum_step.
    """
    content = load_settings(path)
    settings, places, by_name = content
    settings = settings.model_copy(update={"step": step or max(settings.step, minimum_step)})
    lowest = first_free_port() if lowest_port is None else lowest_port
    for entry, machine in enumerate(settings.machines):
        if machine.serial is None and machine.port < lowest:
            low = f"port {machine.port} needs the rights of root"
            raise places.error(low, ("machines", entry, "port"), f"choose one from {lowest} on")
    for model, profile in {(machine.machine, machine.profile) for machine in settings.machines}:
        check_compatible(by_name[profile], profiles_beside(path), model)
    places.check(parameters.problems(settings, by_name))
    plant = Plant(settings, by_name, _recordings(content, path.parent))
    places.check(plant.problems())
    return plant


def _recordings(content: PlantContent, folder: Path) -> Mapping[int, Recording]:
    """Those of the machines that show one, by their number in the settings; ConfigError: one is wrong."""
    return {
        entry: load_recording(machine.playback, content.profiles[machine.profile], folder)
        for entry, machine in enumerate(content.settings.machines)
        if machine.playback is not None
    }


def plant_of_profile(profile: str, *, port: int, replicas: int = 1) -> Plant:
    """A plant of `replicas` devices with a profile: its name, or its file. ConfigError: there is none."""
    loaded = profile_of(profile)
    check_compatible(loaded, Path(profile).parent)
    name = loaded.profile
    device = {"device": name, "machine": name, "port": port, "replicas": replicas if replicas > 1 else None}
    return Plant(PlantSettings.model_validate({"plant": name, "machines": [device]}), {name: loaded})


def first_free_port() -> int:
    """The lowest port that this process may listen on."""
    if os.name != "posix" or os.geteuid() == 0:
        return 1
    return int(UNPRIVILEGED.read_text()) if UNPRIVILEGED.exists() else 1024


@asynccontextmanager
async def simulate(
    plant: Plant,
    *,
    truth: Path | None = None,
    free_ports: bool = False,
    control: WebSettings | None = None,
    page: Path | None = None,
    tokens: Path | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> AsyncIterator[Simulation]:
    """Serves a plant and lets it run until the block is left.

    truth: a folder for the ground truth, whose rows are stamped with `now_ms`. free_ports: listen on any
    free ports instead of those of the settings. control: where `qilu plant` and browsers find it, with the
    files of `page`, and `tokens` where they are demanded.
    ConfigError: a port or a serial line cannot be had, or the truth cannot be written.
    """
    clock = Clock(plant)
    async with AsyncExitStack() as stack:
        log = None
        if truth is not None:
            log = await stack.enter_async_context(TruthLog(plant, truth, now_ms))
        on_event = log.responded if log is not None else None
        raise_open_file_limit(2 * len(plant.endpoints()))
        server = ModbusServer(ports(plant, on_event, free=free_ports), buses(plant, on_event))
        await stack.enter_async_context(server)
        listening = None
        if control is not None:
            require_console("control")
            from simulator.control.server import serve_control

            listening = await stack.enter_async_context(
                serve_control(plant, clock, control, page=page, tokens=tokens, now_ms=now_ms)
            )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = [tasks.create_task(clock.run(), name="clock")]
        if log is not None:
            running.append(tasks.create_task(log.run(), name="truth"))
        real = [port for _, port in server.addresses]
        try:
            yield Simulation(
                plant,
                clock,
                dict(zip(plant.endpoints(), real, strict=True)),
                None if listening is None else listening.port,
                None if listening is None else listening.url,
            )
        finally:
            for task in running:
                task.cancel()
