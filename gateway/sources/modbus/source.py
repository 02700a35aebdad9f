"""The source that polls the Modbus devices of one endpoint: one connection, one schedule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Self

from gateway.interfaces import DevicePlan, EventListener, ExpectedPolls, RawReply
from gateway.sources.modbus.device import Device, DeviceSetup, Group
from gateway.sources.modbus.group_poller import GroupPoller
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.poll_loop import PollLoop
from gateway.sources.modbus.poll_schedule import SLOTS, DuePoll
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.stats import SourceStats
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.reading import BlockSchema, Poll
from qilu.modbus.functions import MAX_PDU
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connector import Dial, EndpointConnector, dial
from qilu.modbus_client.options import ClientOptions
from qilu.runtime.backoff import Backoff
from qilu.runtime.monotonic_utc import Timebase
from qilu.runtime.timers import Timers

LONGEST_BACKOFF = 15.0
"""Seconds between two attempts to connect, at most: so soon is a machine noticed that is switched on."""


class ModbusSource:
    """One endpoint and its devices. Used with `async with`, again and again if need be."""

    def __init__(
        self,
        settings: ModbusSettings,
        devices: Sequence[DeviceSetup],
        timebase: Timebase,
        random: Random,
        *,
        dial: Dial = dial,
        listener: EventListener | None = None,
        slots: ConnectLimiter | None = None,
        alarms: Timers | None = None,
        memory: LearnedLimitsStore | None = None,
        slot: float = SLOTS[0],
        stats: SourceStats | None = None,
    ) -> None:
        """`listener` receives every event, `slots` and `alarms` are shared by all sources of the process,
        `memory` keeps learned limits over restarts. `slot`: seconds that polls gather in, best the same for
        all sources of a process. `stats`: of the source before this one, which go on.

        ConfigError where a device does not fit its profile.
        """
        self.name = settings.url
        self.stats = stats or SourceStats()
        self._settings = settings
        self._timebase = timebase
        self._memory = memory
        self._devices = self.prepared(devices)
        alarms = alarms or Timers()
        self._link = EndpointConnector(
            self._client_options(),
            Backoff(random, max_s=LONGEST_BACKOFF),
            self.stats,
            self._on_late_reply,
            random,
            dial,
            slots,
            alarms,
        )
        service = self._availability(0.0)
        self._poller = GroupPoller(settings, self._link, service, self.stats, timebase, listener)
        self._loop = PollLoop(self._groups, self._poll, alarms, slot)

    @property
    def busy(self) -> bool:
        """Whether a poll is in progress."""
        return self._loop.busy

    def between_polls(self, act: Callable[[], None]) -> None:
        """Call `act` between two polls: now, or as soon as the poll in progress is counted."""
        self._loop.between_polls(act)

    def prepared(self, setups: Sequence[DeviceSetup], now: float | None = None) -> list[Device]:
        """Devices for `exchange`; `now`: with the limits that were saved of them. Any thread may do this.

        ConfigError where a device does not fit its profile.
        """
        framing, spacing = self._settings.endpoint.framing, self._settings.message_spacing
        devices = [Device(setup, framing, spacing, self._memory) for setup in setups]
        if now is not None:
            for device in devices:
                device.load_limits(now)
        return devices

    @property
    def devices(self) -> Mapping[str, Device]:
        """Those that are polled now, by name."""
        return {device.name: device for device in self._devices}

    def exchange(self, settings: ModbusSettings, devices: Sequence[Device]) -> None:
        """Poll these devices from now on; call it between two polls. `settings`: of the same endpoint.

        The connection stays. A device that is polled already keeps all that is known of it, and a poll group
        with the same name and period its due times.
        """
        for device in set(self._devices).difference(devices):
            self.stats.offline.discard(device.name)
            self.stats.rtt.pop(device.name, None)
        self._settings = self._poller.settings = settings
        self._devices = list(devices)
        self._poller.service.exchange(*self._units())
        self._loop.exchange(self._groups, asyncio.get_running_loop().time())

    @property
    def _groups(self) -> Sequence[Group]:
        return [group for device in self._devices for group in device.groups]

    def _units(self) -> tuple[Sequence[int], Mapping[int, float]]:
        """Each unit id once: several devices, each with a profile, may be one unit; and own timeouts."""
        own = {device.unit: timeout for device in self._devices if (timeout := device.setup.settings.timeout)}
        return tuple(dict.fromkeys(device.unit for device in self._devices)), own

    def _availability(self, now: float) -> UnitAvailability:
        units, own = self._units()
        return UnitAvailability(units, self._settings.timeout, now, own, self._settings.retries)

    def _client_options(self) -> ClientOptions:
        """Those of the settings; a device may allow longer replies than the specification."""
        options = self._settings.client_options
        longest = max(2 + device.setup.profile.limits.max_reply_bytes for device in self._devices)
        return replace(options, max_pdu=max(MAX_PDU, longest))

    async def __aenter__(self) -> Self:
        now = asyncio.get_running_loop().time()
        self._poller.service = self._availability(now)
        for device in self._devices:
            device.load_limits(now)
        await self._link.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.__aexit__(kind, error, trace)

    def columns(self) -> Sequence[BlockSchema]:
        return [columns for device in self._devices for columns in device.columns()]

    def expected(self) -> Sequence[ExpectedPolls]:
        """Every poll group with the values that one of its cycles should bring."""
        plans = [group.plan for group in self._groups]
        return [ExpectedPolls(p.origin, p.group, p.period, len(p.columns.points)) for p in plans]

    def plans(self) -> Sequence[DevicePlan]:
        """What is requested of each device now, and what it refused."""
        return [device.present_plan() for device in self._devices]

    def plan_of(self, name: str) -> DevicePlan | None:
        """The same of one device; None where it is not behind this endpoint."""
        return next((device.present_plan() for device in self._devices if device.name == name), None)

    def last_replies(self, name: str) -> Sequence[RawReply]:
        """The last reply to each request of a device."""
        return [reply for device in self._devices if device.name == name for reply in device.last_replies()]

    def polls(self) -> AsyncGenerator[Poll]:
        """Every poll when it is due, without end."""
        return self._loop.polls()

    async def _poll(self, group: Group, due: DuePoll, now: float) -> Poll:
        epoch = self._timebase.epoch  # one for all times of a poll
        if due.skipped:
            self.stats.missed_polls += due.skipped
            self._poller.service.missed(group.device.unit, now)
        readings = await self._poller.poll(group, epoch, now)
        return Poll(int(epoch.at(due.due) * 1000), tuple(readings), due.skipped, epoch.tag)

    def _on_late_reply(self, unit: int, seconds: float) -> None:
        service = self._poller.service
        if unit not in service.units:
            return  # its device was removed meanwhile
        service.replied_late(unit, seconds)
        for device in self._devices:
            if device.unit == unit:
                self._poller.replied_late(device, seconds)
