"""The alert rules: one table, of which the files for Prometheus, vmalert and Grafana are made.

Machine alarms belong to the edge; these rules watch the road. One cause is one alert: an edge that is silent
has no other new alert, and while no ingester reports no edge is called silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cloud.alerting.conditions import (
    ALIVE,
    DEVICE,
    KNOWN,
    Condition,
    Last,
    NeverReported,
    NoReport,
    Point,
    Rise,
    Share,
)
from qilu.contract.accounting import AUDIT, COLLECTION, FLEET, GATEWAY, INGESTER
from qilu.contract.profile.point import Label

ENOUGH = 0.99
"""Completeness below which an edge is a warning, on dashboards as well."""
ROOM_H = 24.0
"""Hours of room in a spool below which an edge is a warning, on dashboards as well."""
_INGESTER = Point(INGESTER, "uptime_s")


def _status(point: str) -> Point:
    return Point(GATEWAY, point)


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: its series carry `edge`, some also `device`.

    In texts `{edge}`, `{device}` and `{value}` stand for what each format has in their places.
    """

    name: str
    uid: str
    """Of the rule in Grafana, for ever: see the ledger."""
    condition: Condition
    hold_s: float
    """Seconds for which the condition holds before the alert fires."""
    severity: Literal["critical", "warning"]
    summary: Label
    next_step: Label
    dashboard: str
    """Of the set: what to open first."""
    also: Sequence[Condition] = ()
    """What must hold for the same edge besides."""
    unless: Sequence[Condition] = ()
    """Other causes that explain it, and have an alert of their own."""
    number: Literal["%.0f", "%.1f", "share"] = "%.0f"
    """How its value is written."""

    @property
    def is_of_an_edge(self) -> bool:
        """Whether its label `edge` is one, and not an ingester."""
        condition = self.condition
        of_ingester = isinstance(condition, Last | Rise) and condition.of.profile == INGESTER
        return bool(condition.by) and not of_ingester


_DEFERRED = Last(_status("deferred_records"), ">", 0)
_DROPPED = Rise(_status("dropped_records"))
_WAITS = Last(_status("oldest_record_age_s"), ">", 600)
_NO_ROOM = Last(_status("spool_hours_left"), "<", ROOM_H)

RULES: Sequence[Rule] = (
    Rule(
        "QiluEdgeSilent", "qilu-rule-edge-silent", NoReport(KNOWN, ALIVE, _INGESTER), 60, "critical",
        Label(zh="边缘 {edge} 超过 150 秒没有上报", en="edge {edge} has not reported for 150 s"),
        Label(
            zh="检查现场电源和网络，再看网关是否在运行：systemctl status qilu-gateway",
            en="check power and network of the site, then the gateway: systemctl status qilu-gateway",
        ),
        "fleet",
    ),
    Rule(
        "QiluEdgeNeverReported", "qilu-rule-edge-never-reported", NeverReported(Point(FLEET, "expected")),
        600, "warning",
        Label(
            zh="应有的边缘 {edge} 从未上报（30 天内）",
            en="the expected edge {edge} has not reported in 30 days, or never",
        ),
        Label(
            zh="检查网关的 mqtt 配置和消息服务器的用户；已撤掉的边缘从入库服务的 expected_edges 中删除",
            en="check mqtt in the gateway's settings and its user at the broker; take an edge that is gone"
            " out of expected_edges of the ingester",
        ),
        "fleet",
    ),
    Rule(
        "QiluDeviceOffline", "qilu-rule-device-offline",
        Last(Point(COLLECTION, "offline_s"), ">", 0, DEVICE), 600, "warning",
        Label(
            zh="边缘 {edge} 的设备 {device} 离线超过 10 分钟，边缘本身在线",
            en="device {device} of edge {edge} is offline for 10 min, while the edge reports",
        ),
        Label(
            zh="检查设备电源、网线和站号：qilu read --device 设备名",
            en="check power, cable and unit id of the device: qilu read --device NAME",
        ),
        "completeness",
    ),
    Rule(
        "QiluCompletenessLow", "qilu-rule-completeness-low",
        Share(Point(COLLECTION, "good"), Point(COLLECTION, "expected"), ENOUGH), 300, "warning",
        Label(
            zh="边缘 {edge} 最近 1 小时完整率低于 99%：{value}",
            en="completeness of edge {edge} in the last hour is below 99 %: {value}",
        ),
        Label(zh="用 qilu audit 查看缺数原因", en="ask qilu audit for the causes"),
        "completeness", number="share",
    ),
    Rule(
        "QiluSpoolNearlyFull", "qilu-rule-spool-nearly-full", _NO_ROOM, 600, "critical",
        Label(
            zh="边缘 {edge} 有积压，缓存只够再存 {value} 小时",
            en="edge {edge} has a backlog, and its spool has room for {value} h",
        ),
        Label(
            zh="先恢复上送；再考虑加大 spool.max_bytes 或清理磁盘",
            en="restore the delivery; then consider a larger spool.max_bytes, or free the disk",
        ),
        "health", (_WAITS,), (_DROPPED,), "%.1f",
    ),
    Rule(
        "QiluRecordsDropped", "qilu-rule-records-dropped", _DROPPED, 0, "critical",
        Label(
            zh="边缘 {edge} 的缓存已满，正在丢弃记录：10 分钟 {value} 条",
            en="the spool of edge {edge} drops records: {value} in 10 min",
        ),
        Label(
            zh="先恢复上送，再考虑加大 spool.max_bytes",
            en="restore the delivery, then consider a larger spool.max_bytes",
        ),
        "health",
    ),
    Rule(
        "QiluRecordsRejected", "qilu-rule-records-rejected", Rise(_status("rejected_records")), 0, "warning",
        Label(
            zh="边缘 {edge} 的隔离区在增长：存储 10 分钟拒收 {value} 条记录",
            en="the quarantine of edge {edge} grows: the store rejected {value} records in 10 min",
        ),
        Label(
            zh="在边缘上用 qilu spool show 查看隔离区和原因",
            en="look at the quarantine and its reasons on the edge: qilu spool show",
        ),
        "health",
    ),
    Rule(
        "QiluRecordsDeferred", "qilu-rule-records-deferred", _DEFERRED, 1800, "warning",
        Label(
            zh="边缘 {edge} 有 {value} 条记录被暂缓入库超过 30 分钟",
            en="{value} records of edge {edge} are deferred for 30 min",
        ),
        Label(
            zh="看网关日志里的原因：时钟、容量或权限",
            en="see the cause in the gateway's log: clock, capacity or rights",
        ),
        "health",
    ),
    Rule(
        "QiluRecordsWait", "qilu-rule-records-wait", _WAITS, 600, "warning",
        Label(
            zh="边缘 {edge} 有记录等待入库超过 10 分钟：最早的已等 {value} 秒",
            en="records of edge {edge} wait for the store for more than 10 min, the oldest for {value} s",
        ),
        Label(
            zh="检查入库服务是否运行、存储是否可写",
            en="check that the ingester runs and that the store takes writes",
        ),
        "health", unless=(_DEFERRED, _DROPPED, _NO_ROOM),
    ),
    Rule(
        "QiluClockUncertain", "qilu-rule-clock-uncertain", Last(_status("clock_known"), "==", 0), 300,
        "warning",
        Label(zh="边缘 {edge} 的时钟不可信", en="the clock of edge {edge} is uncertain"),
        Label(zh="检查现场的对时服务：chronyc tracking", en="check the time service: chronyc tracking"),
        "fleet",
    ),
    Rule(
        "QiluIngesterSilent", "qilu-rule-ingester-silent", NoReport(_INGESTER, _INGESTER, by=()), 60,
        "critical",
        Label(
            zh="没有入库服务在写存储：超过 150 秒没有上报",
            en="no ingester fills the store: none has reported for 150 s",
        ),
        Label(
            zh="检查入库服务和消息服务器：systemctl status qilu-ingester；边缘会保留全部记录",
            en="check the ingester and the broker: systemctl status qilu-ingester; the edges keep everything",
        ),
        "health",
    ),
    Rule(
        "QiluIngesterLags", "qilu-rule-ingester-lags", Last(Point(INGESTER, "lag_s"), ">", 60), 300,
        "warning",
        Label(
            zh="入库服务 {edge} 跟不上：队列已连续 {value} 秒没有清空",
            en="ingester {edge} lags: its queue has not been empty for {value} s",
        ),
        Label(
            zh="增加一个入库服务，或检查存储的写入速度",
            en="add an ingester, or look at the speed of the store",
        ),
        "health",
    ),
    Rule(
        "QiluStoreDropsValues", "qilu-rule-store-drops-values", Rise(Point(INGESTER, "lost_values")), 0,
        "critical",
        Label(
            zh="存储丢弃了入库服务 {edge} 的值：10 分钟 {value} 个",
            en="the store drops values of ingester {edge}: {value} in 10 min",
        ),
        Label(
            zh="看入库服务日志中的字段和原因；常见原因是同名字段类型不同",
            en="see fields and cause in the ingester's log; often two types of one field",
        ),
        "health",
    ),
    Rule(
        "QiluAuditUnexplained", "qilu-rule-audit-unexplained",
        Last(Point(AUDIT, "unexplained_values"), ">", 0, window="audit"), 0, "critical",
        Label(
            zh="对账发现边缘 {edge} 有 {value} 个值缺失且没有原因",
            en="the audit found {value} values of edge {edge} that are missing without a cause",
        ),
        Label(
            zh="用 qilu audit --edge 边缘名 查看是哪些设备、哪段时间",
            en="ask qilu audit --edge NAME for devices and times",
        ),
        "completeness",
    ),
)  # fmt: skip
"""In the order of the files."""
