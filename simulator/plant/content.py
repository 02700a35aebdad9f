"""Reads a plant's file with the device profiles of its machines; needs no physics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from qilu.config.error_texts import suggestion
from qilu.config.profiles import known_profiles, profiles
from qilu.config.settings_file import load_with_line_index
from qilu.config.yaml_loader import LineIndex
from qilu.contract.profile import DeviceProfile
from qilu.contract.validation import Problem
from simulator.plant.settings import PlantSettings
from simulator.sensors.settings import problems as sensor_problems
from simulator.signals.checks import problems as signal_problems


class PlantContent(NamedTuple):
    """The settings of a plant, the lines of their keys, and the profile of each machine by its name."""

    settings: PlantSettings
    lines: LineIndex
    profiles: Mapping[str, DeviceProfile]


def profiles_beside(file: Path) -> Path:
    """The folder of a plant's own profiles: it may be missing."""
    return file.parent / "profiles"


def load_settings(file: Path) -> PlantContent:
    """The content of a plant's file; ConfigError with file, line, key and remedy."""
    settings, lines = load_with_line_index(file, PlantSettings)
    beside = profiles_beside(file)
    lines.check(_unknown_machines(settings, known_profiles(beside)))
    by_name = profiles({machine.profile for machine in settings.machines}, beside)
    lines.check(_point_problems(settings, by_name))
    return PlantContent(settings, lines, by_name)


def _unknown_machines(settings: PlantSettings, known: list[str]) -> Iterator[Problem]:
    for entry, machine in enumerate(settings.machines):
        if machine.machine not in known:
            place = ("machines", entry, "machine")
            yield Problem(place, f"no machine {machine.machine!r}", suggestion(machine.machine, known))
        if machine.profile not in known:
            place = ("machines", entry, "map")
            yield Problem(place, f"no device profile {machine.map!r}", suggestion(machine.map, known))


def _point_problems(settings: PlantSettings, by_name: Mapping[str, DeviceProfile]) -> Iterator[Problem]:
    for entry, machine in enumerate(settings.machines):
        if machine.signals:
            yield from signal_problems(
                by_name[machine.profile], machine.signals, ("machines", entry, "signals")
            )
        if machine.sensors is not None:
            yield from sensor_problems(
                by_name[machine.profile], machine.sensors, ("machines", entry, "sensors")
            )
