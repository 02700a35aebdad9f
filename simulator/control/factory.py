"""The state of a factory for a page: lines in flow order, buffers, utilities, faults, causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qilu.contract.display.numbers import decimals
from qilu.contract.display.states import machine_states
from qilu.contract.profile import SERVE_COUNTER, DeviceProfile, Label, Point
from qilu.web.vocabulary import label_value
from simulator.control.causes import Causes, fault_label
from simulator.control.commands import Control
from simulator.physics.machine import Values
from simulator.plant.plant import Plant
from simulator.plant.plant_file import DevicePlacement

KEY_POINTS: Mapping[str, str] = {
    "centrifugal-pump": "discharge_pressure",
    "chiller": "supply_temperature",
    "cnc-machining-centre": "spindle_load",
    "conveyor-packaging-line": "belt_speed",
    "injection-moulding-machine": "injection_pressure",
    "pv-inverter": "power",
    "ring-spinning-frame": "spindle_speed",
    "robot-cell": "power",
    "screw-air-compressor": "discharge_pressure",
    "steam-boiler": "steam_pressure",
    "three-phase-energy-meter": "power",
    "tyre-curing-press": "mould_temperature",
}
"""Model -> the one value that its tile shows; of other machines the first value with a unit."""
PARTS: Mapping[str, str] = {
    "cnc-machining-centre": "part_count",
    "conveyor-packaging-line": "pack_count",
    "injection-moulding-machine": "shot_count",
    "robot-cell": "cycle_count",
    "tyre-curing-press": "tyre_count",
}
"""Model -> its counter of parts."""
UTILITIES = frozenset(
    (
        "centrifugal-pump", "chiller", "pv-inverter", "screw-air-compressor", "steam-boiler",
        "three-phase-energy-meter",
    )
)  # fmt: skip
"""Models that supply or measure, and make nothing."""


class Factory:
    """Computes the state; nothing is kept between two calls but the causes."""

    def __init__(self, plant: Plant, control: Control, causes: Causes) -> None:
        self._plant = plant
        self._control = control
        self._causes = causes
        self._placed = list(plant.settings.placed())

    def snapshot(self) -> Mapping[str, Any]:
        """All of it, as JSON."""
        machines = self._machines()
        return {
            **self._control.status(),
            "lines": list(self._lines(machines)),
            "utilities": [_utility(machines[placed.device]) for placed in self._placed if _supplies(placed)],
            "faults": [self._fault(fault) for fault in self._control.faults() if fault["state"] != "over"],
            "causes": self._causes.rows(),
        }

    def _machines(self) -> dict[str, dict[str, Any]]:
        """Device -> its tile."""
        tiles: dict[str, dict[str, Any]] = {}
        for places, profile, values in self._plant.true_values():
            state = _point(profile, "state")
            names = {} if state is None else machine_states(state)
            key = _key_point(profile, values)
            parts = PARTS.get(profile.profile)
            for index, place in enumerate(places):
                placed = self._placed[place]
                tiles[placed.device] = {
                    "device": placed.device,
                    "label": label_value(placed.label),
                    "profile": profile.profile,
                    "state": names.get(_whole(values, "state", index), "running" if not names else "unknown"),
                    "value": None if key is None else _value(key, values, index),
                    "parts": None if parts is None else _whole(values, parts, index),
                }
        return tiles

    def _lines(self, machines: Mapping[str, Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
        lines: dict[str, list[DevicePlacement]] = {}
        for placed in self._placed:
            if not _supplies(placed):
                lines.setdefault(placed.settings.line, []).append(placed)
        for line, members in lines.items():
            devices = {placed.device for placed in members}
            yield {
                "line": line,
                "label": label_value(self._plant.settings.lines.get(line, Label())),
                "machines": [machines[placed.device] for placed in members],
                "buffers": [row for row in self._buffers() if devices & {*row["from"], *row["to"]}],
            }

    def _buffers(self) -> Iterable[Mapping[str, Any]]:
        settings = self._plant.settings
        for buffer, level in zip(settings.buffers, self._plant.buffers.level, strict=True):
            yield {
                "from": sorted(settings.devices_of(buffer.after)),
                "to": sorted(settings.devices_of(buffer.before)),
                "level": int(level),
                "capacity": buffer.capacity,
            }

    def _fault(self, fault: Mapping[str, Any]) -> Mapping[str, Any]:
        device = self._plant.devices.get(fault["device"])
        name = fault["fault"] if fault["kind"] == "machine" else f"wire {fault['fault']}"
        return {**fault, "label": label_value(fault_label(None if device is None else device.profile, name))}


def _supplies(placed: DevicePlacement) -> bool:
    return placed.settings.machine in UTILITIES


def _utility(tile: Mapping[str, Any]) -> Mapping[str, Any]:
    value = tile["value"] or {"point": "", "label": label_value(Label()), "unit": "", "value": None}
    return {
        "device": tile["device"],
        "label": tile["label"],
        "state": tile["state"],
        "point": value["point"],
        "point_label": value["label"],
        "unit": value["unit"],
        "value": value["value"],
    }


def _key_point(profile: DeviceProfile, values: Values) -> Point | None:
    named = KEY_POINTS.get(profile.profile)
    if named is not None:
        return _point(profile, named)
    possible = [point for point in profile.points if point.name in values and point.type != "string"]
    with_unit = [point for point in possible if point.unit]
    plain = [point for point in possible if point.name not in (SERVE_COUNTER, "state", "alarm")]
    return next(iter([*with_unit, *plain]), None)


def _point(profile: DeviceProfile, name: str) -> Point | None:
    return next((point for point in profile.points if point.name == name), None)


def _value(point: Point, values: Values, index: int) -> Mapping[str, Any]:
    value = round(float(values[point.name][index]), 3)
    return {
        "point": point.name,
        "label": label_value(point.label),
        "unit": point.unit,
        "value": value,
        "decimals": decimals(point),
    }


def _whole(values: Values, name: str, index: int) -> int:
    return int(values[name][index]) if name in values else -1
