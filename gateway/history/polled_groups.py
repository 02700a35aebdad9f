"""The poll group of each point of the devices of a gateway: how many values, and how often."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.history.room import PolledGroup
from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings
from qilu.contract.profile import DeviceProfile


def polled_groups(
    settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]
) -> dict[str, dict[str, PolledGroup]]:
    """Device -> point -> its group; the points of a group of a device have the same one."""
    return {
        device.device: groups_of(device, profiles[device.profile])
        for source in settings.sources
        for device in source.devices
    }


def groups_of(device: DeviceSettings, profile: DeviceProfile) -> dict[str, PolledGroup]:
    """Point -> its group, of one device."""
    points: dict[str, PolledGroup] = {}
    for group, period in profile.groups.items():
        names = [point.name for point in profile.points_of(group)]
        period = device.poll_periods.get(group, period)
        polled = PolledGroup(len(names), period, device.device, group, device.profile)
        points.update(dict.fromkeys(names, polled))
    return points
