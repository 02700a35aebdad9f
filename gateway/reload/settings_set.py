"""One set of settings: the file of a gateway with every profile that its devices name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gateway.load import load
from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from qilu.config.settings_file import with_absolute_paths
from qilu.contract.profile import DeviceProfile


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """One device with all that decides how it is read."""

    source: ModbusSettings
    settings: DeviceSettings
    profile: DeviceProfile


@dataclass(frozen=True)
class SettingsSet:
    """Settings and profiles, checked together; they are taken together or not at all.

    Their paths are absolute: a file that is named otherwise is the same file.
    """

    settings: GatewaySettings
    profiles: Mapping[str, DeviceProfile]

    @classmethod
    def load(cls, file: Path) -> SettingsSet:
        """The set of a settings file; ConfigError with file, line, key and remedy."""
        return cls.of(*load(file))

    @classmethod
    def of(cls, settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> SettingsSet:
        """The set of settings that are loaded already."""
        return cls(with_absolute_paths(settings), profiles)

    @cached_property
    def devices(self) -> dict[str, PlacedDevice]:
        """Name -> device, in the order of the settings."""
        return {
            device.device: PlacedDevice(source, device, self.profiles[device.profile])
            for source in self.settings.sources
            for device in source.devices
        }

    @cached_property
    def endpoints(self) -> dict[str, ModbusSettings]:
        """URL -> endpoint, in the order of the settings."""
        return {source.url: source for source in self.settings.sources}
