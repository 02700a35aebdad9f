"""What the parts of a gateway need to know of its devices and endpoints, made from settings and profiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from gateway.accounting.daily_source import Row
from gateway.interfaces import EventListener
from gateway.progress import Deadline
from gateway.settings import GatewaySettings
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.learning.store import LEARNED_FOLDER, LearnedLimitsStore
from gateway.sources.modbus.poll_schedule import slot_for
from gateway.sources.modbus.response_timeout import MAX_RAISE
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.point_info import described, rows
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connector import Dial, dial
from qilu.runtime.monotonic_utc import Timebase
from qilu.runtime.timers import Timers

Profiles = Mapping[str, DeviceProfile]


def origin_of(settings: GatewaySettings, device: DeviceSettings) -> Origin:
    return Origin(
        settings.edge, device.device, device.profile, settings.enterprise, settings.site, device.line
    )


def all_devices(settings: GatewaySettings) -> Iterator[DeviceSettings]:
    """The devices of all endpoints, in their order."""
    for source in settings.sources:
        yield from source.devices


def origins(settings: GatewaySettings, devices: Iterable[DeviceSettings]) -> dict[str, Origin]:
    return {device.device: origin_of(settings, device) for device in devices}


def descriptions(
    settings: GatewaySettings, profiles: Profiles, devices: Iterable[DeviceSettings]
) -> list[Row]:
    described_points: list[Row] = []
    for device in devices:
        profile = profiles[device.profile]
        periods = {**profile.groups, **device.poll_periods}
        described_points += rows(
            origin_of(settings, device), described(profile, device.label, device.place, periods)
        )
    return described_points


def counters(
    profiles: Profiles, devices: Iterable[DeviceSettings]
) -> dict[str, tuple[DeviceProfile, Mapping[str, float]]]:
    """Device -> its profile, and all numbers that the profile refers to."""
    return {
        device.device: (profiles[device.profile], profiles[device.profile].parameters_with(device.parameters))
        for device in devices
    }


def setups(
    settings: GatewaySettings, profiles: Profiles, devices: Iterable[DeviceSettings]
) -> list[DeviceSetup]:
    return [DeviceSetup(device, profiles[device.profile], origin_of(settings, device)) for device in devices]


def deadline(source: ModbusSource, settings: ModbusSettings) -> Deadline:
    """What the task of an endpoint may need for one step: its longest period and a request with all tries."""
    longest = max((group.period for group in source.expected()), default=0.0)
    timeout = max((settings.timeout, *(device.timeout or 0.0 for device in settings.devices)))
    seconds = longest + settings.connect_timeout + MAX_RAISE * timeout * (settings.retries + 1)
    return Deadline(seconds, partial(_requests, source.stats))


def _requests(stats: SourceStats) -> int:
    """What a source has asked and heard: a poll of many requests moves on with each of them."""
    return stats.requests + stats.replies + stats.timeouts


@dataclass(frozen=True, slots=True)
class SourceFactory:
    """Makes the sources of one gateway, which share what is here. `slot`: seconds that polls gather in."""

    timebase: Timebase
    random: Random
    listener: EventListener
    slots: ConnectLimiter
    memory: LearnedLimitsStore
    slot: float
    alarms: Timers
    dial: Dial = dial

    @classmethod
    def of(
        cls,
        settings: GatewaySettings,
        profiles: Profiles,
        timebase: Timebase,
        random: Random,
        listener: EventListener,
        dial: Dial = dial,
    ) -> SourceFactory:
        return cls(
            timebase,
            random,
            listener,
            ConnectLimiter(settings.max_concurrent_connects),
            LearnedLimitsStore(settings.spool.directory / LEARNED_FOLDER),
            slot_for(_poll_rate(settings, profiles)),
            Timers(),
            dial,
        )

    def make(
        self, endpoint: ModbusSettings, devices: Iterable[DeviceSetup], stats: SourceStats | None = None
    ) -> ModbusSource:
        """The source of one endpoint; ConfigError where a device does not fit its profile."""
        return ModbusSource(
            endpoint,
            list(devices),
            self.timebase,
            self.random,
            dial=self.dial,
            listener=self.listener,
            slots=self.slots,
            alarms=self.alarms,
            memory=self.memory,
            slot=self.slot,
            stats=stats,
        )


def _poll_rate(settings: GatewaySettings, profiles: Profiles) -> float:
    return sum(
        1 / device.poll_periods.get(group, period)
        for device in all_devices(settings)
        for group, period in profiles[device.profile].groups.items()
        if profiles[device.profile].points_of(group)
    )
