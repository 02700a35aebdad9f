"""The source that polls the Modbus devices of one endpoint: one connection, one schedule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Literal, Self

from gateway.interfaces import DevicePlan, Event, EventListener, ExpectedPolls, RawReply
from gateway.sources.modbus.device import Device, DeviceSetup, Group
from gateway.sources.modbus.hints import SettingHints
from gateway.sources.modbus.identity import without_values
from gateway.sources.modbus.learning.bisection import Bisection, describe
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.learning.sunspec_search import sunspec_search
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED
from gateway.sources.modbus.poll_cycle import PollCycle
from gateway.sources.modbus.poll_schedule import SLOTS, DuePoll, PollSchedule
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.stats import SourceStats
from gateway.sources.modbus.unit_availability import UnitAvailability
from gateway.sources.modbus.verification import Verifier
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
    ) -> None:
        """`listener` is told of every event, `slots` and `alarms` are shared by all sources of the process,
        `memory` keeps over restarts what devices taught. `slot`: seconds that polls gather in, best the same
        for all sources of a process.

        ConfigError where a device does not fit its profile.
        """
        self.name = settings.url
        self.busy = False
        self.stats = SourceStats()
        self._settings = settings
        self._timebase = timebase
        self._random = random
        self._dial = dial
        self._listener = listener
        self._slots = slots
        self._alarms = alarms or Timers()
        self._memory = memory
        self._slot = slot
        framing = settings.endpoint.framing
        self._devices = [Device(setup, framing, settings.message_spacing) for setup in devices]
        self._hints = {device.name: SettingHints(device.setup.profile) for device in self._devices}
        self._groups = [group for device in self._devices for group in device.groups]
        self._service = self._availability(0.0)
        self._link: EndpointConnector | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def _availability(self, now: float) -> UnitAvailability:
        """Of each unit id once: several devices, each with a profile, may be one unit."""
        own = {device.unit: timeout for device in self._devices if (timeout := device.setup.settings.timeout)}
        units = tuple(dict.fromkeys(device.unit for device in self._devices))
        return UnitAvailability(units, self._settings.timeout, now, timeouts=own)

    def _client_options(self) -> ClientOptions:
        """Those of the settings; a device may allow longer replies than the specification."""
        options = self._settings.client_options
        longest = max(2 + device.setup.profile.limits.max_reply_bytes for device in self._devices)
        return replace(options, link=replace(options.link, max_pdu=max(MAX_PDU, longest)))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._service = self._availability(loop.time())
        self._load_learned(loop.time())
        backoff = Backoff(self._random, max_s=LONGEST_BACKOFF)
        self._link = EndpointConnector(
            self._client_options(),
            self._tasks,
            backoff,
            self.stats,
            self._on_late_reply,
            self._random,
            self._dial,
            self._slots,
            self._alarms,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        link, tasks = self._link, self._tasks
        self._link = self._tasks = None
        if link is not None:
            link.close()
        if tasks is not None:
            await tasks.__aexit__(kind, error, trace)

    def columns(self) -> Sequence[BlockSchema]:
        return [columns for device in self._devices for columns in device.columns()]

    def expected(self) -> Sequence[ExpectedPolls]:
        """Every poll group with what one turn of it should bring."""
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
        timetable = PollSchedule(periods, clock(), self._slot)
        try:
            while True:
                now = clock()
                due = timetable.take(now)
                self.busy = due is not None
                if due is None:
                    await self._alarms.until(timetable.next_due)
                else:
                    yield await self._poll(due, now)
        finally:
            self.busy = False

    async def _poll(self, due: DuePoll, now: float) -> Poll:
        group, epoch = self._groups[due.group], self._timebase.epoch  # one epoch for all times of a poll
        device, stats = group.device, self.stats
        if due.skipped:
            stats.missed_polls += due.skipped
            self._service.missed(device.unit, now)
        factors: Sequence[Reading] = ()
        may_ask = self._service.may_poll(device.unit, now)
        if may_ask and device.forget_in_time(group, now):
            self._save_learned(device)
        if may_ask and len(self._groups) > 1 and group.would_close_connection(now):
            readings = self._not_asked(epoch, group, now, Reason.UNREACHABLE)
        elif may_ask and group.plan.blocks:
            readings, factors = await self._ask(epoch, group)
        else:  # where all of a group is refused nothing is asked, and silence says nothing about the device
            limited = self._service.units[device.unit].in_service and not may_ask
            readings = self._not_asked(epoch, group, now, Reason.NOT_POLLED if limited else device.reason)
        if device.exponents is not None:
            readings = device.exponents.scaled(readings, factors)
        readings = device.identity.checked(readings)
        stats.polls += 1
        for reading in readings:
            stats.bad_points += len(reading.reasons)
            stats.good_points += len(reading.values) - len(reading.reasons)
        self._hint(device, self._hints[device.name].polled(readings))
        return Poll(int(epoch.at(due.due) * 1000), tuple(readings), due.skipped, epoch.tag)

    async def _ask(self, epoch: Epoch, group: Group) -> tuple[list[Reading], Sequence[Reading]]:
        """The readings of one poll, and the scale factors that were read once more after them."""
        assert self._link is not None, "a source polls inside its `async with`"
        device, settings, link = group.device, self._settings, self._link
        if device.online is not False and device.identity.unknown_beside(group.plan.columns.points):
            await self._identify(group)
        if device.identity.must_search(asyncio.get_running_loop().time()):
            await self._locate(group)
        poll = PollCycle(group, link, self._service, epoch.next_ms, settings)
        await poll.read()
        if device.exponents is not None and device.exponents.changed(poll.readings, poll.factors):
            poll = PollCycle(group, link, self._service, epoch.next_ms, settings)
            await poll.read()
        if poll.slow_reply_time:
            self._service.record_slow_replies(
                device.unit, poll.slow_reply_time, asyncio.get_running_loop().time()
            )
        if settings.close_after_poll:
            link.disconnect()
        hints = self._hints[device.name]
        self._hint(device, hints.unusable_reply(poll.unusable))
        if poll.replied:
            self._hint(device, hints.deaf(link.deaf_for))
            self._hint(device, hints.asleep(device.sleeps and not settings.retries))
            if not device.online:
                self._came_online(device)
            self.stats.rtt[device.name] = self._service.units[device.unit].rtt
        else:
            device.reason = poll.reason
            if device.online is not False and not self._still_trusted(device, poll.reason):
                self._went_offline(device, poll.reason)
        trial_was_good = device.trial_over(poll.readings)
        if poll.replied and device.settling_polls:  # what it refuses while it starts teaches nothing either
            device.settling_polls -= 1
            return [without_values(reading, Reason.RESTARTED) for reading in poll.readings], ()
        if poll.search is not None:
            self._learn(device, poll.search)
        if trial_was_good:
            device.forget_all(asyncio.get_running_loop().time())
            self._save_learned(device)
        return poll.readings, poll.factors

    async def _identify(self, group: Group) -> None:
        """Read the identity of the device, where the points of another group are polled first."""
        assert self._link is not None, "a source polls inside its `async with`"
        reader = Verifier(group, self._link, self._service, self._settings.timeout)
        for block in group.device.identity_blocks():
            if (data := await reader.read(block.request)) is not None:
                group.device.identity.checked([block.reading(0, data)])

    async def _locate(self, group: Group) -> None:
        """Find the SunSpec model of the device at other addresses than those of its profile."""
        assert self._link is not None, "a source polls inside its `async with`"
        device = group.device
        identity = next(point for point in device.setup.profile.points if point.identity)
        reader = Verifier(group, self._link, self._service, self._settings.timeout)
        search = sunspec_search(identity.identity)
        try:
            registers = next(search)
            while True:
                request = read_request(identity.table.read_function, *registers)
                registers = search.send(await reader.read(request))
        except StopIteration as end:
            if end.value is not None and end.value != identity.address:
                device.move_to(end.value)

    def _not_asked(self, epoch: Epoch, group: Group, now: float, reason: Reason) -> list[Reading]:
        time_ms = epoch.next_ms(group.series, now)
        readings = [block.bad(time_ms, reason) for block in group.plan.blocks]
        return readings + [not_asked.reading(time_ms) for not_asked in group.plan.not_asked]

    def _on_late_reply(self, unit: int, seconds: float) -> None:
        self._service.replied_late(unit, seconds)
        for device in self._devices:
            if device.unit == unit:
                timeout = self._service.units[unit].timeout
                self._hint(device, self._hints[device.name].late_reply(seconds, timeout))

    def _still_trusted(self, device: Device, reason: Reason) -> bool:
        """One silence is no offline period yet, nor one connection that ended; one that cannot be made is."""
        cut_off = reason is Reason.UNREACHABLE and (self._link is None or self._link.problem)
        return not cut_off and self._service.units[device.unit].in_service

    def _learn(self, device: Device, search: Bisection) -> None:
        before, after = device.learned, search.added_to(device.learned)
        if after != before:
            device.learn(after, asyncio.get_running_loop().time())
            self._save_learned(device)
            if text := describe(device.reported, after):  # not the same each time that it is asked again
                self._report(device, "limits_learned", text)
            device.reported = after

    def _load_learned(self, now: float) -> None:
        for device in self._devices:
            if self._memory is not None and device.learned is NOTHING_LEARNED:
                learned = self._memory.load(device.name, device.setup.profile)
                if learned is not NOTHING_LEARNED:
                    device.learn(learned, now)

    def _save_learned(self, device: Device) -> None:
        if self._memory is not None:
            self._memory.keep(device.name, device.setup.profile, device.learned)

    def _came_online(self, device: Device) -> None:
        first, device.online = device.online is None, True
        device.settling_polls = 0 if first else device.setup.settings.settling_polls
        self.stats.offline.discard(device.name)
        self._report(device, "online", "answers" if first else "answers again")

    def _went_offline(self, device: Device, reason: Reason) -> None:
        device.online = False
        device.identity.forget()
        self.stats.offline.add(device.name)
        link = self._link
        detail = f": {link.problem}" if reason is Reason.UNREACHABLE and link and link.problem else ""
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
        time_ms = int(self._timebase.at(asyncio.get_running_loop().time()) * 1000)
        event = Event(time_ms, device.name, kind, text, reason)
        level = logging.INFO if kind == "online" else logging.WARNING
        _log.log(level, "%s (unit %d at %s) %s", device.name, device.unit, self.name, text)
        self.stats.events.append(event)
        if self._listener is not None:
            self._listener(event)
