"""What can be injected into a device: plain names, what to expect, parameters that show something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qilu.contract.profile import SERVE_COUNTER, DeviceProfile, Label
from qilu.web.vocabulary import label_value
from simulator.control.fault_names import MACHINE_FAULTS, SENSOR_FAULTS, FaultText, MachineFaultName
from simulator.control.network_fault_names import NETWORK_FAULTS
from simulator.network_faults.catalogue import FAMILIES
from simulator.plant.faults import REBOOT

_RAMP = "10m"
_REBOOT = "30s"
_OF_SENSORS = "sensor"
_OF_SENSOR: Mapping[str, Mapping[str, Any]] = {
    "drift": {"ramp": _RAMP, "magnitude": 5},
    "spike": {"magnitude": 50},
    "stuck_bit": {"magnitude": 0},
}


def possible_faults(profile: DeviceProfile, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """The faults of `names`, which the machine may have, and those of its wire.

    Each has `fault`, `kind`, `label`, `expect` and `defaults`: the parameters of an injection that shows
    something; those of sensors also `points`, and those of the wire `parameters` that must be given.
    """
    return [*_of_machine(profile, names), *_of_wire()]


def _of_machine(profile: DeviceProfile, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    effects = MACHINE_FAULTS.get(profile.profile, {})
    for name in names:
        if name in SENSOR_FAULTS:
            text = SENSOR_FAULTS[name]
            row = _row(name, "machine" if name == REBOOT else _OF_SENSORS, text)
            more = {"defaults": {"duration": _REBOOT}} if name == REBOOT else _sensor(profile, name)
            yield {**row, **more}
        else:
            known = effects.get(name, MachineFaultName(Label(zh=name, en=name.replace("_", " "))))
            text = FaultText(known.label, expectation(profile, known))
            yield _row(name, "machine", text) | {"defaults": {"ramp": _RAMP}}


def _sensor(profile: DeviceProfile, name: str) -> Mapping[str, Any]:
    points = [
        point.name
        for point in profile.points
        if point.type != "string" and point.name != SERVE_COUNTER and point.overlaps is None
    ]
    if name == "stuck_bit":
        points = [point for point in points if not profile.point(point).table.holds_bits]
    return {"points": points, "defaults": _OF_SENSOR.get(name, {})}


def _of_wire() -> Iterator[Mapping[str, Any]]:
    for family in FAMILIES.values():
        for kind in family:
            fields = kind.model_fields
            name = str(fields["fault"].default)
            required = [key for key, field in fields.items() if field.is_required()]
            row = _row(name, "network", NETWORK_FAULTS[name])
            yield row | {"parameters": required, "defaults": {"duration": "2m", **_EXAMPLES.get(name, {})}}


_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "exception": {"code": 6, "probability": 0.5},
    "slow": {"delay": "500ms"},
    "late_reply": {"delay": "1500ms", "probability": 0.2},
    "truncate": {"probability": 0.3},
    "garbage": {"probability": 0.3},
    "counter_glitch": {"probability": 0.1},
}
"""Network fault -> parameters with which it shows something."""


def _row(name: str, kind: str, text: FaultText) -> dict[str, Any]:
    return {"fault": name, "kind": kind, "label": label_value(text.label), "expect": label_value(text.expect)}


def expectation(profile: DeviceProfile, fault: MachineFaultName) -> Label:
    """What to expect of a fault of a machine, from the points that rise and fall by it."""
    zh, en = [], []
    for names, zh_verb, en_verb in ((fault.rises, "上升", "rise"), (fault.falls, "下降", "fall")):
        if names:
            points = [profile.point(name) for name in names]
            zh.append("、".join(point.label.zh or point.name for point in points) + zh_verb)
            joined = ", ".join(point.label.en or point.name for point in points)
            en.append(f"{joined}: {en_verb}{'s' if len(names) == 1 else ''}")
    return Label(zh="；".join(zh), en="; ".join(en))
