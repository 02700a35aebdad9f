"""Validates any file of ours and prints what it means, for a gateway the read plan above all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from qilu.command.kinds import Kind, kind_of
from qilu.command.printing import console
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from qilu.contract.quantities import format_duration
from qilu.contract.reading import Origin
from qilu.runtime.settings import load, load_plain

_console = console()


def check(files: Sequence[Path]) -> None:
    """Check every file and tell about each; the ConfigErrors of all of them come at the end, as one."""
    errors = []
    for file in files:
        try:
            _check(file)
        except ConfigError as error:
            errors.append(error)
    if errors:
        first, *others = errors
        first.others = (*first.others, *others)
        raise first


def _check(file: Path) -> None:
    kind = kind_of(load_plain(file))
    if kind is None:
        raise ConfigError(
            "neither a device profile nor a plant, gateway settings or ingester settings",
            file=file,
            line=1,
            remedy="one of these keys is needed: points, machines, sources, store",
        )
    name, tell = _CHECKS[kind]
    _console.print(f"{file}: {name}", style="bold")
    tell(file)


def _check_profile(file: Path) -> None:
    profile = load(file, DeviceProfile)
    counts = ", ".join(
        f"{len(profile.points_of(group))} in {group} every {format_duration(period)}"
        for group, period in profile.groups.items()
    )
    _console.print(f"  {profile.profile}: {len(profile.points)} points ({counts})")
    _warn(profile)


def _warn(profile: DeviceProfile, of: str = "") -> None:
    for loc, warning in profile.warnings():
        _console.print(f"  warning: {of}{'.'.join(map(str, loc))}: {warning}")


def _check_plant(file: Path) -> None:
    from simulator.app import load as load_plant

    settings = load_plant(file).settings
    placed = list(settings.placed())
    ports = sorted({one.port for one in placed if one.port})
    lines = len({one.settings.place for one in placed if not one.port})
    models = len({one.settings.machine for one in placed})
    where = [f"{len(ports)} ports ({ports[0]} to {ports[-1]})"] if ports else []
    where += [f"{lines} serial lines"] if lines else []
    _console.print(
        f"  {settings.plant}: {len(placed)} devices of {models} models on {' and '.join(where)}, "
        f"seed {settings.seed}"
    )


def _check_ingester(file: Path) -> None:
    from cloud.settings import IngesterSettings

    settings = load(file, IngesterSettings)
    _console.print(f"  from {settings.mqtt.address} into {settings.store.type}")


def _check_gateway(file: Path) -> None:
    from gateway.loading import load as load_gateway
    from gateway.sources.modbus.line.serial import missing
    from gateway.sources.modbus.plans.learning import described
    from gateway.sources.modbus.plans.memory import LEARNT_FOLDER, Memory
    from gateway.sources.modbus.plans.plan import NOTHING_LEARNT, BusLoad, ReadPlan, plans

    settings, known = load_gateway(file)
    table = Table(
        "device",
        "unit",
        "group",
        "every",
        "requests",
        "registers",
        "wasted",
        "reads",
        box=None,
        pad_edge=False,
    )
    total: list[ReadPlan] = []
    warnings: list[str] = []
    for source in settings.sources:
        mine: list[ReadPlan] = []
        for device in source.devices:
            origin = Origin(settings.edge, device.device, device.profile)
            for plan in plans(known[device.profile], device, origin, source.endpoint.framing):
                mine.append(plan)
                reads = ", ".join(map(str, plan.blocks))
                table.add_row(
                    device.device, str(device.unit), plan.group, format_duration(plan.period),
                    str(plan.requests), str(plan.registers), str(plan.wasted), reads,
                )  # fmt: skip
        total += mine
        here = BusLoad.of(mine)
        line = source.endpoint.serial
        share = here.busy(_ROUND_TRIP, line.baudrate if line else None)
        busy = f"{here.bytes_per_s:.0f} B/s, busy {share:.1%} of the time"
        if share > 1:
            warnings.append(f"{source.url} is asked for more than it can answer: turns will be missed")
        if line is not None and (problem := missing(source.endpoint.host)) is not None:
            warnings.append(f"{source.url}: {problem}")
        table.add_row(source.url, "", "", "", f"{here.requests_per_s:.1f}/s", "", "", busy, end_section=True)
    _console.print(table)
    for name, profile in known.items():
        _warn(profile, f"profile {name}: ")
    load_all = BusLoad.of(total)
    points = sum(len(plan.columns.points) / plan.period for plan in total)
    _console.print(
        f"  {points:.0f} points/s in {load_all.requests_per_s:.1f} requests/s; "
        f"busy assumes {_ROUND_TRIP * 1000:.0f} ms from a request to its reply"
    )
    for warning in warnings:
        _console.print(f"  warning: {warning}")
    memory = Memory(settings.spool.directory / LEARNT_FOLDER)
    for device in (device for source in settings.sources for device in source.devices):
        learnt = memory.recall(device.device, known[device.profile])
        if learnt != NOTHING_LEARNT:
            _console.print(f"  learnt: {device.device} {described(NOTHING_LEARNT, learnt)}")


_ROUND_TRIP = 0.01
"""Seconds that a device is assumed to take for an answer; the real ones differ widely."""


_CHECKS: Mapping[Kind, tuple[str, Callable[[Path], None]]] = {
    Kind.PROFILE: ("device profile", _check_profile),
    Kind.PLANT: ("plant", _check_plant),
    Kind.GATEWAY: ("gateway", _check_gateway),
    Kind.INGESTER: ("ingester", _check_ingester),
}
