"""The present state of each device for pages: made anew only when a poll or an event has changed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from gateway.console.catalogue import Catalogue, DeviceEntry
from gateway.console.watch import GroupWatch, Watch
from gateway.diagnosis.devices import DeviceBook
from gateway.diagnosis.view import DeviceView, Level
from qilu.contract.reading import Reason, Value

_WARNINGS = {Reason.OUT_OF_LIMITS, Reason.SENTINEL, Reason.NOT_A_NUMBER, Reason.STALE}


class DeviceState(NamedTuple):
    view: DeviceView
    state: str
    level: Level
    time_ms: int
    """Of the last reading with a usable value; 0 before the first."""
    reason: str | None
    value: Mapping[str, Any] | None
    polls_per_min: float
    skipped: int
    errors: int


class DeviceStates:
    """Looks at devices; the same object again while nothing about a device has changed."""

    def __init__(self, catalogue: Catalogue, watch: Watch, book: DeviceBook) -> None:
        self._catalogue = catalogue
        self._watch = watch
        self._book = book
        self._states: dict[str, DeviceState] = {}
        self._followers: list[set[str]] = []
        for device in catalogue.devices:
            self._refresh(device)

    def exchange(self, removed: Collection[str], added: Collection[str]) -> None:
        for device in removed:
            self._states.pop(device, None)
            for follower in self._followers:
                follower.discard(device)
        for device in added:
            self._refresh(device)
            for follower in self._followers:
                follower.add(device)

    def arrange(self) -> None:
        """All devices may be called otherwise, and have the order of the settings."""
        self._states = {}
        self.exchange((), self._catalogue.devices)

    def states(self) -> Mapping[str, DeviceState]:
        """All devices in the order of the settings. Do not change it; it is the same mapping each time."""
        changed = self._watch.changed | self._book.changed
        self._watch.changed.clear()
        self._book.changed.clear()
        changed &= self._states.keys()
        for device in changed:
            self._refresh(device)
        for follower in self._followers:
            follower.update(changed)
        return self._states

    def follow(self) -> set[str]:
        """A set that gets the name of each device whose state is made anew; whoever follows empties it."""
        changed = set(self._states)
        self._followers.append(changed)
        return changed

    def state(self, device: str) -> DeviceState:
        """One device; KeyError where there is no such device."""
        return self.states()[device]

    def _refresh(self, device: str) -> None:
        groups, view = self._watch.devices.get(device, {}), self._book.view(device)
        self._states[device] = _state(self._catalogue.devices[device], view, groups)


def _state(entry: DeviceEntry, view: DeviceView, groups: Mapping[str, GroupWatch]) -> DeviceState:
    reasons: Counter[Reason] = Counter()
    time_ms, polls_per_min, skipped, errors = 0, 0.0, 0, 0
    for group in groups.values():
        time_ms = max(time_ms, group.good_ms)
        polls_per_min += group.polls_per_min
        skipped += group.skipped
        errors += group.errors.total() if group.errors else 0
        for reading in () if group.poll is None else group.poll.readings:
            if reading.reasons:
                reasons.update(reading.reasons.values())
    state = machine_state(entry, view, groups)
    commonest = max(reasons, key=reasons.__getitem__) if reasons else None
    return DeviceState(
        view=view,
        state=state,
        level=_level(view, state, reasons),
        time_ms=time_ms,
        reason=str(view.reason or commonest or "") or None,
        value=_key_value(entry, groups),
        polls_per_min=round(polls_per_min, 1),
        skipped=skipped,
        errors=errors,
    )


def machine_state(entry: DeviceEntry, view: DeviceView, groups: Mapping[str, GroupWatch]) -> str:
    """The state of the machine by its profile; `running` where the profile has none and it replies."""
    if view.online is False:
        return "offline"
    if view.online is None:
        return "unknown"
    if entry.profile.state_point is None:
        return "running"
    point, states = entry.profile.state_point
    group = groups.get(entry.profile.points[point].group)
    code, _ = value_of(group, point)
    return states.get(int(code), "unknown") if isinstance(code, int | float) else "unknown"


def _level(view: DeviceView, state: str, reasons: Counter[Reason]) -> Level:
    if view.online is None:
        return Level.UNKNOWN
    if view.online is False or state == "fault":
        return Level.FAULT
    return Level.WARNING if _WARNINGS & reasons.keys() else Level.NORMAL


def _key_value(entry: DeviceEntry, groups: Mapping[str, GroupWatch]) -> Mapping[str, Any] | None:
    point = entry.profile.key_point
    if point is None or point.group not in groups:
        return None
    value, reason = value_of(groups[point.group], point.name)
    quality = "good" if reason is None else str(reason.quality)
    return {**entry.profile.key_value, "value": value, "quality": quality}


def value_of(group: GroupWatch | None, point: str) -> tuple[Value, Reason | None]:
    """The last value of a point, and why it is not good."""
    if group is not None and group.poll is not None:
        for reading in group.poll.readings:
            if point in reading.columns.points:
                place = reading.columns.points.index(point)
                return reading.values[place], reading.reasons.get(place)
    return None, None
