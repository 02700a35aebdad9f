"""The state of the fixture: its machines, its broker, its events, and what changes them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.page.plant import Json, Machine, make_machines

FAULTS: dict[str, Json] = {
    "bearing_wear": {
        "fault": "bearing_wear",
        "kind": "machine",
        "label": {"zh": "轴承磨损", "en": "Bearing wear"},
        "expect": {
            "zh": "约 20 分钟后振动超限，随后停机",
            "en": "Vibration beyond its limit in about 20 min, then a stop",
        },
    },
    "seal_leakage": {
        "fault": "seal_leakage",
        "kind": "machine",
        "label": {"zh": "机械密封泄漏", "en": "Seal leakage"},
        "expect": {
            "zh": "设备马上报故障，压力下降",
            "en": "The machine reports a fault at once, and the pressure falls",
        },
    },
    "cut": {
        "fault": "cut",
        "kind": "network",
        "label": {"zh": "网线断开", "en": "Cable cut"},
        "expect": {"zh": "这台设备超时离线，其他设备照常", "en": "This device times out; the others go on"},
    },
}


_PAST_EVENTS = (
    ("", "normal", "网关启动，版本 0.1.0", "Gateway started, version 0.1.0"),
    (
        "pump-1",
        "normal",
        "1号循环水泵恢复应答，离线 5 分 12 秒",
        "Circulation pump 1 answers again after 5 min 12 s",
    ),
    ("pump-1", "fault", "1号循环水泵无应答：超时", "Circulation pump 1 does not answer: timed out"),
    (
        "boiler-1",
        "warning",
        "1号锅炉拒绝地址 40–47，已绕开",
        "Boiler 1 refuses addresses 40–47; they are left out",
    ),
    ("", "normal", "消息服务器已连接 10.0.0.9:8883", "Broker connected: 10.0.0.9:8883"),
    ("", "fault", "消息服务器断开：连接被拒绝", "Broker disconnected: connection refused"),
    ("press-2", "warning", "2号硫化机时钟存疑", "The clock of curing press 2 is uncertain"),
)


@dataclass
class PlantState:
    """What has happened to the plant so far; `now_ms` is its clock."""

    now_ms: Callable[[], int]
    extra: int = 0
    hostile: bool = False
    broker_since_ms: int = 0
    connected: bool = True
    paused: bool = False
    speed: float = 1.0
    started_ms: int = 0
    stepped_s: float = 0.0
    machines: dict[str, Machine] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    quarantined: int = 0

    def __post_init__(self) -> None:
        self.started_ms = self.broker_since_ms = self.now_ms()
        self.machines = make_machines(self.extra, self.hostile)
        for back, (device, level, zh, en) in enumerate(_PAST_EVENTS):
            self.note(device, level, zh, en, time_ms=self.started_ms - back * 437_000 - 1000)

    def note(self, device: str, level: str, zh: str, en: str, *, time_ms: int | None = None) -> None:
        """One more event."""
        at = self.now_ms() if time_ms is None else time_ms
        event = {
            "id": f"e{len(self.events)}",
            "time_ms": at,
            "device": device,
            "kind": "state",
            "level": level,
        }
        self.events.append({**event, "text": {"zh": zh, "en": en}})

    def set_broker(self, connected: bool) -> None:
        """Connect or disconnect the broker."""
        self.connected, self.broker_since_ms = connected, self.now_ms()
        zh, en = (
            ("消息服务器已连接", "Broker connected")
            if connected
            else ("消息服务器断开", "Broker disconnected")
        )
        self.note("", "normal" if connected else "fault", zh, en)

    def requeue(self) -> int:
        """Nothing is in quarantine any more; how many records were."""
        records, self.quarantined = self.quarantined, 0
        return records

    def inject(self, device: str, fault: str) -> None:
        """Begin a fault; the machine shows it with its next poll."""
        machine = self.machines[device]
        machine.faults.append(fault)
        machine.level = "fault" if fault != "bearing_wear" else "warning"
        if fault == "cut":
            machine.state, machine.reason, machine.silent_since_ms = "offline", "timeout", self.now_ms()
        elif fault == "seal_leakage":
            machine.state, machine.reason = "fault", None
        self.note(
            device,
            machine.level,
            f"{machine.label['zh']}：{FAULTS[fault]['label']['zh']}",
            f"{device}: {fault}",
        )

    def repair(self, device: str, fault: str) -> None:
        """End a fault."""
        machine = self.machines[device]
        machine.faults.remove(fault)
        if not machine.faults:
            machine.state, machine.level, machine.reason, machine.silent_since_ms = (
                "running",
                "normal",
                None,
                None,
            )
            self.note(device, "normal", f"{machine.label['zh']}恢复", f"{device} is back")
