"""A plant that moves by arithmetic alone, as the page's fixture: points of real profiles, values of sines."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qilu.config.profiles import profiles
from qilu.contract.display.numbers import decimals
from qilu.contract.profile.device_profile import DeviceProfile
from qilu.contract.profile.point import Point

Json = dict[str, Any]

MACHINES = (
    ("cnc-1", "cnc-machining-centre", "machining", "1号加工中心", "Machining centre 1", "spindle_load"),
    ("cnc-2", "cnc-machining-centre", "machining", "2号加工中心", "Machining centre 2", "spindle_load"),
    ("cnc-3", "cnc-machining-centre", "machining", "3号加工中心", "Machining centre 3", "spindle_load"),
    (
        "moulding-1",
        "injection-moulding-machine",
        "packing",
        "1号注塑机",
        "Moulding machine 1",
        "injection_pressure",
    ),
    (
        "moulding-2",
        "injection-moulding-machine",
        "packing",
        "2号注塑机",
        "Moulding machine 2",
        "injection_pressure",
    ),
    ("robot-1", "robot-cell", "packing", "取件机器人", "Robot", "tool_speed"),
    ("packing-1", "conveyor-packaging-line", "packing", "包装线", "Packing line", "rate"),
    ("press-1", "tyre-curing-press", "curing", "1号硫化机", "Curing press 1", "bladder_pressure"),
    ("press-2", "tyre-curing-press", "curing", "2号硫化机", "Curing press 2", "bladder_pressure"),
    ("press-3", "tyre-curing-press", "curing", "3号硫化机", "Curing press 3", "bladder_pressure"),
    ("spinning-1", "ring-spinning-frame", "spinning", "1号细纱机", "Ring frame 1", "spindle_speed"),
    ("spinning-2", "ring-spinning-frame", "spinning", "2号细纱机", "Ring frame 2", "spindle_speed"),
    ("spinning-3", "ring-spinning-frame", "spinning", "3号细纱机", "Ring frame 3", "spindle_speed"),
    ("spinning-4", "ring-spinning-frame", "spinning", "4号细纱机", "Ring frame 4", "spindle_speed"),
    ("compressor-1", "screw-air-compressor", "utilities", "1号空压机", "Compressor 1", "discharge_pressure"),
    ("compressor-2", "screw-air-compressor", "utilities", "2号空压机", "Compressor 2", "discharge_pressure"),
    ("boiler-1", "steam-boiler", "utilities", "1号锅炉", "Boiler 1", "steam_pressure"),
    ("chiller-1", "chiller", "utilities", "1号冷水机", "Chiller 1", "supply_temperature"),
    ("pump-1", "centrifugal-pump", "utilities", "1号循环水泵", "Circulation pump 1", "discharge_pressure"),
    ("meter-works", "three-phase-energy-meter", "electricity", "总进线电表", "Main meter", "power"),
    (
        "meter-air",
        "three-phase-energy-meter",
        "electricity",
        "空压站电表",
        "Meter of the compressors",
        "power",
    ),
    ("solar-1", "pv-inverter", "roof", "屋顶光伏逆变器", "Roof inverter", "power"),
)
"""Device, profile, line, its name in Chinese and English, and the point that a tile shows."""

PROFILES: Mapping[str, DeviceProfile] = profiles({machine[1] for machine in MACHINES})


@dataclass
class Machine:
    """One device of the fixture."""

    device: str
    profile: DeviceProfile
    line: str
    label: Json
    key: str
    number: int
    state: str = "running"
    level: str = "normal"
    reason: str | None = None
    silent_since_ms: int | None = None
    faults: list[str] = field(default_factory=list)

    def value(self, point: Point, now_ms: int) -> float | int | bool | str:
        """The value of a point at a time: always the same one for the same time."""
        if point.name == "state" or (point.enum and point.name.endswith("state")):
            return self.state_code(point, now_ms)
        if point.type == "bool":
            return point.name in {"running", "run_enable", "automatic"}
        if point.type == "string":
            return "QL-2026"
        if point.enum:
            return min(point.enum)
        seconds = now_ms / 1000
        if point.kind == "counter":
            return int(seconds % 1e7) // 2 + self.number
        low, high = _usual_range(point)
        swing = math.sin(seconds / 47 + self.number) * 0.55 + math.sin(seconds / 5.3 + 2 * self.number) * 0.12
        noise = math.sin(seconds * 12.9898 + self.number * 78.233) * 0.06
        return round(low + (high - low) * (0.5 + 0.5 * (swing + noise)), decimals(point))

    def state_code(self, point: Point, now_ms: int) -> int:
        """The code of the profile for the state of this time; now and then a machine waits or is set up."""
        codes = {label.en: code for code, label in point.enum.items()}
        turn = int(now_ms / 1000 / 90 + self.number * 3) % 11
        name = {3: "idle", 7: "setup"}.get(turn, "running") if self.state == "running" else self.state
        return codes.get(name, codes.get("running", 0))


def _usual_range(point: Point) -> tuple[float, float]:
    if point.normal is not None:
        low, high = point.normal.min, point.normal.max
        if low is not None and high is not None:
            return low + (high - low) * 0.2, high + (high - low) * 0.05
        edge = high if high is not None else (low or 0.0) + 4
        return edge * 0.55, edge * 0.9
    top = point.limits.max if point.limits.max is not None else 100.0
    low = max(point.limits.min or 0.0, 0.0)
    return low + (top - low) * 0.2, low + (top - low) * 0.55


def make_machines(extra: int = 0, hostile: bool = False) -> dict[str, Machine]:
    """The demo plant, then `extra` pumps on three more lines; `hostile`: one of them has a name of markup."""
    machines = {}
    for number, (device, profile, line, zh, en, key) in enumerate(MACHINES):
        machines[device] = Machine(device, PROFILES[profile], line, {"zh": zh, "en": en}, key, number)
    for number in range(extra):
        device = f"pump-{number + 2:04d}"
        label = {"zh": f"{number + 2}号水泵", "en": f"Pump {number + 2}"}
        machines[device] = Machine(
            device,
            PROFILES["centrifugal-pump"],
            f"hall-{number % 3 + 1}",
            label,
            "discharge_pressure",
            number,
        )
    if hostile:
        text = '<img src=x onerror="window.attacked=1">'
        machines["hostile"] = Machine(
            "hostile", PROFILES["chiller"], "utilities", {"zh": text, "en": text}, "supply_temperature", 5
        )
    return machines


def key_point(machine: Machine) -> Point:
    """The point that a tile shows; the first measured one where the table names none of the profile's."""
    points = {point.name: point for point in machine.profile.points}
    measured = [point for point in points.values() if point.unit and point.kind == "gauge"]
    return points.get(machine.key) or measured[0]


def key_value(machine: Machine, now_ms: int) -> Json | None:
    """What a tile shows of a machine."""
    point = key_point(machine)
    if machine.state == "offline":
        return None
    return {
        "point": point.name,
        "label": point.label.model_dump(),
        "unit": point.unit,
        "quality": "good",
        "value": machine.value(point, now_ms),
        "decimals": decimals(point),
    }


def describe_point(point: Point) -> Json:
    """The static description of a point, as the API gives it."""
    return {
        "point": point.name,
        "label": point.label.model_dump(),
        "unit": point.unit,
        "group": point.group,
        "type": str(point.type),
        "counter": point.kind == "counter",
        "decimals": decimals(point),
        "enum": {str(code): label.model_dump() for code, label in point.enum.items()} or None,
        "normal": point.normal.model_dump() if point.normal else None,
        "limits": point.limits.model_dump(),
    }
