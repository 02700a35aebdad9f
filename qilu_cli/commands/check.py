"""Validates any file of ours and prints what it means, for a gateway the read plan above all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from qilu.config.settings_file import load, load_plain
from qilu.contract.errors import ConfigError, combined
from qilu.contract.profile import DeviceProfile
from qilu.contract.store_names import shared_metrics
from qilu.contract.units import format_duration
from qilu.runtime.extras import missing_extra, require_console
from qilu_cli.file_kinds import Kind, kind_of
from qilu_cli.terminal import console

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from simulator.plant.settings import PlantSettings

_console = console()


def check(files: Sequence[Path]) -> None:
    """Check every file and print the result of each; the ConfigErrors of all of them come at the end, as
    one."""
    errors = []
    for file in files:
        try:
            _check(file)
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise combined(errors)


def _check(file: Path) -> None:
    kind = kind_of(load_plain(file))
    if kind is None:
        raise ConfigError(
            "neither a device profile nor a plant, gateway settings or ingester settings",
            file=file,
            line=1,
            remedy="one of these keys is needed: points, machines, sources, store",
        )
    name, run_check = _CHECKS[kind]
    _console.print(f"{file}: {name}", style="bold")
    run_check(file)


def _check_profile(file: Path) -> None:
    profile = load(file, DeviceProfile)
    counts = ", ".join(
        f"{len(profile.points_of(group))} in {group} every {format_duration(period)}"
        for group, period in profile.groups.items()
    )
    _console.print(f"  {profile.profile}: {len(profile.points)} points ({counts})")
    _warn(profile)
    _refuse_shared_metrics([profile, *_neighbours(file)], file)


def _neighbours(file: Path) -> Iterator[DeviceProfile]:
    """The other profiles of the folder; what is no valid profile is left to its own check."""
    for other in sorted(file.parent.glob("*.yaml")):
        if other.name != file.name:
            with suppress(ConfigError):
                if kind_of(load_plain(other)) is Kind.PROFILE:
                    yield load(other, DeviceProfile)


def _refuse_shared_metrics(profiles: Iterable[DeviceProfile], file: Path) -> None:
    """A metric of two profiles is two things under one name in a chart that selects by the name alone."""
    for name, other, metric in shared_metrics(profiles):
        raise ConfigError(
            f"the profiles {name} and {other} meet in the metric {metric} of VictoriaMetrics and Prometheus",
            file=file,
            key="profile",
            remedy="rename one of the profiles, or the point",
        )


def _warn(profile: DeviceProfile, of: str = "") -> None:
    for loc, warning in profile.warnings():
        _console.print(f"  warning: {of}{'.'.join(map(str, loc))}: {warning}")


def _check_plant(file: Path) -> None:
    from qilu_cli.commands import secrecy

    settings = _plant_settings(file)
    placed = list(settings.placed())
    ports = sorted({placement.port for placement in placed if placement.port})
    lines = len({placement.settings.wire_place for placement in placed if not placement.port})
    models = len({placement.settings.machine for placement in placed})
    where = [f"{len(ports)} ports ({ports[0]} to {ports[-1]})"] if ports else []
    where += [f"{lines} serial lines"] if lines else []
    _console.print(
        f"  {settings.plant}: {len(placed)} devices of {models} models on {' and '.join(where)}, "
        f"seed {settings.seed}"
    )
    for warning in secrecy.web_warnings("control", settings.control_settings):
        _console.print(f"  warning: {warning}")


def _plant_settings(file: Path) -> PlantSettings:
    try:
        from simulator.app import load as load_plant
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        from simulator.plant.content import load_settings

        _console.print(f"  warning: parameters and faults of the machines are not checked: {missing}")
        return load_settings(file).settings
    return load_plant(file).settings


def _check_ingester(file: Path) -> None:
    from cloud.settings import IngesterSettings
    from qilu_cli.commands import secrecy

    settings = load(file, IngesterSettings)
    if settings.metrics is not None:
        require_console("metrics")
    _console.print(f"  from {settings.mqtt.address} into {settings.store.type}")
    for warning in (
        *secrecy.broker_warnings(settings.mqtt),
        *secrecy.store_warnings(settings.store),
        *secrecy.file_warnings({"ack_key_file": settings.ack_key_file}),
        *secrecy.web_warnings("metrics", settings.metrics),
    ):
        _console.print(f"  warning: {warning}")


def _check_gateway(file: Path) -> None:
    from gateway.load import load as load_gateway
    from qilu_cli.commands import read_plan, secrecy
    from qilu_cli.commands.history_room import history_room

    settings, known = load_gateway(file)
    endpoints = read_plan.endpoint_plans(settings, known)
    _console.print(read_plan.grid(endpoints))
    _refuse_shared_metrics(known.values(), file)
    for name, profile in known.items():
        _warn(profile, f"profile {name}: ")
    _console.print(f"  {read_plan.summary(endpoints)}")
    for line in (*history_room(settings, known), *_clock_lines(settings)):
        _console.print(f"  {line}")
    warnings = (
        read_plan.warnings(endpoints),
        read_plan.beyond_the_disk(settings),
        read_plan.unsigned(settings),
        secrecy.broker_warnings(settings.mqtt),
        secrecy.source_warnings(settings.sources),
        secrecy.web_warnings("console", settings.console),
        secrecy.file_warnings(
            {f"key_file of {store}": at for store, at in settings.delivery.key_files.items()}
        ),
    )
    for warning in chain.from_iterable(warnings):
        _console.print(f"  warning: {warning}")
    for line in read_plan.learned_limits(settings, known):
        _console.print(f"  learned: {line}")


def _clock_lines(settings: GatewaySettings) -> Iterator[str]:
    """What the clock of this system is worth to a gateway that runs here."""
    from gateway.timekeeping.time_synchronisation import TimeService

    if TimeService()() is not None:
        return
    hold, nothing = format_duration(settings.clock_hold), "no time service of this system can be asked"
    if settings.clock == "synchronised":
        yield f"warning: clock: {nothing}: values are uncertain after {hold}"
    else:
        yield f"clock: {nothing}: a clock that is set is believed when it stood for {hold},"
        yield "  or for 30s where the one before stood for less (clock: synchronised believes none)"


_CHECKS: Mapping[Kind, tuple[str, Callable[[Path], None]]] = {
    Kind.PROFILE: ("device profile", _check_profile),
    Kind.PLANT: ("plant", _check_plant),
    Kind.GATEWAY: ("gateway", _check_gateway),
    Kind.INGESTER: ("ingester", _check_ingester),
}
