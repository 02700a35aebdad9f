"""What a store has of its devices, read again every few seconds for the pages that follow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.console.catalogue import ProfileEntry
from qilu.config.profiles import profiles
from qilu.contract.accounting import PROFILES
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Device, Reader, Sample

REFRESH_S = 5.0
FOLLOWED_S = 30.0
"""So long after somebody looked at a device its values are read again."""
MAX_FOLLOWED = 100


@dataclass(slots=True)
class StoredDevice:
    """One device of a store; `profile` is None where no description is found."""

    name: str
    entry: Device
    profile: ProfileEntry | None
    latest: Mapping[str, Sample] = field(default_factory=dict)
    asked_at: float = float("-inf")

    @property
    def key(self) -> DeviceKey:
        return self.entry.key


class StoreBook:
    """Reads one store. `folder`: of device profiles beside the shipped ones."""

    def __init__(self, reader: Reader, folder: Path | None) -> None:
        self.reader = reader
        self.devices: dict[str, StoredDevice] = {}
        self.problem = ""
        self._folder = folder
        self._profiles: dict[str, ProfileEntry | None] = {}

    async def run(self) -> None:
        """Read again until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read which devices there are, and the latest values of those that somebody follows."""
        try:
            stored = [entry for entry in await self.reader.devices() if entry.profile not in PROFILES]
            shared = [entry.device for entry in stored]
            for entry in stored:
                name = entry.device if shared.count(entry.device) == 1 else f"{entry.device}@{entry.edge}"
                known = self.devices.get(name)
                if known is None:
                    known = StoredDevice(name, entry, self._profile(entry.profile))
                self.devices[name] = known
                known.entry = entry
            now = time.monotonic()
            few = len(self.devices) <= MAX_FOLLOWED
            for device in self.devices.values():
                if few or now - device.asked_at < FOLLOWED_S:
                    await self.read_latest(device)
            self.problem = ""
        except UnreachableError as error:
            self.problem = str(error)

    async def read_latest(self, device: StoredDevice) -> None:
        device.latest = await self.reader.latest(device.key, profile=device.entry.profile)

    def _profile(self, name: str) -> ProfileEntry | None:
        if name not in self._profiles:
            self._profiles[name] = described(name, self._folder)
        return self._profiles[name]


def described(name: str, folder: Path | None) -> ProfileEntry | None:
    """The profile of this name, in the folder or among the shipped ones; None where there is none."""
    try:
        return ProfileEntry(profiles([name], folder)[name])
    except ConfigError:
        return None
