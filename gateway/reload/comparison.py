"""Compares two sets of settings: what is the same, what can change while the gateway runs, what cannot. Pure.

Every key of the settings has its class in a table below. A test walks the models, so that a new key is
refused until somebody says what its change does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from gateway.reload.settings_set import PlacedDevice, SettingsSet
from gateway.sources.modbus.settings import ModbusSettings


class Effect(StrEnum):
    RESTART = "restart"
    """The gateway has to be restarted."""
    EDGE = "edge"
    """Taken by the running gateway as a whole."""
    DEVICES = "devices"
    """Compared device by device and endpoint by endpoint."""
    ENDPOINT = "endpoint"
    """The endpoint is connected anew, with all of its devices."""
    DEVICE = "device"
    """The device begins anew."""
    LABEL = "label"
    """How people call the device: it is described anew, and polled as before."""
    PLACE = "place"
    """Decides which endpoint or device an entry is about: another value is another entry."""


GATEWAY_KEYS: Mapping[str, Effect] = {
    "edge": Effect.RESTART,
    "enterprise": Effect.RESTART,
    "site": Effect.RESTART,
    "label": Effect.EDGE,
    "lines": Effect.EDGE,
    "profiles": Effect.DEVICES,
    "spool": Effect.RESTART,
    "mqtt": Effect.RESTART,
    "delivery": Effect.RESTART,
    "processors": Effect.EDGE,
    "sources": Effect.DEVICES,
    "console": Effect.RESTART,
    "clock": Effect.RESTART,
    "clock_hold": Effect.RESTART,
    "history": Effect.RESTART,
    "max_concurrent_connects": Effect.RESTART,
    "status_interval": Effect.RESTART,
    "accounting_interval": Effect.RESTART,
}
"""Keys at the top of the file. A folder `profiles` changes nothing by itself: profiles are compared."""

CONSOLE_KEYS: Mapping[str, Effect] = {
    "listen": Effect.RESTART,
    "base": Effect.RESTART,
    "hosts": Effect.RESTART,
    "tls": Effect.RESTART,
    "tokens": Effect.RESTART,
    "demand_token": Effect.RESTART,
    "language": Effect.EDGE,
    "display_units": Effect.EDGE,
}
"""Keys of `console`, where both sets have one."""

ENDPOINT_KEYS: Mapping[str, Effect] = {
    "type": Effect.ENDPOINT,
    "url": Effect.PLACE,
    "tls": Effect.ENDPOINT,
    "connect_timeout": Effect.ENDPOINT,
    "timeout": Effect.ENDPOINT,
    "retries": Effect.ENDPOINT,
    "message_spacing": Effect.ENDPOINT,
    "connect_delay": Effect.ENDPOINT,
    "max_in_flight": Effect.ENDPOINT,
    "close_after_poll": Effect.ENDPOINT,
    "quirks": Effect.ENDPOINT,
    "devices": Effect.DEVICES,
}
"""Keys of one entry of `sources`."""

DEVICE_KEYS: Mapping[str, Effect] = {
    "device": Effect.PLACE,
    "unit_id": Effect.DEVICE,
    "profile": Effect.DEVICE,
    "label": Effect.LABEL,
    "line": Effect.DEVICE,
    "place": Effect.LABEL,
    "parameters": Effect.DEVICE,
    "poll_periods": Effect.DEVICE,
    "timeout": Effect.DEVICE,
    "settling_polls": Effect.DEVICE,
}
"""Keys of one device. `line` travels with every reading, `label` and `place` do not."""

REPLY_SIZE = "limits.max_reply_bytes"
"""What of a profile concerns the connection: longer replies than the present one takes need a new one."""


class Fate(StrEnum):
    """What becomes of a device or an endpoint."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    """A device begins anew; an endpoint is connected anew."""
    RELABELLED = "relabelled"


class Verdict(StrEnum):
    NOTHING = "nothing"
    HOT = "hot"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """One device that does not stay as it is. `keys`: what differs; `endpoint`: where it is in the new set,
    or was in the old one."""

    device: str
    fate: Fate
    endpoint: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """One endpoint that comes, goes, or is connected anew."""

    url: str
    fate: Fate
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsChange:
    restart: tuple[str, ...] = ()
    """Keys that only a restart changes."""
    edge: tuple[str, ...] = ()
    """Keys of the gateway as a whole that change while it runs."""
    endpoints: tuple[EndpointChange, ...] = ()
    devices: tuple[DeviceChange, ...] = ()
    reordered: bool = False
    """Whether the devices that stay have another order."""

    @property
    def verdict(self) -> Verdict:
        if self.restart:
            return Verdict.RESTART
        if self.edge or self.endpoints or self.devices or self.reordered:
            return Verdict.HOT
        return Verdict.NOTHING


def compare(old: SettingsSet, new: SettingsSet) -> SettingsChange:
    """What a gateway that runs `old` has to do for `new`."""
    restart, edge = _of_the_edge(old, new)
    endpoints = tuple(_endpoints(old, new))
    renewed = {endpoint.url for endpoint in endpoints if endpoint.fate is Fate.CHANGED}
    devices = tuple(_devices(old.devices, new.devices, renewed))
    before = [name for name in old.devices if name in new.devices]
    after = [name for name in new.devices if name in old.devices]
    return SettingsChange(tuple(restart), tuple(edge), endpoints, devices, before != after)


def _of_the_edge(old: SettingsSet, new: SettingsSet) -> tuple[list[str], list[str]]:
    restart: list[str] = []
    edge: list[str] = []
    lists = {Effect.RESTART: restart, Effect.EDGE: edge}
    for key, effect in GATEWAY_KEYS.items():
        before, after = getattr(old.settings, key), getattr(new.settings, key)
        if before == after or effect is Effect.DEVICES:
            continue
        if key == "console" and before is not None and after is not None:
            for inner in differing(before, after):
                lists[CONSOLE_KEYS[inner]].append(f"console.{inner}")
        elif isinstance(before, BaseModel) and isinstance(after, BaseModel) and effect is Effect.RESTART:
            lists[effect] += [f"{key}.{inner}" for inner in differing(before, after)]
        else:
            lists[effect].append(key)
    return restart, edge


def _endpoints(old: SettingsSet, new: SettingsSet) -> Iterator[EndpointChange]:
    before, after = old.endpoints, new.endpoints
    for url, source in after.items():
        if url not in before:
            yield EndpointChange(url, Fate.ADDED)
        elif keys := _endpoint_keys(old, new, before[url], source):
            yield EndpointChange(url, Fate.CHANGED, keys)
    for url in before:
        if url not in after:
            yield EndpointChange(url, Fate.REMOVED)


def _endpoint_keys(
    old: SettingsSet, new: SettingsSet, before: ModbusSettings, after: ModbusSettings
) -> tuple[str, ...]:
    keys = [key for key in differing(before, after) if ENDPOINT_KEYS[key] is Effect.ENDPOINT]
    if _longest_reply(old, before) < _longest_reply(new, after):
        keys.append(REPLY_SIZE)
    return tuple(keys)


def _longest_reply(settings: SettingsSet, source: ModbusSettings) -> int:
    return max(settings.profiles[device.profile].limits.max_reply_bytes for device in source.devices)


def _devices(
    before: Mapping[str, PlacedDevice], after: Mapping[str, PlacedDevice], renewed: set[str]
) -> Iterator[DeviceChange]:
    for name, device in after.items():
        if name not in before:
            yield DeviceChange(name, Fate.ADDED, device.source.url)
            continue
        keys = list(differing(before[name].settings, device.settings))
        effects = {DEVICE_KEYS[key] for key in keys}
        if before[name].profile != device.profile and "profile" not in keys:
            keys.append(f"profile {device.settings.profile}")
            effects.add(Effect.DEVICE)
        if before[name].source.url != device.source.url:
            keys.append("url")
            effects.add(Effect.DEVICE)
        if device.source.url in renewed:
            effects.add(Effect.DEVICE)
        if effects:
            fate = Fate.CHANGED if Effect.DEVICE in effects else Fate.RELABELLED
            yield DeviceChange(name, fate, device.source.url, tuple(keys))
    for name, device in before.items():
        if name not in after:
            yield DeviceChange(name, Fate.REMOVED, device.source.url)


def differing(before: BaseModel, after: BaseModel) -> Sequence[str]:
    """The keys of two models that do not have the same value."""
    if type(before) is not type(after):
        return ["type"]
    fields: Mapping[str, Any] = type(before).model_fields
    return [name for name in fields if getattr(before, name) != getattr(after, name)]
