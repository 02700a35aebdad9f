"""Takes another set of settings into a running gateway: endpoint by endpoint, each between two polls.

Everything that can fail is done in `prepare`. What is left is a list of assignments at one instant for each
endpoint: the accounts of its changed devices end, and their new ones begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from gateway import device_parts
from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.daily_source import DailySource
from gateway.accounting.schedule_source import ScheduleSource
from gateway.device_parts import SourceFactory
from gateway.diagnosis.devices import DeviceBook, first_view, line_of
from gateway.edge_info import EdgeInfoSource, settings_hash
from gateway.health import Health
from gateway.interfaces import ExpectedPolls, Processor
from gateway.pipeline import Pipeline, collecting_task
from gateway.progress import Deadline
from gateway.reload.comparison import Fate, SettingsChange, compare
from gateway.reload.processor_chain import ProcessorChain
from gateway.reload.settings_set import SettingsSet
from gateway.sources.modbus.device import Device
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from gateway.sources.modbus.stats import SourceStats
from qilu.runtime.rlimits import raise_open_file_limit

if TYPE_CHECKING:
    from gateway.history.history import History


class Follower(Protocol):
    """Another part that shows the devices of the settings."""

    def exchange(self, settings: SettingsSet, removed: Collection[str], added: Collection[str]) -> None:
        """These devices are gone, and those are there from now on; one in both beginning anew."""

    def arrange(self, settings: SettingsSet) -> None:
        """The whole set is taken; its order and its labels count from now on."""


@dataclass(frozen=True, slots=True)
class ExchangedParts:
    """The parts of a gateway that know its devices."""

    pipeline: Pipeline
    sources: list[ModbusSource]
    """Those that are polled; shared with whoever looks at them."""
    stats: list[SourceStats]
    """What the sources count; what those counted that have ended is in the first one."""
    factory: SourceFactory
    reports: AccountingSource
    schedule: ScheduleSource
    descriptions: DailySource
    chain: ProcessorChain
    book: DeviceBook
    health: Health
    deadlines: dict[str, Deadline]
    edge_info: EdgeInfoSource
    history: History | None = None


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """What happens to one endpoint of the old set, the new one, or both."""

    url: str
    before: ModbusSettings | None
    after: ModbusSettings | None
    ended: Sequence[str]
    """Devices of `before` whose account ends."""
    first: Sequence[DeviceSettings]
    """Those of `after` that no other endpoint polls until now; none where the endpoint is new."""
    source: ModbusSource | None
    """The present one."""
    next_source: ModbusSource | None
    """The one that takes its place, where the endpoint is new or connected anew."""
    devices: Mapping[str, Device]
    """Where the present source stays: its devices that begin anew."""

    @property
    def arrivals(self) -> Sequence[DeviceSettings]:
        """The devices that wait until the other endpoints have given up theirs."""
        first = {device.device for device in self.first}
        return (
            []
            if self.after is None
            else [device for device in self.after.devices if device.device not in first]
        )


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A set that was compared, checked and built, and touched nothing yet."""

    settings: SettingsSet
    change: SettingsChange
    endpoints: Sequence[_Endpoint]
    processors: Sequence[Processor]


class SettingsExchange:
    """The set that a gateway runs, and how it takes another one. `followers` hear of every change."""

    def __init__(self, parts: ExchangedParts, current: SettingsSet) -> None:
        self.current = current
        self.followers: list[Follower] = []
        self.waiting_for: set[str] = set()
        """Endpoints whose poll in progress has to end before the set is taken there."""
        self._parts = parts

    # Before anything is touched.

    def prepare(self, settings: SettingsSet, now: float) -> PreparedSet:
        """Compare, check and build; `now` is the loop's clock. It takes long, and any thread may do it.

        ConfigError where a device does not fit its profile.
        """
        change = compare(self.current, settings)
        urls = dict.fromkeys((*self.current.endpoints, *settings.endpoints))
        endpoints = [
            endpoint for url in urls if (endpoint := self._endpoint(url, settings, change, now)) is not None
        ]
        processors = self._parts.chain.with_settings(settings.settings.processors)
        return PreparedSet(settings, change, endpoints, processors)

    def _endpoint(
        self, url: str, settings: SettingsSet, change: SettingsChange, now: float
    ) -> _Endpoint | None:
        """What happens to one endpoint; None for nothing."""
        before, after = self.current.endpoints.get(url), settings.endpoints.get(url)
        old = {} if before is None else {device.device: device for device in before.devices}
        new = {} if after is None else {device.device: device for device in after.devices}
        anew = {entry.device for entry in change.devices if entry.fate is not Fate.RELABELLED}
        ended = [name for name in old if name not in new or name in anew]
        fresh = [device for name, device in new.items() if name not in old or name in anew]
        if before is not None and after is not None and not ended and not fresh and list(old) == list(new):
            return None
        elsewhere = self.current.devices.keys() - old.keys()
        first = [] if before is None else [device for name, device in new.items() if name not in elsewhere]
        source = next((known for known in self._parts.sources if known.name == url), None)
        renewed = any(entry.url == url and entry.fate is Fate.CHANGED for entry in change.endpoints)
        following: ModbusSource | None = None
        devices: dict[str, Device] = {}
        if after is not None and source is not None and not renewed:
            setups = device_parts.setups(settings.settings, settings.profiles, fresh)
            devices = {device.name: device for device in source.prepared(setups, now)}
        elif after is not None:
            setups = device_parts.setups(settings.settings, settings.profiles, after.devices)
            following = self._parts.factory.make(after, setups, None if source is None else source.stats)
        return _Endpoint(url, before, after, ended, first, source, following, devices)

    # The change itself.

    async def take(self, prepared: PreparedSet) -> None:
        """Take the set, endpoint by endpoint. Whatever is raised here is a bug, and ends the process."""
        raise_open_file_limit(2 * (len(prepared.endpoints) + len(self._parts.sources)))
        try:
            await self._each(
                self._leave, prepared, [endpoint for endpoint in prepared.endpoints if endpoint.source]
            )
            await self._each(
                self._arrive, prepared, [endpoint for endpoint in prepared.endpoints if endpoint.arrivals]
            )
        finally:
            self.waiting_for.clear()
        self._settle(prepared)

    async def _each(
        self,
        work: Callable[[PreparedSet, _Endpoint], Coroutine[Any, Any, None]],
        prepared: PreparedSet,
        endpoints: Sequence[_Endpoint],
    ) -> None:
        self.waiting_for.update(endpoint.url for endpoint in endpoints)
        async with asyncio.TaskGroup() as tasks:
            for endpoint in endpoints:
                tasks.create_task(work(prepared, endpoint), name=f"exchange {endpoint.url}")

    async def _leave(self, prepared: PreparedSet, endpoint: _Endpoint) -> None:
        """Devices leave an endpoint of the old set, or begin anew there; or it ends, or is connected anew."""
        source, after = endpoint.source, endpoint.after
        assert source is not None
        if after is not None and endpoint.next_source is None:
            await _between_polls(
                source, partial(self._poll, prepared, endpoint, endpoint.ended, endpoint.first)
            )
        else:
            await self._end(source, keep_stats=endpoint.next_source is not None)
            if endpoint.next_source is not None and not endpoint.arrivals:
                self._start(prepared, endpoint, endpoint.ended)
            else:
                self._account(prepared, source, endpoint.ended, ())
        self.waiting_for.discard(endpoint.url)

    async def _arrive(self, prepared: PreparedSet, endpoint: _Endpoint) -> None:
        """Devices come to an endpoint of the new set, which no other one polls any more."""
        assert endpoint.after is not None
        if endpoint.next_source is not None:
            self._start(prepared, endpoint, ())
        else:
            assert endpoint.source is not None
            await _between_polls(
                endpoint.source, partial(self._poll, prepared, endpoint, (), endpoint.after.devices)
            )
        self.waiting_for.discard(endpoint.url)

    # What happens at one instant.

    def _poll(
        self,
        prepared: PreparedSet,
        endpoint: _Endpoint,
        ended: Collection[str],
        wanted: Sequence[DeviceSettings],
    ) -> None:
        """The present source polls the `wanted` devices from now on."""
        source, after = endpoint.source, endpoint.after
        assert source is not None
        assert after is not None
        known = source.devices
        polled = [endpoint.devices.get(device.device) or known[device.device] for device in wanted]
        beginning = [
            device for device, new in zip(wanted, polled, strict=True) if known.get(device.device) is not new
        ]
        source.exchange(after, polled)
        self._parts.deadlines[collecting_task(source)] = device_parts.deadline(source, after)
        self._account(prepared, source, ended, beginning)

    def _start(self, prepared: PreparedSet, endpoint: _Endpoint, ended: Collection[str]) -> None:
        parts, source, after = self._parts, endpoint.next_source, endpoint.after
        assert source is not None
        assert after is not None
        parts.sources.append(source)
        if source.stats not in parts.stats:
            parts.stats.append(source.stats)
        parts.deadlines[collecting_task(source)] = device_parts.deadline(source, after)
        self._account(prepared, source, ended, after.devices)
        parts.pipeline.add_source(source)

    async def _end(self, source: ModbusSource, *, keep_stats: bool) -> None:
        parts = self._parts
        await parts.pipeline.remove_source(source)
        parts.sources.remove(source)
        parts.deadlines.pop(collecting_task(source), None)
        for device in source.devices:
            source.stats.offline.discard(device)
            source.stats.rtt.pop(device, None)
        if not keep_stats:
            parts.stats.remove(source.stats)
            parts.stats[0].add(source.stats)

    def _account(
        self,
        prepared: PreparedSet,
        source: ModbusSource,
        ended: Collection[str],
        beginning: Sequence[DeviceSettings],
    ) -> None:
        """The accounts of some devices end, and those of others begin; everybody else hears of it."""
        parts, settings, profiles = self._parts, prepared.settings.settings, prepared.settings.profiles
        names = {device.device for device in beginning}
        expected: dict[str, list[ExpectedPolls]] = {name: [] for name in names}
        for group in source.expected():
            if group.origin.device in names:
                expected[group.origin.device].append(group)
        parts.reports.exchange(ended, device_parts.origins(settings, beginning))
        parts.schedule.exchange(ended, [group for groups in expected.values() for group in groups])
        parts.descriptions.replace(ended, device_parts.descriptions(settings, profiles, beginning))
        parts.chain.exchange(ended, device_parts.counters(profiles, beginning))
        if parts.history is not None:
            from gateway.history.polled_groups import groups_of

            groups = {device.device: groups_of(device, profiles[device.profile]) for device in beginning}
            parts.history.exchange(ended, groups)
        endpoint = prepared.settings.endpoints.get(source.name)
        views = (
            []
            if endpoint is None
            else [
                first_view(endpoint, device, line_of(settings, device), expected[device.device])
                for device in beginning
            ]
        )
        parts.book.exchange(ended, source, views)
        for follower in self.followers:
            follower.exchange(prepared.settings, ended, names)

    def _settle(self, prepared: PreparedSet) -> None:
        """What concerns the gateway as a whole: labels, processors, the order of devices."""
        parts, settings = self._parts, prepared.settings
        devices = settings.devices
        for change in prepared.change.devices:
            if change.fate is Fate.RELABELLED:
                device = devices[change.device].settings
                described = device_parts.descriptions(settings.settings, settings.profiles, [device])
                parts.descriptions.replace([change.device], described)
                parts.book.relabel(change.device, device, line_of(settings.settings, device))
        if "lines" in prepared.change.edge:
            for name, placed in devices.items():
                parts.book.relabel(name, placed.settings, line_of(settings.settings, placed.settings))
        parts.chain.settings, parts.chain.built = settings.settings.processors, prepared.processors
        parts.chain.renew()
        parts.book.arrange(devices)
        parts.edge_info.take(settings_hash(settings.settings))
        parts.health.devices = len(devices)
        self.current = settings
        for follower in self.followers:
            follower.arrange(settings)


async def _between_polls(source: ModbusSource, act: Callable[[], None]) -> None:
    """Return when `source` has done this between two polls; what it raises is raised here."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def guarded() -> None:
        if done.cancelled():
            return  # the gateway stops
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # to the change, which ends the process: not to the source
            done.set_exception(error)
        else:
            done.set_result(None)

    source.between_polls(guarded)
    await done
