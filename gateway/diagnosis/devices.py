"""What is known of each device without its values: its place in the settings, and whether it replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.diagnosis.view import DeviceView
from gateway.interfaces import DevicePlan, Event, ExpectedPolls
from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import Endpoint
from gateway.sources.modbus.stats import SourceStats
from qilu.contract.reading import Reason

LEARNED_NEWS_MS = 3_600_000
"""So long a point that a device refused is news."""


class ObservedSource(Protocol):
    """What is read of a source."""

    name: str
    stats: SourceStats

    def expected(self) -> Sequence[ExpectedPolls]: ...
    def plans(self) -> Sequence[DevicePlan]: ...


@dataclass(frozen=True, slots=True)
class _DeviceEntry:
    source: ObservedSource
    fixed: DeviceView


class DeviceBook:
    """The devices of a gateway in the order of its settings. `record_event` takes the events of sources."""

    def __init__(self, settings: GatewaySettings, sources: Sequence[ObservedSource]) -> None:
        self.sources = sources
        self._known: dict[str, _DeviceEntry] = {}
        self._since: dict[str, Event] = {}
        self._learned: dict[str, int] = {}
        self.out_of_limits: Callable[[str], Sequence[str]] = lambda _: ()
        """Points of a device whose last value was out of limits; set by who watches values."""
        for source, entry in zip(sources, settings.sources, strict=True):
            groups: dict[str, list[ExpectedPolls]] = {}
            for group in source.expected():
                groups.setdefault(group.origin.device, []).append(group)
            for device in entry.devices:
                of_device = groups.get(device.device, [])
                self._known[device.device] = _DeviceEntry(
                    source,
                    DeviceView(
                        device.device, device.label, device.place, device.line, device.profile,
                        endpoint=address_of(entry.endpoint),
                        serial=entry.endpoint.serial is not None,
                        unit_id=device.unit_id,
                        points=sum(group.points for group in of_device),
                        period_s=min((group.period for group in of_device), default=0.0),
                    ),
                )  # fmt: skip

    def record_event(self, event: Event) -> None:
        """A source reports something about a device."""
        if event.kind == "limits_learned":
            self._learned[event.device] = event.time_ms
        else:
            self._since[event.device] = event

    def skipped_polls(self) -> Mapping[str, int]:
        """Endpoint -> polls that were skipped since the start."""
        return {source.name: source.stats.missed_polls for source in self.sources}

    def views(self, now_ms: int) -> Sequence[DeviceView]:
        """All devices as they are now."""
        news = {device for device, time_ms in self._learned.items() if now_ms - time_ms < LEARNED_NEWS_MS}
        refused = self._refused(news) if news else {}
        return [self._present(known, refused.get(device, 0)) for device, known in self._known.items()]

    def _present(self, known: _DeviceEntry, refused: int) -> DeviceView:
        device, stats = known.fixed.device, known.source.stats
        event = self._since.get(device)
        reason: Reason | None = None
        online: bool | None = None
        if event is not None:
            online = event.kind == "online"
            reason = None if online else event.reason
        return replace(
            known.fixed,
            online=online,
            since_ms=0 if event is None else event.time_ms,
            reason=reason,
            round_trip_s=stats.rtt.get(device),
            out_of_limits=self.out_of_limits(device),
            refused_points=refused,
        )

    def _refused(self, news: set[str]) -> Mapping[str, int]:
        sources = {known.source.name: known.source for device, known in self._known.items() if device in news}
        return {
            plan.device: len(plan.refused)
            for source in sources.values()
            for plan in source.plans()
            if plan.device in news
        }


def address_of(endpoint: Endpoint) -> str:
    """An endpoint for people: host and port, or the path of a serial port."""
    if endpoint.serial is not None:
        return endpoint.host
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"
