"""The source that polls the Modbus devices of one endpoint: one connection, one schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Literal, Self

from gateway.interfaces import DevicePlan, Event, EventListener, ExpectedPolls, RawReply
from gateway.sources.modbus.circuit_breaker import TIMEOUTS_UNTIL_OUT
from gateway.sources.modbus.device import Device, DeviceSetup, Group
from gateway.sources.modbus.identity import without_values
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.learning.sunspec_search import sunspec_search
from gateway.sources.modbus.poll_cycle import PollCycle
from gateway.sources.modbus.poll_result import PollResult
from gateway.sources.modbus.poll_schedule import SLOTS, DuePoll, PollSchedule
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.stats import SourceStats
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.reading import BlockSchema, Poll, Reading, Reason
from qilu.modbus.functions import MAX_PDU
from qilu.modbus.pdu import read_request
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.modbus_client.connector import Dial, EndpointConnector, dial
from qilu.modbus_client.options import ClientOptions
from qilu.runtime.backoff import Backoff
from qilu.runtime.monotonic_utc import Epoch, Timebase
from qilu.runtime.timers import Timers

_log = logging.getLogger(__name__)

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
        self.busy = False
        self.stats = stats or SourceStats()
        self._settings = settings
        self._timebase = timebase
        self._listener = listener
        self._alarms = alarms or Timers()
        self._slot = slot
        self._memory = memory
        self._timetable: PollSchedule | None = None
        self._rest: asyncio.Future[None] | None = None
        self._waiting: list[Callable[[], None]] = []
        self._devices = self.prepared(devices)
        self._groups = [group for device in self._devices for group in device.groups]
        self._service = self._availability(0.0)
        self._link = EndpointConnector(
            self._client_options(),
            Backoff(random, max_s=LONGEST_BACKOFF),
            self.stats,
            self._on_late_reply,
            random,
            dial,
            slots,
            self._alarms,
        )

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

    def between_polls(self, act: Callable[[], None]) -> None:
        """Call `act` between two polls: now, or as soon as the poll in progress is counted."""
        if self.busy:
            self._waiting.append(act)
        else:
            act()

    @property
    def devices(self) -> Mapping[str, Device]:
        """Those that are polled now, by name."""
        return {device.name: device for device in self._devices}

    def exchange(self, settings: ModbusSettings, devices: Sequence[Device]) -> None:
        """Poll these devices from now on; call it between two polls. `settings`: of the same endpoint.

        The connection stays. A device that is polled already keeps all that is known of it, and a poll group
        with the same name and period its due times.
        """
        now = asyncio.get_running_loop().time()
        for device in set(self._devices).difference(devices):
            self.stats.offline.discard(device.name)
            self.stats.rtt.pop(device.name, None)
        places = {group.key: place for place, group in enumerate(self._groups)}
        self._settings = settings
        self._devices = list(devices)
        self._groups = [group for device in self._devices for group in device.groups]
        self._service.exchange(*self._units())
        if self._timetable is not None:
            groups = [(group.device.name, group.plan.period, places.get(group.key)) for group in self._groups]
            self._timetable.exchange(groups, now)
            self._wake()

    def _units(self) -> tuple[Sequence[int], Mapping[int, float]]:
        """Each unit id once: several devices, each with a profile, may be one unit; and own timeouts."""
        own = {device.unit: timeout for device in self._devices if (timeout := device.setup.settings.timeout)}
        return tuple(dict.fromkeys(device.unit for device in self._devices)), own

    def _availability(self, now: float) -> UnitAvailability:
        units, own = self._units()
        retries = self._settings.retries
        limit = TIMEOUTS_UNTIL_OUT + max(1, retries)
        return UnitAvailability(units, self._settings.timeout, now, own, retries, limit)

    def _client_options(self) -> ClientOptions:
        """Those of the settings; a device may allow longer replies than the specification."""
        options = self._settings.client_options
        longest = max(2 + device.setup.profile.limits.max_reply_bytes for device in self._devices)
        return replace(options, max_pdu=max(MAX_PDU, longest))

    async def __aenter__(self) -> Self:
        now = asyncio.get_running_loop().time()
        self._service = self._availability(now)
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
        return [
            ExpectedPolls(
                group.plan.origin, group.plan.group, group.plan.period, len(group.plan.columns.points)
            )
            for group in self._groups
        ]

    def plans(self) -> Sequence[DevicePlan]:
        """What is requested of each device now, and what it refused."""
        return [device.present_plan() for device in self._devices]

    def plan_of(self, name: str) -> DevicePlan | None:
        """The same of one device; None where it is not behind this endpoint."""
        return next((device.present_plan() for device in self._devices if device.name == name), None)

    def last_replies(self, name: str) -> Sequence[RawReply]:
        """The last reply to each request of a device."""
        return [reply for device in self._devices if device.name == name for reply in device.last_replies()]

    async def polls(self) -> AsyncGenerator[Poll]:
        clock = asyncio.get_running_loop().time
        periods = [(group.device.name, group.plan.period) for group in self._groups]
        timetable = self._timetable = PollSchedule(periods, clock(), self._slot)
        try:
            while True:
                if self._waiting:
                    self._end_poll()
                now = clock()
                due = timetable.take(now)
                self.busy = due is not None
                if due is None:
                    await self._until(timetable.next_due)
                else:
                    yield await self._poll(due, now)
        finally:
            self._timetable = None
            self._end_poll()

    def _end_poll(self) -> None:
        """No poll is in progress: do what waits for that."""
        self.busy = False
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()

    async def _until(self, when: float) -> None:
        """Return at this time of the loop's clock, or when the timetable was exchanged."""
        self._rest = asyncio.get_running_loop().create_future()
        timer = self._alarms.at(when, self._wake)
        try:
            await self._rest
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    async def _poll(self, due: DuePoll, now: float) -> Poll:
        group, epoch = self._groups[due.group], self._timebase.epoch  # one epoch for all times of a poll
        device, stats = group.device, self.stats
        if due.skipped:
            stats.missed_polls += due.skipped
            self._service.missed(device.unit, now)
        readings, factors = await self._read(epoch, group, now)
        if device.exponents is not None:
            readings = device.exponents.scaled(readings, factors)
        readings = device.identity.checked(readings)
        stats.polls += 1
        for reading in readings:
            stats.bad_points += len(reading.reasons)
            stats.good_points += len(reading.values) - len(reading.reasons)
        if (text := device.hints.polled(readings)) is not None:
            self._hint(device, text)
        return Poll(int(epoch.at(due.due) * 1000), tuple(readings), due.skipped, epoch.tag)

    async def _read(self, epoch: Epoch, group: Group, now: float) -> tuple[list[Reading], Sequence[Reading]]:
        """The readings of one poll, and the scale factors that were read once more after them."""
        device, service = group.device, self._service
        if not service.may_poll(device.unit, now):
            limited = service.units[device.unit].in_service
            return self._not_asked(
                epoch, group, now, Reason.NOT_POLLED if limited else device.presence.reason
            ), ()
        if group.is_paused(now):
            return self._not_asked(epoch, group, now, Reason.UNREACHABLE), ()
        device.start_cycle(group, now)
        if not group.plan.blocks:  # all is refused: nothing is requested, which says nothing about the device
            return self._not_asked(epoch, group, now, device.presence.reason), ()
        if device.identity.is_expected:
            await self._identify(group, now)
        cycle = PollCycle(group, self._link, service, epoch.next_ms)
        await cycle.read()
        if device.exponents is not None and device.exponents.changed(
            cycle.result.readings, cycle.result.factors
        ):
            cycle = PollCycle(group, self._link, service, epoch.next_ms)
            await cycle.read()
        if self._settings.close_after_poll:
            self._link.disconnect()
        if cycle.result.slow_reply_s:
            service.record_slow_replies(device.unit, cycle.result.slow_reply_s, _now())
        if cycle.usual and device.presence.online:
            self.stats.rtt[device.name] = service.timing[device.unit].rtt
            device.hints.usable_replies()
            return cycle.result.readings, cycle.result.factors
        self._observe(device, cycle.result)
        return self._learn(group, cycle)

    def _observe(self, device: Device, result: PollResult) -> None:
        """What the cycle shows of the device: whether it is online, slow, asleep."""
        unit, hints = self._service.units[device.unit], device.hints
        self._hint(device, hints.unusable_reply(result.unusable))
        if not result.replied:
            # One poll without a reply, or one connection that ended, is no offline period yet.
            cut_off = result.reason is Reason.UNREACHABLE and bool(self._link.problem)
            if device.presence.not_replied(result.reason, trusted=unit.in_service and not cut_off):
                self._went_offline(device, result.reason)
            return
        self._hint(device, hints.deaf(self._link.deaf_for))
        self._hint(device, hints.asleep(device.sleeps and not self._settings.retries))
        if (text := device.presence.replied()) is not None:
            self.stats.offline.discard(device.name)
            self._report(device, "online", text)
        self.stats.rtt[device.name] = self._service.timing[device.unit].rtt

    def _learn(self, group: Group, cycle: PollCycle) -> tuple[list[Reading], Sequence[Reading]]:
        """The readings of the cycle, after the device learned from it."""
        device, result = group.device, cycle.result
        counts = not result.replied or device.presence.poll_counts()
        text = device.end_cycle(result.readings, cycle.search if counts else None, _now())
        group.cycle_ended(complete=cycle.complete, may_pause=len(self._groups) > 1)
        if text:
            self._report(device, "limits_learned", text)
        if counts:
            return result.readings, result.factors
        return [without_values(reading, Reason.RESTARTED) for reading in result.readings], ()

    async def _identify(self, group: Group, now: float) -> None:
        """Read the identity of the device, where the points of another group are polled first; and find its
        SunSpec model at other addresses than those of its profile."""
        device, identity = group.device, group.device.identity
        verifier = device.verifier(self._link, self._service)
        if not device.presence.offline and identity.unknown_beside(group.plan.columns.points):
            for block in device.identity_blocks():
                if (data := await verifier.read(block.request)) is not None:
                    identity.checked([block.reading(0, data)])
        if not identity.must_search(now):
            return
        expected = next(point for point in device.setup.profile.points if point.identity)
        search = sunspec_search(expected.identity)
        try:
            registers = next(search)
            while True:
                request = read_request(expected.table.read_function, *registers)
                registers = search.send(await verifier.read(request))
        except StopIteration as end:
            if end.value is not None and end.value != expected.address:
                device.move_to(end.value)

    def _not_asked(self, epoch: Epoch, group: Group, now: float, reason: Reason) -> list[Reading]:
        time_ms = epoch.next_ms(group.series, now)
        readings = [block.bad(time_ms, reason) for block in group.plan.blocks]
        return readings + [not_asked.reading(time_ms) for not_asked in group.plan.not_asked]

    def _on_late_reply(self, unit: int, seconds: float) -> None:
        if unit not in self._service.units:
            return  # its device was removed meanwhile
        self._service.replied_late(unit, seconds)
        for device in self._devices:
            if device.unit == unit:
                timeout = self._service.timing[unit].timeout
                self._hint(device, device.hints.late_reply(seconds, timeout))

    def _went_offline(self, device: Device, reason: Reason) -> None:
        device.identity.forget()
        self.stats.offline.add(device.name)
        problem = self._link.problem if reason is Reason.UNREACHABLE else ""
        detail = f": {problem}" if problem else ""
        self._report(device, "offline", f"does not answer ({reason}{detail})", reason)

    def _hint(self, device: Device, text: str | None) -> None:
        if text is not None:
            _log.warning("%s (unit %d at %s) %s", device.name, device.unit, self.name, text)

    def _report(
        self,
        device: Device,
        kind: Literal["offline", "online", "limits_learned"],
        text: str,
        reason: Reason | None = None,
    ) -> None:
        time_ms = int(self._timebase.at(_now()) * 1000)
        event = Event(time_ms, device.name, kind, text, reason)
        level = logging.INFO if kind == "online" else logging.WARNING
        _log.log(level, "%s (unit %d at %s) %s", device.name, device.unit, self.name, text)
        self.stats.events.append(event)
        if self._listener is not None:
            self._listener(event)


def _now() -> float:
    return asyncio.get_running_loop().time()
