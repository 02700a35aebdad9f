"""The running list of causes and effects in a plant: faults that begin and end, and states that follow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qilu.contract.display.names import named
from qilu.contract.profile import DeviceProfile, Label
from simulator.control.fault_names import MACHINE_FAULTS, SENSOR_FAULTS
from simulator.control.network_fault_names import NETWORK_FAULTS
from simulator.plant.events import Event
from simulator.plant.plant import Plant

MAX_CAUSES = 100
_ZH, _EN = "zh", "en"


class Causes:
    """The last MAX_CAUSES events of a plant as sentences, newest first."""

    def __init__(self, plant: Plant, now_ms: Callable[[], int]) -> None:
        self._profiles = {name: device.profile for name, device in plant.devices.items()}
        self._labels = {placed.device: placed.label for placed in plant.settings.placed()}
        self._now_ms = now_ms
        self._causes: deque[Mapping[str, Any]] = deque(maxlen=MAX_CAUSES)

    def add(self, event: Event) -> None:
        """Take an event of the plant; parts made, and what a state was at first, are left out."""
        if event.event == "made" or (event.before == event.after):
            return
        profile = self._profiles.get(event.device)
        name, _, fault = event.event.partition(" ")
        kind = "cause" if name == "fault" else "effect"
        label = self._labels.get(event.device, Label())
        what = (
            fault_text(profile, fault, started=bool(event.after))
            if name == "fault"
            else _change(profile, event)
        )
        self._causes.appendleft(
            {
                "time_ms": self._now_ms(),
                "tick": event.tick,
                "device": event.device,
                "kind": kind,
                "text": {
                    _ZH: f"{named(label, 'zh', event.device)}：{what.zh}",
                    _EN: f"{named(label, 'en', event.device)}: {what.en}",
                },
            }
        )

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """All of them, newest first."""
        return list(self._causes)


def fault_text(profile: DeviceProfile | None, fault: str, *, started: bool) -> Label:
    """A fault that begins or ends; `fault` as in an event: `NAME [POINT]`, or `wire NAME`."""
    label = fault_label(profile, fault)
    return Label(
        zh=f"{'出现' if started else '消除'}：{label.zh}", en=f"{'starts' if started else 'ends'}: {label.en}"
    )


def fault_label(profile: DeviceProfile | None, fault: str) -> Label:
    """The plain name of a fault; the name itself where it has none."""
    first, _, second = fault.partition(" ")
    if first == "wire" and second in NETWORK_FAULTS:
        return NETWORK_FAULTS[second].label
    if first in SENSOR_FAULTS:
        label = SENSOR_FAULTS[first].label
        return Label(zh=f"{label.zh} {second}".strip(), en=f"{label.en} {second}".strip())
    known = MACHINE_FAULTS.get(profile.profile, {}).get(first) if profile is not None else None
    return Label(zh=fault, en=fault.replace("_", " ")) if known is None else known.label


def _change(profile: DeviceProfile | None, event: Event) -> Label:
    """A change of state or alarm, in the words of the profile."""
    point = next((point for point in profile.points if point.name == event.event), None) if profile else None
    name = point.label if point is not None else Label()
    codes = point.enum if point is not None else {}

    def text(language: str, code: int) -> str:
        label = codes.get(code)
        return (label.zh if language == _ZH else label.en) if label is not None else str(code)

    return Label(
        zh=f"{name.zh or event.event} {text(_ZH, event.before)} → {text(_ZH, event.after)}",
        en=f"{name.en or event.event} {text(_EN, event.before)} → {text(_EN, event.after)}",
    )
