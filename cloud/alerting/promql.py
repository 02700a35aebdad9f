"""Conditions in PromQL, for vmalert and Prometheus.

An alert of an edge that falls silent stays: its last value still counts while the alert fires. `ALERTS` is
what Prometheus writes of itself, and vmalert with `-remoteWrite.url`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud.alerting.conditions import (
    ALIVE,
    KNOWN,
    Condition,
    Last,
    NeverReported,
    NoReport,
    Point,
    Rise,
    Share,
    Windows,
)
from cloud.alerting.rules import Rule
from qilu.contract.store_names import metric_name
from qilu.contract.units import format_duration


def expression(rule: Rule, windows: Windows) -> str:
    """What the alert of the rule fires on."""
    condition = rule.condition
    text = _met(condition, windows, windows.recent)
    if isinstance(condition, Last) and condition.is_kept:
        labels = ", ".join(condition.by)
        firing = f'ALERTS{{alertname="{rule.name}", alertstate="firing"}}'
        text += f" or {_met(condition, windows, windows.kept)} and on ({labels}) {firing}"
    for other in rule.also:
        text = f"({text}) and on (edge) ({_met(other, windows, windows.kept)})"
    for other in rule.unless:
        text = f"({text}) unless on (edge) ({_met(other, windows, windows.recent)})"
    return text


def _met(condition: Condition, windows: Windows, recent: float) -> str:
    match condition:
        case Last():
            window = recent if condition.window == "recent" else windows.audit
            return f"{_last(condition.of, window, condition.by)} {condition.comparison} {condition.limit:g}"
        case Rise():
            series = f"{_series(condition.of)}[{format_duration(windows.rise)}]"
            return f"{_max(condition.by)} (increase({series})) > 0"
        case Share():
            span = format_duration(windows.share)
            part, whole = (
                f"sum by ({', '.join(condition.by)}) (sum_over_time({_series(of)}[{span}]))"
                for of in (condition.part, condition.whole)
            )
            return f"{part} / ({whole} > 0) < {condition.limit:g}"
        case NoReport():
            known = _last(condition.known, windows.known, condition.by)
            alive = _last(condition.alive, recent, condition.by)
            absent = f"{known} unless on ({', '.join(condition.by)}) {alive}"
            if condition.listener is None:
                return absent
            reported, reports = (
                f"max({_window(condition.listener, span)})" for span in (windows.known, recent)
            )
            return f"({absent}) unless on () ({reported} unless {reports})"
        case NeverReported():
            expected = _last(condition.expected, windows.share, condition.by)
            reporting = f"{_last(KNOWN, windows.known)} or {_last(ALIVE, recent)}"
            return f"{expected} unless on (edge) ({reporting})"


def _last(of: Point, seconds: float, by: Sequence[str] = ("edge",)) -> str:
    return f"{_max(by)} ({_window(of, seconds)})"


def _max(by: Sequence[str]) -> str:
    return f"max by ({', '.join(by)})"


def _window(of: Point, seconds: float) -> str:
    return f"last_over_time({_series(of)}[{format_duration(seconds)}])"


def _series(of: Point) -> str:
    return f'{metric_name(of.profile, of.point)}{{profile="{of.profile}", point="{of.point}"}}'
