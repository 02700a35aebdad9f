"""The answers of the fixture to requests: descriptions, charts, registers, the report of a day."""

from datetime import UTC, datetime, timedelta
from typing import Any

from qilu.contract.profile.point import Point
from tests.page.plant import Json, Machine, describe_point, key_point
from tests.page.topics import Topics


class Console(Topics):
    """The topics and the answers over one plant."""

    def describe(self, name: str) -> Json:
        """The static description of a device."""
        machine = self.machines[name]
        return {
            "device": name,
            "label": machine.label,
            "place": "A 区",
            "profile": machine.profile.profile,
            "endpoint": "127.0.0.1:5033",
            "unit_id": 1,
            "groups": {group: {"period_s": period} for group, period in machine.profile.groups.items()},
            "points": [describe_point(point) for point in machine.profile.points],
        }

    def series(self, name: str, point: str, from_ms: int, to_ms: int, pixels: int) -> Json:
        """The values of a point, with a gap, bad values and one lone sample."""
        machine = self.machines[name]
        (found,) = (candidate for candidate in machine.profile.points if candidate.name == point)
        span = max(to_ms - from_ms, 1000)
        step = max(1000, span // max(pixels // 2, 1))
        first, second = from_ms + span * 3 // 10, from_ms + span * 5 // 10
        lone = (first + second) // 2
        gaps = [
            {"from_ms": first, "to_ms": lone - step // 2, "reason": "timeout"},
            {"from_ms": lone + step // 2, "to_ms": second, "reason": "gateway_down"},
        ]
        times = [t for t in range(from_ms - from_ms % step + step, to_ms, step) if not first <= t <= second]
        times = sorted([*times, lone])
        rolled = step > 1000 and isinstance(_number(machine, found, from_ms), float)
        values = [_number(machine, found, t) for t in times]
        near = [
            [
                _number(machine, found, t + offset)
                for offset in range(-step // 2, step // 2, max(step // 4, 1))
            ]
            if rolled
            else [v]
            for t, v in zip(times, values, strict=True)
        ]
        bad = from_ms + span * 7 // 10
        return {
            "from_ms": from_ms,
            "to_ms": to_ms,
            "bucket_ms": step,
            "source": "raw" if step == 1000 else "minutes",
            "t": times,
            "min": [min(entry) for entry in near],
            "max": [max(entry) for entry in near],
            "last": values,
            "n": [max(1, step // 1000)] * len(times),
            "bad": [{"from_ms": bad, "to_ms": bad + step, "quality": "bad", "reason": "sentinel", "n": 2}],
            "gaps": gaps,
        }

    def registers(self) -> Json:
        """Raw words of two blocks."""
        now = self.now_ms()
        words = [(now // 1000 + index * 7919) % 65536 for index in range(8)]
        points = [
            {
                "point": "serve_counter",
                "address": 0,
                "words": 2,
                "type": "uint32",
                "byte_order": "big",
                "word_order": "big",
                "scale": 1,
                "offset": 0,
            },
            {
                "point": "state",
                "address": 2,
                "words": 1,
                "type": "uint16",
                "byte_order": "big",
                "word_order": "big",
                "scale": 1,
                "offset": 0,
            },
            {
                "point": "speed",
                "address": 4,
                "words": 1,
                "type": "uint16",
                "byte_order": "big",
                "word_order": "big",
                "scale": 0.1,
                "offset": 0,
            },
        ]
        floats = [
            {
                "point": "flow",
                "address": 0,
                "words": 2,
                "type": "float32",
                "byte_order": "little",
                "word_order": "little",
                "scale": 1,
                "offset": 0,
            },
            {
                "point": "suction_pressure",
                "address": 2,
                "words": 2,
                "type": "float32",
                "byte_order": "little",
                "word_order": "little",
                "scale": 1,
                "offset": 0,
            },
        ]
        return {
            "blocks": [
                {
                    "group": "fast",
                    "table": "holding",
                    "address": 0,
                    "time_ms": now - 300,
                    "words": words,
                    "points": points,
                },
                {
                    "group": "fast",
                    "table": "input",
                    "address": 0,
                    "time_ms": now - 300,
                    "words": [0x0000, 0x2842, 0x3333, 0xF33F, 0x6666, 0x8640],
                    "points": floats,
                },
            ]
        }

    def sparklines(self, names: list[str]) -> Json:
        """The last minute of the key points."""
        now = self.now_ms()
        answer: Json = {}
        for name in names:
            if (machine := self.machines.get(name)) is not None:
                point = key_point(machine)
                values: list[Any] = [
                    _number(machine, point, now - back * 10_000) for back in range(59, -1, -1)
                ]
                if machine.state == "offline":
                    values[40:] = [None] * 20
                answer[name] = {"point": point.name, "values": values}
        return answer

    def day(self, day: str) -> Json:
        """The report of a day."""
        begin = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        hour = int(timedelta(hours=1).total_seconds() * 1000)
        devices = []
        for machine in self.machines.values():
            lost = {"timeout": 312, "gateway_down": 60} if machine.number % 7 == 3 else {}
            devices.append(
                {
                    "device": machine.device,
                    "label": machine.label,
                    "due": 1_209_600,
                    "uncertain": 14,
                    "bad": 21 if machine.number % 5 == 0 else 0,
                    "good": 1_209_600 - 35 - sum(lost.values()),
                    "missing": lost,
                    "suppressed": 0,
                    "running_ms": {
                        "running": 15 * hour + machine.number * hour // 10,
                        "idle": 6 * hour,
                        "setup": 2 * hour,
                        "fault": hour // 3,
                        "off": hour // 2,
                    },
                }
            )
        outages = [
            {
                "device": "pump-1",
                "from_ms": begin + 5 * hour,
                "to_ms": begin + 5 * hour + 312_000,
                "reason": "timeout",
            },
            {
                "device": "edge-1",
                "from_ms": begin + 11 * hour,
                "to_ms": begin + 11 * hour + 60_000,
                "reason": "gateway_down",
            },
        ]
        return {"day": day, "edge": "edge-1", "devices": devices, "outages": outages, "version": "0.1.0"}


def _number(machine: Machine, point: Point, at: int) -> float | int:
    value = machine.value(point, at)
    return value if isinstance(value, int | float) else 0
