"""The one definition of the alert rules, and the rule file that Prometheus and vmalert read.

Machine alarms belong to the edge; these rules watch the road. One cut link is one alert: every rule about an
edge asks for values of the last minutes, so that a silent edge is reported as silent and as nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from qilu.contract.accounting import COLLECTION, GATEWAY
from qilu.contract.profile.point import Label
from qilu.contract.store_names import metric_name
from qilu.contract.units import format_duration

ENOUGH = 0.99
"""Completeness below which an edge is a warning, on dashboards as well."""
WINDOW = "150s"
"""Time after which an edge without a status is silent: it reports every 10 s by default."""
GROUP = "qilu"


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert: its series carry `edge`, some also `device`."""

    name: str
    expression: str
    hold_s: float
    """Seconds for which the expression holds before the alert fires."""
    severity: Literal["critical", "warning"]
    summary: Label
    """One sentence; `{{ $labels.edge }}` and `{{ $value }}` are Prometheus' templates."""
    next_step: Label


def rules() -> Sequence[Rule]:
    """All rules, in the order of the file."""
    status = _status("uptime_s")
    return (
        Rule(
            "QiluEdgeSilent",
            f"{_status('uptime_s', '30d')} unless on (edge) {status}",
            60,
            "critical",
            Label(zh=f"边缘 {_EDGE} 超过 150 秒没有上报", en=f"edge {_EDGE} has not reported for 150 s"),
            Label(
                zh="检查现场电源和网络，再看网关是否在运行：systemctl status qilu-gateway",
                en="check power and network of the site, then the gateway: systemctl status qilu-gateway",
            ),
        ),
        Rule(
            "QiluDeviceOffline",
            f"{_account('offline_s')} > 0 and on (edge) {status}",
            600,
            "warning",
            Label(
                zh=f"边缘 {_EDGE} 的设备 {_DEVICE} 离线超过 10 分钟，边缘本身在线",
                en=f"device {_DEVICE} of edge {_EDGE} is offline for 10 min, while the edge reports",
            ),
            Label(
                zh="检查设备电源、网线和站号：qilu read --device 设备名",
                en="check power, cable and unit id of the device: qilu read --device NAME",
            ),
        ),
        Rule(
            "QiluCompletenessLow",
            f"{_hour('good')} / ({_hour('expected')} > 0) < {ENOUGH:g} and on (edge) {status}",
            300,
            "warning",
            Label(
                zh=f"边缘 {_EDGE} 最近 1 小时完整率低于 99%：{{{{ $value | humanizePercentage }}}}",
                en=f"completeness of edge {_EDGE} in the last hour is below 99 %: "
                "{{ $value | humanizePercentage }}",
            ),
            Label(zh="用 qilu audit 查看缺数原因", en="ask qilu audit for the causes"),
        ),
        Rule(
            "QiluRecordsDropped",
            f"{_rise('dropped_records')} > 0",
            0,
            "critical",
            Label(
                zh=f"边缘 {_EDGE} 的缓存已满，正在丢弃记录：10 分钟 {_VALUE} 条",
                en=f"the spool of edge {_EDGE} drops records: {_VALUE} in 10 min",
            ),
            Label(
                zh="先恢复上送，再考虑加大 spool.max_bytes",
                en="restore the delivery, then consider a larger spool.max_bytes",
            ),
        ),
        Rule(
            "QiluRecordsRejected",
            f"{_rise('rejected_records')} > 0",
            0,
            "warning",
            Label(
                zh=f"边缘 {_EDGE} 有记录被存储拒收：10 分钟 {_VALUE} 条",
                en=f"the store rejects records of edge {_EDGE}: {_VALUE} in 10 min",
            ),
            Label(
                zh="在边缘上用 qilu spool show 查看隔离区和原因",
                en="look at the quarantine and its reasons on the edge: qilu spool show",
            ),
        ),
        Rule(
            "QiluRecordsDeferred",
            f"{_status('deferred_records')} > 0",
            1800,
            "warning",
            Label(
                zh=f"边缘 {_EDGE} 有 {_VALUE} 条记录被暂缓入库超过 30 分钟",
                en=f"{_VALUE} records of edge {_EDGE} are deferred for 30 min",
            ),
            Label(
                zh="看网关日志里的原因：时钟、容量或权限",
                en="see the cause in the gateway's log: clock, capacity or rights",
            ),
        ),
        Rule(
            "QiluRecordsWait",
            f"{_status('oldest_record_age_s')} > 600",
            600,
            "warning",
            Label(
                zh=f"边缘 {_EDGE} 有记录等待入库超过 10 分钟",
                en=f"records of edge {_EDGE} wait for the store for more than 10 min",
            ),
            Label(
                zh="检查入库服务是否运行、存储是否可写",
                en="check that the ingester runs and that the store takes writes",
            ),
        ),
        Rule(
            "QiluClockUncertain",
            f"{_status('clock_known')} == 0",
            300,
            "warning",
            Label(zh=f"边缘 {_EDGE} 的时钟不可信", en=f"the clock of edge {_EDGE} is uncertain"),
            Label(zh="检查现场的对时服务：chronyc tracking", en="check the time service: chronyc tracking"),
        ),
    )


def rule_file(entries: Sequence[Rule]) -> str:
    """The rules as YAML for `rule_files:` of Prometheus and `-rule=` of vmalert."""
    return "\n".join(_lines(entries)) + "\n"


_EDGE, _DEVICE, _VALUE = "{{ $labels.edge }}", "{{ $labels.device }}", "{{ $value }}"


def _lines(entries: Sequence[Rule]) -> Iterator[str]:
    yield "# Made by `qilu grafana rules`. VictoriaMetrics: vmalert -rule=FILE; Prometheus: rule_files."
    yield f"groups:\n  - name: {GROUP}\n    interval: 30s\n    rules:"
    for rule in entries:
        yield f"      - alert: {rule.name}"
        yield f"        expr: {_quoted(rule.expression)}"
        yield f"        for: {format_duration(rule.hold_s) if rule.hold_s else '0s'}"
        yield f"        labels: {{severity: {rule.severity}}}"
        yield "        annotations:"
        for name, text in (
            ("summary_zh", rule.summary.zh), ("summary_en", rule.summary.en),
            ("next_step_zh", rule.next_step.zh), ("next_step_en", rule.next_step.en),
        ):  # fmt: skip
            yield f"          {name}: {_quoted(text)}"


def _quoted(text: str) -> str:
    """A text of YAML: its double-quoted form is that of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _series(profile: str, point: str) -> str:
    return f'{metric_name(profile, point)}{{profile="{profile}", point="{point}"}}'


def _status(point: str, window: str = WINDOW) -> str:
    """The last value of a point of the gateway's status, by edge."""
    return f"max by (edge) (last_over_time({_series(GATEWAY, point)}[{window}]))"


def _rise(point: str) -> str:
    return f"max by (edge) (increase({_series(GATEWAY, point)}[10m]))"


def _account(point: str) -> str:
    """The last account of each device."""
    return f"max by (edge, device) (last_over_time({_series(COLLECTION, point)}[{WINDOW}]))"


def _hour(point: str) -> str:
    return f"sum by (edge) (sum_over_time({_series(COLLECTION, point)}[1h]))"
