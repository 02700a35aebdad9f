"""The topics of the fixture, as a console sends them."""

import math
from itertools import pairwise

from tests.page.plant import Json, Machine, key_point, key_value
from tests.page.state import FAULTS, PlantState

COLUMNS = [
    "device",
    "label",
    "place",
    "line",
    "profile",
    "endpoint",
    "unit_id",
    "state",
    "level",
    "time_ms",
    "period_ms",
    "polls_per_min",
    "skipped",
    "errors",
    "reason",
    "round_trip_ms",
    "value",
]
LINES = {
    "machining": ("机加工", "Machining"),
    "packing": ("注塑包装", "Moulding and packing"),
    "curing": ("硫化", "Tyre curing"),
    "spinning": ("细纱", "Spinning"),
    "utilities": ("公用工程", "Utilities"),
}


class Topics(PlantState):
    """Every topic by a function of its name."""

    def sentence(self) -> Json:
        """The worst thing first."""
        output: list[Json] = []
        if not self.connected:
            minutes = (self.now_ms() - self.broker_since_ms) // 60_000
            output.append(
                {
                    "code": "broker_disconnected",
                    "level": "fault",
                    "subject": "",
                    "since_ms": self.broker_since_ms,
                    "zh": f"消息服务器断开 {minutes} 分钟；数据已缓存在本机，还能存 52 小时；"
                    "请检查 10.0.0.9:8883 的网络",
                    "en": f"Broker away for {minutes} min; readings are kept here, room for 52 h; "
                    "check the network to 10.0.0.9:8883",
                }
            )
        for machine in self.machines.values():
            if machine.level == "normal":
                continue
            zh = "无应答；先查电源和网线" if machine.state == "offline" else "报故障；请到现场查看"
            en = (
                "does not answer; check its power and cable"
                if machine.state == "offline"
                else "reports a fault; look at it"
            )
            output.append(
                {
                    "code": "device_offline" if machine.state == "offline" else "device_fault",
                    "level": machine.level,
                    "subject": machine.device,
                    "since_ms": machine.silent_since_ms or self.started_ms,
                    "zh": f"{machine.label['zh']}（{machine.device}）{zh}",
                    "en": f"{machine.label['en']} ({machine.device}) {en}",
                }
            )
        if output:
            return {**output[0], "more": output[1:]}
        count = len(self.machines)
        return {
            "code": "normal",
            "level": "normal",
            "since_ms": self.started_ms,
            "more": [],
            "zh": f"一切正常：{count} 台设备在采，最近一条 0.2 秒前入库",
            "en": f"All is well: {count} devices are collected, the last reading was stored 0.2 s ago",
        }

    def time(self, machine: Machine) -> int:
        """When the last reading of a machine was."""
        now = self.now_ms()
        if machine.silent_since_ms is not None:
            return machine.silent_since_ms - 400
        return now - (now + machine.number * 173) % 1000

    def overview(self) -> Json:
        """The topic `overview`."""
        now = self.now_ms()
        answering = sum(machine.state != "offline" for machine in self.machines.values())
        kept = 3 if self.connected else 3 + (now - self.broker_since_ms) * 26 // 1000
        silent = len(self.machines) - answering
        return {
            "edge": {
                "edge": "edge-1",
                "label": {"zh": "历城一厂", "en": "Licheng plant 1"},
                "site": "demo-plant",
                "enterprise": "demo-enterprise",
            },
            "sentence": self.sentence(),
            "road": {
                "machines": {
                    "answering": answering,
                    "expected": len(self.machines),
                    "level": "fault" if silent else "normal",
                },
                "gateway": {
                    "readings_per_s": round(26.1 + math.sin(now / 3000), 1),
                    "skipped_polls": 0,
                    "level": "normal",
                },
                "broker": {
                    "connected": self.connected,
                    "address": "10.0.0.9:8883",
                    "since_ms": self.broker_since_ms,
                    "level": "normal" if self.connected else "fault",
                },
                "store": {
                    "durable_delay_ms": 160 + now // 1000 % 9 if self.connected else None,
                    "names": ["plant-store"],
                    "level": "normal" if self.connected else "unknown",
                },
                "spool": {"records": kept, "bytes": kept * 640, "hours_left": 52.0},
            },
            "devices": {
                name: {
                    "label": machine.label,
                    "place": "A 区",
                    "line": machine.line,
                    "state": machine.state,
                    "level": machine.level,
                    "time_ms": self.time(machine),
                    "period_ms": 1000,
                    "reason": machine.reason,
                    "value": key_value(machine, now),
                }
                for name, machine in self.machines.items()
            },
        }

    def devices(self) -> Json:
        """The topic `devices`."""
        now = self.now_ms()
        rows = []
        for name, machine in self.machines.items():
            missed = 40 if machine.state == "offline" else 0
            rows.append(
                [
                    name,
                    machine.label,
                    "A 区",
                    machine.line,
                    machine.profile.profile,
                    f"127.0.0.1:{5020 + machine.number % 20}",
                    machine.number % 3 + 1,
                    machine.state,
                    machine.level,
                    self.time(machine),
                    1000,
                    60 - missed,
                    0,
                    {"timeout": missed} if missed else {},
                    machine.reason,
                    None if missed else 4 + (machine.number * 7 + now // 1000) % 9,
                    key_value(machine, now),
                ]
            )
        return {"columns": COLUMNS, "rows": rows}

    def device(self, name: str) -> Json:
        """The topic `device/NAME`."""
        machine, now = self.machines[name], self.now_ms()
        offline = machine.state == "offline"
        at = self.time(machine)
        points = {}
        for number, point in enumerate(machine.profile.points):
            broken = number == 9
            points[point.name] = {
                "value": None if offline or broken else machine.value(point, at),
                "time_ms": at,
                "quality": "bad" if offline or broken else "uncertain" if number == 11 else "good",
                "reason": "timeout"
                if offline
                else "sentinel"
                if broken
                else "clock_uncertain"
                if number == 11
                else None,
            }
        return {
            "device": name,
            "label": machine.label,
            "place": "A 区",
            "profile": machine.profile.profile,
            "state": machine.state,
            "level": machine.level,
            "since_ms": machine.silent_since_ms or self.started_ms,
            "time_ms": self.time(machine),
            "points": points,
            "groups": {
                group: {"period_s": period, "time_ms": self.time(machine), "reason": machine.reason}
                for group, period in machine.profile.groups.items()
            },
            "counters": {
                "polls": (now - self.started_ms) // 1000 + 812,
                "skipped": 0,
                "timeouts": 40 if offline else 0,
                "errors": {"timeout": 40} if offline else {},
                "round_trip_ms": None if offline else 6,
            },
            "plan": {
                "blocks": [
                    {"group": "fast", "table": "holding", "address": 0, "count": 8, "points": 7},
                    {"group": "fast", "table": "input", "address": 0, "count": 8, "points": 4},
                    {"group": "slow", "table": "holding", "address": 20, "count": 7, "points": 4},
                ],
                "learned": [{"point": "head", "reason": "illegal_address", "text": "head: illegal_address"}],
            },
        }

    def delivery(self) -> Json:
        """The topic `delivery`."""
        road = self.overview()["road"]
        return {
            "connected": self.connected,
            "address": "10.0.0.9:8883",
            "since_ms": self.broker_since_ms,
            "disconnects": 2,
            "spool": {
                **road["spool"],
                "max_bytes": 2_000_000_000,
                "oldest_age_s": 0.4 if self.connected else 200.0,
                "dropped": 0,
                "blocked": None,
                "held": 0,
            },
            "quarantine": {
                "records": self.quarantined,
                "dropped": 0,
                "reasons": {"bad_value": self.quarantined} if self.quarantined else {},
            },
            "stores": [{"store": "plant-store", "last_ack_ms": self.now_ms() - 200}],
            "durable_records": 412_345 + (self.now_ms() - self.started_ms) // 40,
            "last_durable_ms": self.now_ms() - 200,
            "problem": None if self.connected else "Connection refused",
            "details": {
                "backlog": 0,
                "in_flight": 2,
                "resent": 14,
                "deferred": 0,
                "windows": [{"lane": "live", "bytes": 65536, "used": 1280}],
                "ranges": [{"stream": "a1b2", "from": 0, "to": 412345}],
            },
        }

    def story(self) -> Json:
        """The topic `story`: the result of an audit."""
        result = {"expected": 113_520, "skipped": 0, "missing": 0, "duplicates": 0, "clean": True}
        return {
            "step": 6,
            "steps": 6,
            "since_ms": self.now_ms(),
            "zh": "对账结果：22 台设备，应采 113520 个值，缺数 0，重复 0。",
            "en": "Result of the audit: 22 devices, 113520 values due, missing 0, stored twice 0.",
            "result": result,
        }

    def event_list(self) -> Json:
        """The topic `events`, newest first."""
        return {"events": sorted(self.events, key=lambda event: -int(event["time_ms"]))[:200]}

    def factory(self) -> Json:
        """The topic `factory`."""
        now = self.now_ms()
        lines = []
        for line, (zh, en) in LINES.items():
            if line == "utilities":
                continue
            members = [machine for machine in self.machines.values() if machine.line == line]
            lines.append(
                {
                    "line": line,
                    "label": {"zh": zh, "en": en},
                    "machines": [
                        {
                            "device": machine.device,
                            "label": machine.label,
                            "state": machine.state,
                            "value": key_value(machine, now),
                            "parts": 1200 + now // 9000 % 1000,
                        }
                        for machine in members
                    ],
                    "buffers": [
                        {
                            "from": first.device,
                            "to": second.device,
                            "capacity": 12,
                            "level": (now // 2000 + index * 5) % 13,
                        }
                        for index, (first, second) in enumerate(pairwise(members))
                    ]
                    if line != "spinning"
                    else [],
                }
            )
        utilities = [machine for machine in self.machines.values() if machine.line == "utilities"][:6]
        return {
            "plant": "demo-plant",
            "seconds": self.stepped_s + (now - self.started_ms) / 1000 * self.speed,
            "speed": self.speed,
            "paused": self.paused,
            "lines": lines,
            "utilities": [
                {
                    "device": machine.device,
                    "label": machine.label,
                    "point": key_point(machine).name,
                    "unit": key_point(machine).unit,
                    "value": machine.value(key_point(machine), now),
                }
                for machine in utilities
            ],
            "faults": [
                {
                    "device": machine.device,
                    "fault": fault,
                    "label": FAULTS[fault]["label"],
                    "state": "active",
                    "severity": 1.0,
                    "begin": 12.0,
                    "end": None,
                }
                for machine in self.machines.values()
                for fault in machine.faults
            ],
            "causes": [
                {
                    "time_ms": self.started_ms,
                    "text": {
                        "zh": "1号循环水泵轴承磨损开始",
                        "en": "Bearing wear of circulation pump 1 begins",
                    },
                }
            ],
        }
