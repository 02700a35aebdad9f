"""The report of one day from the local history: what was due of each device, what came, and what was missing.

A day is one of the zone of this machine. States are to the minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from gateway.console.catalogue import Catalogue, ProfileEntry, label_value
from gateway.history.gaps import GapReason
from qilu.contract.accounting import COLLECTION, COUNTS, EVENTS, EventKind
from qilu.contract.edge_events import EVENT_NUMBERS, EdgeEvent, edge_event
from qilu.contract.profile import Label
from qilu.contract.reading import DeviceKey, Reason, Value
from qilu.stores.sqlite.history.reader import HistoryReader

_MINUTE_MS = 60_000
_REPORTED_LATER_MS = 86_400_000
"""How long after an outage its end may be reported."""
_BAD = ("no_reply", "refused", "invalid", "internal_error")
Row = tuple[int, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Day:
    """A day and its limits in ms (UTC)."""

    name: str
    start_ms: int
    end_ms: int

    @classmethod
    def of(cls, text: str) -> Day:
        """The day YYYY-MM-DD of this machine's zone; ValueError where there is none."""
        day = date.fromisoformat(text)
        first = datetime(day.year, day.month, day.day).astimezone()  # the zone of the machine
        after = day + timedelta(days=1)
        last = datetime(after.year, after.month, after.day).astimezone()
        return cls(day.isoformat(), round(first.timestamp() * 1000), round(last.timestamp() * 1000))


class ReportedDevice(NamedTuple):
    """A device of the report: what people call it, and its profile, if that is known."""

    label: Label
    profile: ProfileEntry | None


def reported_devices(catalogue: Catalogue) -> Mapping[str, ReportedDevice]:
    """The devices of a gateway's settings."""
    return {
        name: ReportedDevice(entry.settings.label, entry.profile) for name, entry in catalogue.devices.items()
    }


async def day_report(
    edge: str,
    reported: Mapping[str, ReportedDevice],
    reader: HistoryReader,
    day: Day,
    now_ms: int,
    version: str,
) -> Mapping[str, Any]:
    devices, outages = [], []
    for name, entry in reported.items():
        key = DeviceKey(edge, name)
        counts = await reader.rows(key, COLLECTION, COUNTS, day.start_ms, day.end_ms)
        later_ms = day.end_ms + _REPORTED_LATER_MS
        events = await reader.rows(key, COLLECTION, EVENTS, day.start_ms, later_ms)
        states = await _states(reader, key, entry.profile, day)
        devices.append(
            {"device": name, "label": label_value(entry.label), **completeness(counts), "running_ms": states}
        )
        outages += [
            {"device": name, "label": label_value(entry.label), **outage}
            for outage in offline_times(_events(events), day, now_ms)
        ]
    outages.sort(key=lambda outage: (outage["from_ms"], outage["device"]))
    return {"day": day.name, "edge": edge, "devices": devices, "outages": outages, "version": version}


def completeness(counts: Sequence[Row]) -> Mapping[str, Any]:
    """What became of the values that were due, by the accounts of the edge.

    Between two accounts nobody collected: what would have been due then is missing, too.
    """
    total: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    reached_ms, rate = 0, 0.0
    for time_ms, row in counts:
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        span_ms = numbers.get("span_ms", 0)
        if reached_ms and time_ms > reached_ms and rate:
            missing[GapReason.GATEWAY_DOWN.value] += round(rate * (time_ms - reached_ms))
        reached_ms = max(reached_ms, time_ms + int(span_ms))
        if span_ms:
            rate = numbers.get("expected", 0) / span_ms
        for name, value in numbers.items():
            total[name] += int(value)
    missing[GapReason.ENDPOINT_BUSY.value] += total["missed"]
    missing[GapReason.SPOOL_BLOCKED.value] += total["blocked"]
    down = missing[GapReason.GATEWAY_DOWN.value]
    return {
        "due": total["expected"] + down,
        "good": total["good"],
        "uncertain": total["uncertain"],
        "bad": sum(total[name] for name in _BAD),
        "missing": {reason: count for reason, count in missing.items() if count},
        "suppressed": total["suppressed"],
    }


def offline_times(events: Iterable[EdgeEvent], day: Day, now_ms: int) -> Sequence[Mapping[str, Any]]:
    """When the device was offline in the day; an outage that goes on ends with the day, or now."""
    times: list[dict[str, Any]] = []
    since: EdgeEvent | None = None
    for event in sorted(events, key=lambda event: event.time_ms):
        if event.kind is EventKind.OFFLINE and event.time_ms < day.end_ms:
            since = since or event
        elif event.kind is EventKind.ONLINE and (since is not None or event.start_ms < event.time_ms):
            start_ms = since.time_ms if since is not None else event.start_ms
            times.append(_outage(start_ms, event.time_ms, since, day))
            since = None
    if since is not None:
        times.append(_outage(since.time_ms, now_ms, since, day))
    return [outage for outage in times if outage["from_ms"] < outage["to_ms"]]


def _outage(start_ms: int, end_ms: int, offline: EdgeEvent | None, day: Day) -> dict[str, Any]:
    code = 0 if offline is None else offline.code
    reason = Reason.of_code(code).value if code in {known.code for known in Reason} else "unreachable"
    return {"from_ms": max(start_ms, day.start_ms), "to_ms": min(end_ms, day.end_ms), "reason": reason}


def _events(rows: Iterable[Row]) -> Iterable[EdgeEvent]:
    for time_ms, row in rows:
        numbers = [float(value) for name in EVENT_NUMBERS if isinstance(value := row.get(name), int | float)]
        if len(numbers) == len(EVENT_NUMBERS) and (event := edge_event(time_ms, numbers)) is not None:
            yield event


async def _states(
    reader: HistoryReader, key: DeviceKey, profile: ProfileEntry | None, day: Day
) -> Mapping[str, int]:
    """State -> ms in which the machine was in it, by the last state of each minute."""
    if profile is None or profile.state_point is None:
        return {}
    point, states = profile.state_point
    minutes = await reader.samples(key, point, day.start_ms, day.end_ms, _MINUTE_MS, last=True)
    hours: Counter[str] = Counter()
    for sample in minutes:
        if isinstance(sample.value, int | float):
            hours[states.get(int(sample.value), "unknown")] += _MINUTE_MS
    return dict(hours)
