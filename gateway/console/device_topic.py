"""The topic of one device: its points with quality and reason, its counters, and its read plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway.console.catalogue import DeviceEntry, label_value
from gateway.console.states import DeviceState
from gateway.console.watch import GroupWatch
from gateway.diagnosis.devices import ObservedSource
from qilu.contract.reading import Reason


def device_snapshot(
    entry: DeviceEntry, state: DeviceState, groups: Mapping[str, GroupWatch], source: ObservedSource
) -> Mapping[str, Any]:
    """Everything that the page of a device follows."""
    view = state.view
    return {
        "device": view.device,
        "label": label_value(view.label),
        "place": view.place,
        "line": view.line,
        "profile": view.profile,
        "state": state.state,
        "level": state.level.value,
        "since_ms": view.since_ms,
        "time_ms": state.time_ms,
        "reason": state.reason,
        "groups": {name: _group(period, groups.get(name)) for name, period in entry.periods.items()},
        "points": points(groups),
        "counters": _counters(view.device, groups, source),
        "plan": _plan(view.device, source),
    }


def _group(period_s: float, group: GroupWatch | None) -> Mapping[str, Any]:
    reasons: Counter[Reason] = Counter()
    if group is not None and group.poll is not None:
        for reading in group.poll.readings:
            reasons.update(reading.reasons.values())
    worst = next(iter(reasons.most_common(1)), None)
    return {
        "period_s": period_s,
        "time_ms": 0 if group is None else group.good_ms,
        "reason": None if worst is None else worst[0].value,
    }


def points(groups: Mapping[str, GroupWatch]) -> Mapping[str, Any]:
    """The last value of every point that was polled."""
    return {
        name: {
            "value": value,
            "quality": reading.quality(place).value,
            "reason": reading.reasons[place].value if place in reading.reasons else None,
            "time_ms": reading.time_ms,
        }
        for group in groups.values()
        if group.poll is not None
        for reading in group.poll.readings
        for place, (name, value) in enumerate(zip(reading.columns.points, reading.values, strict=True))
    }


def _counters(device: str, groups: Mapping[str, GroupWatch], source: ObservedSource) -> Mapping[str, Any]:
    errors: Counter[Reason] = Counter()
    for group in groups.values():
        errors.update(group.errors)
    round_trip_s = source.stats.rtt.get(device)
    return {
        "polls": sum(group.polls for group in groups.values()),
        "skipped": sum(group.skipped for group in groups.values()),
        "timeouts": errors[Reason.TIMEOUT],
        "errors": {reason.value: count for reason, count in errors.items()},
        "round_trip_ms": None if round_trip_s is None else round(round_trip_s * 1000, 1),
    }


def _plan(device: str, source: ObservedSource) -> Mapping[str, Any]:
    plan = source.plan_of(device)
    if plan is None:
        return {"blocks": [], "learned": []}
    return {
        "blocks": [
            {
                "group": request.group,
                "table": request.table,
                "address": request.address,
                "count": request.count,
                "points": len(request.points),
            }
            for request in plan.requests
        ],
        "learned": [
            {"point": point, "reason": reason.value, "text": f"{point}: {reason}"}
            for point, reason in plan.refused.items()
        ],
    }
