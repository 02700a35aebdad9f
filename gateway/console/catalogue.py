"""What the settings and the profiles say of each device: labels, units, states, its key value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway.diagnosis.devices import address_of
from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from qilu.contract.display.numbers import decimals
from qilu.contract.display.states import machine_states
from qilu.contract.profile import DeviceProfile, Label, Point

LabelValue = Mapping[str, str]


def label_value(label: Label) -> LabelValue:
    return {"zh": label.zh, "en": label.en}


@dataclass(frozen=True)
class ProfileEntry:
    """One profile, worked out once for all of its devices."""

    profile: DeviceProfile

    @cached_property
    def points(self) -> Mapping[str, Point]:
        """Name -> point, those that are polled."""
        return {point.name: point for point in self.profile.points if point.access != "write"}

    @cached_property
    def state_point(self) -> tuple[str, Mapping[int, str]] | None:
        """The point that has the state of the machine, with the state of each of its codes."""
        for point in self.points.values():
            if point.kind == "state" and point.enum:
                states = machine_states(point)
                if set(states.values()) != {"unknown"}:
                    return point.name, states
        return None

    @cached_property
    def key_point(self) -> Point | None:
        """The value that stands for the machine: the first gauge with a unit and a normal band, or a unit, of
        its fastest poll group."""
        fastest = min(self.profile.groups, key=self.profile.groups.__getitem__)
        gauges = [point for point in self.profile.points_of(fastest) if point.kind == "gauge" and point.unit]
        banded = [point for point in gauges if point.normal is not None]
        return next(iter([*banded, *gauges]), None)

    @cached_property
    def key_value(self) -> Mapping[str, Any]:
        """What is always the same about the value of `key_point`."""
        point = self.key_point
        if point is None:
            return {}
        label = label_value(point.label)
        return {"point": point.name, "label": label, "unit": point.unit, "decimals": decimals(point)}

    @cached_property
    def descriptions(self) -> list[Mapping[str, Any]]:
        return [_description(point) for point in self.points.values()]


def _description(point: Point) -> Mapping[str, Any]:
    normal, limits = point.normal, point.limits
    return {
        "point": point.name,
        "label": label_value(point.label),
        "unit": point.unit,
        "group": point.group,
        "type": point.type.value,
        "kind": point.kind,
        "enum": {str(code): label_value(label) for code, label in point.enum.items()},
        "normal": None if normal is None else {"min": normal.min, "max": normal.max},
        "limits": None if limits.min is limits.max is None else {"min": limits.min, "max": limits.max},
        "decimals": decimals(point),
        "counter": point.kind == "counter",
    }


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    settings: DeviceSettings
    source: ModbusSettings
    profile: ProfileEntry
    label: LabelValue

    @property
    def periods(self) -> Mapping[str, float]:
        """Poll group -> seconds."""
        groups = self.profile.profile.groups
        return {
            group: self.settings.poll_periods.get(group, period)
            for group, period in groups.items()
            if self.profile.profile.points_of(group)
        }

    def description(self) -> Mapping[str, Any]:
        device = self.settings
        return {
            "device": device.device,
            "label": self.label,
            "place": device.place,
            "line": device.line,
            "profile": device.profile,
            "endpoint": address_of(self.source.endpoint),
            "unit_id": device.unit_id,
            "points": self.profile.descriptions,
            "groups": {group: {"period_s": period} for group, period in self.periods.items()},
        }


class Catalogue:
    """All devices of the settings, in their order."""

    def __init__(self, settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> None:
        self.settings = settings
        self.devices: Mapping[str, DeviceEntry] = _entries(settings, profiles)

    def exchange(
        self,
        settings: GatewaySettings,
        profiles: Mapping[str, DeviceProfile],
        removed: Collection[str],
        added: Collection[str],
    ) -> None:
        """These devices are gone, and those of `settings` are there from now on."""
        kept = {name: entry for name, entry in self.devices.items() if name not in removed}
        self.devices = kept | _entries(settings, profiles, added) if added else kept

    def arrange(self, settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> None:
        """All devices are those of `settings`, in this order."""
        self.settings = settings
        self.devices = _entries(settings, profiles)

    def key_points(self) -> dict[tuple[str, str], str]:
        """(device, poll group) -> the point of its sparkline."""
        return {
            (name, entry.profile.key_point.group): entry.profile.key_point.name
            for name, entry in self.devices.items()
            if entry.profile.key_point is not None
        }


def _entries(
    settings: GatewaySettings, profiles: Mapping[str, DeviceProfile], only: Collection[str] | None = None
) -> dict[str, DeviceEntry]:
    """The devices of the settings, in their order."""
    entries: dict[str, ProfileEntry] = {}
    devices: dict[str, DeviceEntry] = {}
    for source in settings.sources:
        for device in source.devices:
            if only is None or device.device in only:
                profile = entries.get(device.profile) or ProfileEntry(profiles[device.profile])
                entries[device.profile] = profile
                devices[device.device] = DeviceEntry(device, source, profile, label_value(device.label))
    return devices
