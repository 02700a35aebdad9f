"""Polls one group at a time: whether it may be polled, one cycle, and what that shows of its device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

from gateway.interfaces import Event, EventListener
from gateway.sources.modbus.device import Device, Group
from gateway.sources.modbus.identity import without_values
from gateway.sources.modbus.learning.sunspec_search import find_model
from gateway.sources.modbus.poll_cycle import PollCycle
from gateway.sources.modbus.poll_result import PollResult
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.stats import SourceStats
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.reading import Reading, Reason
from qilu.modbus_client.connector import EndpointConnector
from qilu.runtime.monotonic_utc import Epoch, Timebase

_log = logging.getLogger(__name__)

PollReadings = tuple[list[Reading], Sequence[Reading]]
"""The readings of one poll, and the scale factors that were read once more after them."""


class GroupPoller:
    """Of one endpoint, whose link and units it uses."""

    def __init__(
        self,
        settings: ModbusSettings,
        link: EndpointConnector,
        service: UnitAvailability,
        stats: SourceStats,
        timebase: Timebase,
        listener: EventListener | None,
    ) -> None:
        """`listener` receives every event."""
        self.settings = settings
        self.service = service
        self._link = link
        self._stats = stats
        self._timebase = timebase
        self._listener = listener

    async def poll(self, group: Group, epoch: Epoch, now: float) -> list[Reading]:
        """Every value of the group, good or bad, all at times of this epoch."""
        device, stats = group.device, self._stats
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
        return readings

    async def _read(self, epoch: Epoch, group: Group, now: float) -> PollReadings:
        device, service = group.device, self.service
        if not service.may_poll(device.unit, now):
            limited = service.units[device.unit].in_service
            reason = Reason.NOT_POLLED if limited else device.presence.reason
            return self._not_asked(epoch, group, now, reason), ()
        if now < group.not_before:
            return self._not_asked(epoch, group, now, Reason.UNREACHABLE), ()
        await self._trial(group, now)
        if not group.plan.blocks:  # all is refused: nothing is requested, which says nothing about the device
            return self._not_asked(epoch, group, now, device.presence.reason), ()
        if device.identity.is_expected:
            await self._identify(group, now)
        cycle = await self._cycle(group, epoch)
        if device.exponents is not None and device.exponents.changed(
            cycle.result.readings, cycle.result.factors
        ):
            cycle = await self._cycle(group, epoch)
        if self.settings.close_after_poll:
            self._link.disconnect()
        if cycle.result.slow_reply_s:
            service.record_late_replies(device.unit, cycle.result.slow_reply_s, _now())
        if cycle.usual and device.presence.online:
            self._stats.rtt[device.name] = service.timing[device.unit].rtt
            device.hints.usable_replies()
            return cycle.result.readings, cycle.result.factors
        self._observe(device, cycle.result)
        return self._learn(group, cycle)

    async def _cycle(self, group: Group, epoch: Epoch) -> PollCycle:
        cycle = PollCycle(group, self._link, self.service, epoch.next_ms)
        await cycle.read()
        return cycle

    async def _trial(self, group: Group, now: float) -> None:
        """Send one refused request again, where it is time. With a reply, all limits are forgotten."""
        device = group.device
        if not self.service.should_continue(device.unit):
            return
        block = device.take_trial(group, now)
        verifier = device.verifier(self._link, self.service)
        if block is not None and await verifier.read(block.request) is not None:
            device.forget_limits()

    def _observe(self, device: Device, result: PollResult) -> None:
        """What the cycle shows of the device: whether it is online, slow, asleep."""
        unit, hints = self.service.units[device.unit], device.hints
        self._hint(device, hints.unusable_reply(result.unusable))
        if not result.replied:
            # One poll without a reply, or one connection that ended, is no offline period yet.
            cut_off = result.reason is Reason.UNREACHABLE and bool(self._link.problem)
            if device.presence.not_replied(result.reason, trusted=unit.in_service and not cut_off):
                self._went_offline(device, result.reason)
            return
        self._hint(device, hints.deaf(self._link.deaf_for))
        if (text := device.presence.replied()) is not None:
            self._stats.offline.discard(device.name)
            self._report(device, "online", text)
        self._stats.rtt[device.name] = self.service.timing[device.unit].rtt

    def _learn(self, group: Group, cycle: PollCycle) -> PollReadings:
        """The readings of the cycle, after the device learned from it."""
        device, result = group.device, cycle.result
        counts = not result.replied or device.presence.count_poll()
        if counts and cycle.search is not None and (text := device.learn(cycle.search, _now())):
            self._report(device, "limits_learned", text)
        if counts:
            return result.readings, result.factors
        return [without_values(reading, Reason.RESTARTED) for reading in result.readings], ()

    async def _identify(self, group: Group, now: float) -> None:
        """Read the identity of the device, where the points of another group are polled first; and find its
        SunSpec model at other addresses than those of its profile."""
        device, identity = group.device, group.device.identity
        verifier = device.verifier(self._link, self.service)
        if not device.presence.offline and identity.unknown_beside(group.plan.columns.points):
            for block in device.identity_blocks():
                if (data := await verifier.read(block.request)) is not None:
                    identity.checked([block.reading(0, data)])
        if not identity.start_search(now):
            return
        expected = next(point for point in device.setup.profile.points if point.identity)
        address = await find_model(expected.identity, expected.table, verifier.read)
        if address is not None and address != expected.address:
            device.move_to(address)

    def _not_asked(self, epoch: Epoch, group: Group, now: float, reason: Reason) -> list[Reading]:
        time_ms = epoch.next_ms(group.series, now)
        readings = [block.bad(time_ms, reason) for block in group.plan.blocks]
        return readings + [not_asked.reading(time_ms) for not_asked in group.plan.not_asked]

    def replied_late(self, device: Device, seconds: float) -> None:
        """A reply came so long after its request, when it was not waited for any more."""
        timeout = self.service.timing[device.unit].timeout
        self._hint(device, device.hints.late_reply(seconds, timeout))

    def _went_offline(self, device: Device, reason: Reason) -> None:
        device.identity.forget()
        self._stats.offline.add(device.name)
        problem = self._link.problem if reason is Reason.UNREACHABLE else ""
        detail = f": {problem}" if problem else ""
        self._report(device, "offline", f"does not answer ({reason}{detail})", reason)

    def _hint(self, device: Device, text: str | None) -> None:
        if text is not None:
            _log.warning("%s (unit %d at %s) %s", device.name, device.unit, self.settings.url, text)

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
        _log.log(level, "%s (unit %d at %s) %s", device.name, device.unit, self.settings.url, text)
        self._stats.events.append(event)
        if self._listener is not None:
            self._listener(event)


def _now() -> float:
    return asyncio.get_running_loop().time()
