"""What is known of each device without its values: its place in the settings, and whether it replies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.diagnosis.view import NO_LABEL, DeviceView
from gateway.interfaces import DevicePlan, Event, EventListener, ExpectedPolls, RawReply
from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, Endpoint, ModbusSettings
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.profile import Label

LEARNED_NEWS_MS = 3_600_000
"""So long a point that a device refused is news."""


class ObservedSource(Protocol):
    name: str
    stats: SourceStats

    def expected(self) -> Sequence[ExpectedPolls]: ...
    def plans(self) -> Sequence[DevicePlan]: ...
    def plan_of(self, name: str) -> DevicePlan | None: ...
    def last_replies(self, name: str) -> Sequence[RawReply]: ...


@dataclass(frozen=True, slots=True)
class _DeviceEntry:
    source: ObservedSource
    fixed: DeviceView


class DeviceBook:
    """The devices of a gateway in the order of its settings. `record_event` takes the events of sources.

    A view of a device is made anew only when something about it has changed: a thousand of them are looked
    at twice a second.
    """

    def __init__(self, settings: GatewaySettings, sources: Sequence[ObservedSource]) -> None:
        self.sources = sources
        self.changed: set[str] = set()
        """Devices whose view was made anew since somebody emptied this."""
        self.followers: list[EventListener] = []
        """Who else wants the events."""
        self.out_of_limits: Mapping[str, Sequence[str]] = {}
        """Device -> points whose last value was out of limits; of who watches values, changed in place."""
        self._entries: dict[str, _DeviceEntry] = {}
        self._views: dict[str, DeviceView] = {}
        self._learned: dict[str, int] = {}
        self._strange: set[str] = set()
        for source, entry in zip(sources, settings.sources, strict=True):
            groups: dict[str, list[ExpectedPolls]] = {}
            for group in source.expected():
                groups.setdefault(group.origin.device, []).append(group)
            for device in entry.devices:
                view = first_view(entry, device, line_of(settings, device), groups.get(device.device, []))
                self._entries[device.device] = _DeviceEntry(source, view)
                self._views[device.device] = view

    def exchange(self, removed: Collection[str], source: ObservedSource, views: Iterable[DeviceView]) -> None:
        """Other devices from now on; those of `views` are polled by `source`. One in both begins anew."""
        for device in removed:
            for known in (self._entries, self._views, self._learned):
                known.pop(device, None)
            self._strange.discard(device)
        for view in views:
            self._entries[view.device] = _DeviceEntry(source, view)
            self._views[view.device] = view
            self.changed.add(view.device)

    def relabel(self, device: str, settings: DeviceSettings, line: Label) -> None:
        """People call this device, or its production line, otherwise."""
        self._views[device] = replace(
            self._views[device], label=settings.label, place=settings.place, line_label=line
        )
        self.changed.add(device)

    def arrange(self, devices: Iterable[str]) -> None:
        """The order of the settings."""
        names = list(devices)
        self._entries = {name: self._entries[name] for name in names}
        self._views = {name: self._views[name] for name in names}

    def record_event(self, event: Event) -> None:
        if event.kind == "limits_learned":
            self._learned[event.device] = event.time_ms
        elif event.device in self._views:
            online = event.kind == "online"
            self.changed.add(event.device)
            self._views[event.device] = replace(
                self._views[event.device],
                online=online,
                since_ms=event.time_ms,
                reason=None if online else event.reason,
            )
        for follower in self.followers:
            follower(event)

    def skipped_polls(self) -> Mapping[str, int]:
        """Name of a source -> polls that were skipped since the start."""
        return {source.name: source.stats.missed_polls for source in self.sources}

    def endpoint_of(self, source: str) -> str:
        """The endpoint of the source with this name, as people write it."""
        entries = self._entries.values()
        return next((entry.fixed.endpoint for entry in entries if entry.source.name == source), source)

    def source_of(self, device: str) -> ObservedSource:
        """The source that polls it; KeyError where there is no such device."""
        return self._entries[device].source

    def view(self, device: str) -> DeviceView:
        """One device as it was last looked at; KeyError where there is no such device."""
        return self._views[device]

    def views(self, now_ms: int) -> Sequence[DeviceView]:
        news = {device for device, time_ms in self._learned.items() if now_ms - time_ms < LEARNED_NEWS_MS}
        refused = self._refused(news) if news else {}
        strange = self._strange | self.out_of_limits.keys() | self._learned.keys()
        for device in strange & self._views.keys():
            points, count = tuple(self.out_of_limits.get(device, ())), refused.get(device, 0)
            view = self._views[device]
            if (points, count) != (view.out_of_limits, view.refused_points):
                self._views[device] = replace(view, out_of_limits=points, refused_points=count)
                self.changed.add(device)
        self._strange = set(self.out_of_limits)
        return tuple(self._views.values())

    def _refused(self, news: set[str]) -> Mapping[str, int]:
        sources = {
            entry.source.name: entry.source for device, entry in self._entries.items() if device in news
        }
        return {
            plan.device: len(plan.refused)
            for source in sources.values()
            for plan in source.plans()
            if plan.device in news
        }


def line_of(settings: GatewaySettings, device: DeviceSettings) -> Label:
    """What people call the production line of a device."""
    return settings.lines.get(device.line, NO_LABEL)


def first_view(
    source: ModbusSettings, device: DeviceSettings, line: Label, groups: Sequence[ExpectedPolls]
) -> DeviceView:
    """A device of which nothing is known yet but its settings."""
    return DeviceView(
        device.device, device.label, device.place, device.line, line, device.profile,
        endpoint=address_of(source.endpoint),
        serial=source.endpoint.serial is not None,
        unit_id=device.unit_id,
        points=sum(group.points for group in groups),
        period_s=min((group.period for group in groups), default=0.0),
        online=None,
    )  # fmt: skip


def address_of(endpoint: Endpoint) -> str:
    """An endpoint for people: host and port, or the path of a serial port."""
    if endpoint.serial is not None:
        return endpoint.host
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"
