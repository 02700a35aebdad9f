"""Points of several profiles that one panel can show together: one name and one meaning."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from cloud.grafana.device_queries import PointOfProfiles
from qilu.contract.display import Language, display_unit
from qilu.contract.profile import DeviceProfile, Point

_OF_A_PHASE = ("_a", "_b", "_c")
ENERGY: Mapping[str, float] = {"Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}
"""Unit of a counter of energy -> factor to kWh."""
POWER_UNITS = ("W", "kW", "MW")


def enum_points(profiles: Sequence[DeviceProfile], name: str) -> Iterator[tuple[PointOfProfiles, Point]]:
    """Points of this name with texts of codes, the same texts together; the largest group first."""
    groups: dict[Hashable, list[tuple[str, Point]]] = {}
    for profile, point in _points(profiles):
        if point.name == name and point.enum:
            key = tuple((code, label.zh, label.en) for code, label in sorted(point.enum.items()))
            groups.setdefault(key, []).append((profile, point))
    for group in sorted(groups.values(), key=len, reverse=True):
        yield PointOfProfiles([profile for profile, _ in group], name), group[0][1]


def power_points(
    profiles: Sequence[DeviceProfile], name: str, language: Language
) -> Iterator[tuple[PointOfProfiles, Point]]:
    """Measured power of this name, the same unit together; the largest group first."""
    groups: dict[str, list[tuple[str, Point]]] = {}
    for profile, point in _points(profiles):
        if point.name == name and point.unit in POWER_UNITS and point.type.is_number:
            groups.setdefault(point.unit, []).append((profile, point))
    for unit, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        factor = display_unit(unit, language).factor
        yield PointOfProfiles([profile for profile, _ in group], name, factor), group[0][1]


def energy_points(profiles: Sequence[DeviceProfile]) -> Iterator[tuple[Sequence[PointOfProfiles], Point]]:
    """Counters of energy to be shown in kWh, those with one meaning together; the largest group first.

    A name is a meaning, but for `energy`: machines take it, inverters make it. There the label says which.
    What a meter counts for one phase is left out.
    """
    groups: dict[Hashable, dict[str, list[tuple[str, Point]]]] = {}
    for profile, point in _points(profiles):
        counts = point.kind == "counter" and point.type.is_number and point.unit in ENERGY
        if counts and not point.name.endswith(_OF_A_PHASE):
            key = (point.name, point.label.zh if point.name == "energy" else "")
            groups.setdefault(key, {}).setdefault(point.unit, []).append((profile, point))
    for group in sorted(groups.values(), key=lambda group: -sum(map(len, group.values()))):
        first = next(iter(group.values()))[0][1]
        yield (
            [
                PointOfProfiles([profile for profile, _ in members], first.name, ENERGY[unit])
                for unit, members in group.items()
            ],
            first,
        )


def _points(profiles: Sequence[DeviceProfile]) -> Iterator[tuple[str, Point]]:
    for profile in profiles:
        for point in profile.points:
            if point.readable:
                yield profile.profile, point
