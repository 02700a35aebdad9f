"""Reads a gateway's settings with the profiles of its devices, and reports where they do not fit each
other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.settings import GatewaySettings
from gateway.sources.modbus.planning import compatibility as fitting
from gateway.sources.modbus.settings import DeviceSettings
from qilu.config.profiles import profiles
from qilu.config.settings_file import load_with_line_index
from qilu.config.yaml_loader import LineIndex
from qilu.contract.errors import ConfigError, combined
from qilu.contract.profile import DeviceProfile
from qilu.contract.validation import Loc
from qilu.runtime.extras import require_console


def load(path: Path) -> tuple[GatewaySettings, Mapping[str, DeviceProfile]]:
    """The settings in `path` and every profile that their devices name, ready to `build`.

    ConfigError with file, line, key and remedy: for all devices at once that do not fit their profiles.
    """
    settings, places = load_with_line_index(path, GatewaySettings)
    if settings.console is not None:
        _check_console(places)
    known: dict[str, DeviceProfile] = {}
    errors: list[ConfigError] = []
    for place, device in _devices(settings):
        try:
            if device.profile not in known:
                known |= profiles([device.profile], settings.profiles)
        except ConfigError as error:
            if error.file is not None:
                raise  # of a profile that is there
            errors.append(places.error(error.problem, (*place, "profile"), error.remedy))
            continue
        errors += (
            places.error(problem.text, (*place, *problem.loc), problem.remedy)
            for problem in fitting.problems(known[device.profile], device)
        )
    if errors:
        raise combined(errors)
    return settings, known


def check_profiles(settings: GatewaySettings, known: Mapping[str, DeviceProfile]) -> None:
    """Whether the devices fit their profiles; ConfigError without lines, for settings without a file."""
    errors = [
        ConfigError(problem.text, key=".".join(map(str, (*place, *problem.loc))), remedy=problem.remedy)
        for place, device in _devices(settings)
        for problem in fitting.problems(known[device.profile], device)
    ]
    if errors:
        raise combined(errors)


def _check_console(places: LineIndex) -> None:
    """The library of the web server must be there: a gateway that cannot show its console does not start."""
    try:
        require_console("console")
    except ConfigError as error:
        raise places.error(error.problem, ("console",), error.remedy) from error


def _devices(settings: GatewaySettings) -> Iterator[tuple[Loc, DeviceSettings]]:
    """Every device, and where in the settings it stands."""
    for number, source in enumerate(settings.sources):
        for index, device in enumerate(source.devices):
            yield ("sources", number, "devices", index), device
