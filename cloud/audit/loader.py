"""Reads out of a store what edges wrote about their collecting.

A row counts only where each of its points is there: of one that lost some, zero would be a wrong number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloud.audit.model import DEFAULT_INTERVAL_S, Account, DeviceHistory, Edge, Schedule, Status
from qilu.contract.accounting import CLOUD_PROFILES, COLLECTION, GATEWAY, OF_AN_EDGE, EventKind
from qilu.contract.edge_events import EVENT_NUMBERS, EdgeEvent, edge_event
from qilu.contract.reading import DeviceKey, Value
from qilu.stores.interfaces import Device, Reader

LOOKBACK_MS = 35 * 86_400_000
"""How long before the audit a schedule may have been sent; it is repeated every day."""
_BEFORE_MS = 7_200_000
"""How long before the audit, and the length of an account, one may begin that reaches into it (a poll may
take long); events are sent later than that."""
_LATER_MS = 7 * 86_400_000
"""How long after the audit an event may be sent that took place in it."""

_COUNTED = (
    "span_ms", "expected", "missed", "blocked", "suppressed", "texts", "sent_records",
    "largest_record_values", "known_s", "offline_s",
)  # fmt: skip
_RECOUNTED = ("recount_start_ago_s", *(f"recount_{point}" for point in _COUNTED))
_WAITING = ("backlog_records", "in_flight_records")
_KEPT = ("held_records", "deferred_records", "quarantined_records")


@dataclass(slots=True)
class KnownDevice:
    """What a store knows of one device; `collected_ms`: when its edge last reported of it, None for never."""

    profiles: list[str] = field(default_factory=list)
    collected_ms: int | None = None


def by_edge(devices: Sequence[Device]) -> dict[str, dict[str, KnownDevice]]:
    """Edge -> device -> what is known of it, all by name."""
    edges: dict[str, dict[str, KnownDevice]] = {}
    for device in devices:
        if device.profile in CLOUD_PROFILES:
            continue
        if device.profile in OF_AN_EDGE:
            edges.setdefault(device.edge, {})
            continue
        known = edges.setdefault(device.edge, {}).setdefault(device.device, KnownDevice())
        if device.profile == COLLECTION:
            known.collected_ms = max(device.last_ms, known.collected_ms or device.last_ms)
        else:
            known.profiles.append(device.profile)
    return edges


async def read_edge(reader: Reader, edge: str, start_ms: int, end_ms: int) -> Edge:
    key = DeviceKey(edge, edge)
    events = await _read_events(reader, key, GATEWAY, start_ms - _BEFORE_MS, end_ms + _LATER_MS)
    return Edge(edge, events, await _status(reader, key, start_ms, end_ms))


async def _status(reader: Reader, key: DeviceKey, start_ms: int, end_ms: int) -> Status | None:
    from_ms = max(start_ms, end_ms - _BEFORE_MS)
    last: dict[str, tuple[int, float]] = {}
    for point in ("uptime_s", "devices", "oldest_record_age_s", *_WAITING, *_KEPT):
        samples = await reader.samples(key, point, from_ms, end_ms + 1, profile=GATEWAY)
        numbers = [
            (sample.time_ms, float(sample.value))
            for sample in samples
            if isinstance(sample.value, int | float)
        ]
        if numbers:
            last[point] = numbers[-1]
    if not last:
        return None
    number = {point: value for point, (_, value) in last.items()}
    time_ms = max(time for time, _ in last.values())
    oldest_s = number.get("oldest_record_age_s", 0.0)
    held, deferred, quarantined = (int(number.get(point, 0)) for point in _KEPT)
    return Status(
        time_ms,
        int(number.get("devices", 0)),
        max(int(sum(number.get(point, 0) for point in _WAITING)) - deferred, 0),
        held,
        deferred,
        quarantined,
        time_ms - round(1000 * oldest_s) if oldest_s else 0,
    )


async def read_history(reader: Reader, device: str, edge: Edge, start_ms: int, end_ms: int) -> DeviceHistory:
    key = DeviceKey(edge.name, device)
    points = ("values_per_s", "points", "shortest_period_s", "account_interval_s")
    rows = await _rows(reader, key, points, start_ms - LOOKBACK_MS, end_ms)
    schedules = [
        Schedule(time_ms, rate, int(points), shortest, account_interval_s or DEFAULT_INTERVAL_S)
        for time_ms, (rate, points, shortest, account_interval_s) in rows
    ]
    longest = max((entry.account_interval_s for entry in schedules), default=DEFAULT_INTERVAL_S)
    from_ms = start_ms - _BEFORE_MS - round(1000 * longest)
    counted = [
        _account(time_ms, numbers)
        for time_ms, numbers in await _rows(reader, key, _COUNTED, from_ms, end_ms)
    ]  # fmt: skip
    again: dict[int, Account] = {}
    for time_ms, (start_ago_s, *numbers) in await _rows(reader, key, _RECOUNTED, from_ms, end_ms + _LATER_MS):
        start_ms = time_ms - round(1000 * start_ago_s)
        again[start_ms] = _account(start_ms, numbers, again=True)
    events = await _read_events(reader, key, COLLECTION, start_ms - _BEFORE_MS, end_ms + _LATER_MS)
    accounts = sorted((*counted, *again.values()), key=lambda entry: entry.start_ms)
    return DeviceHistory(device, edge, accounts, schedules, events)


def _account(start_ms: int, numbers: Sequence[float], *, again: bool = False) -> Account:
    span, expected, missed, blocked, suppressed, texts, records, largest = map(int, numbers[:8])
    known_s, offline_s = numbers[8:]
    return Account(
        start_ms, start_ms + span, expected, missed, blocked, suppressed, texts, records, largest,
        known_ms=round(1000 * known_s), offline_s=offline_s, again=again,
    )  # fmt: skip


async def is_removed(reader: Reader, key: DeviceKey, collected_ms: int) -> bool:
    """Whether by the last report of a device its edge does not collect from it any more."""
    events = await _read_events(reader, key, COLLECTION, collected_ms, collected_ms + 1)
    return any(event.kind is EventKind.REMOVED for event in events)


async def _read_events(
    reader: Reader, device: DeviceKey, profile: str, start_ms: int, end_ms: int
) -> list[EdgeEvent]:
    rows = await _rows(reader, device, EVENT_NUMBERS, start_ms, end_ms, profile)
    texts: dict[int, Value] = {}
    if rows:
        text_samples = await reader.samples(device, "text", start_ms, end_ms, profile=profile)
        texts = {sample.time_ms: sample.value for sample in text_samples}
    events = (edge_event(time_ms, numbers, texts.get(time_ms)) for time_ms, numbers in rows)
    return [event for event in events if event is not None]


async def _rows(
    reader: Reader,
    device: DeviceKey,
    points: Sequence[str],
    start_ms: int,
    end_ms: int,
    profile: str = COLLECTION,
) -> list[tuple[int, list[float]]]:
    """The values of all `points` at each time at which each of them is there."""
    columns: list[dict[int, float]] = []
    for point in points:
        samples = await reader.samples(device, point, start_ms, end_ms, profile=profile)
        columns.append(
            {
                sample.time_ms: float(sample.value)
                for sample in samples
                if isinstance(sample.value, int | float)
            }
        )
        if not columns[-1]:
            return []
    times = set(columns[0]).intersection(*columns[1:])
    return [(time_ms, [column[time_ms] for column in columns]) for time_ms in sorted(times)]
