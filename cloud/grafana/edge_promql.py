"""What the panels about many edges ask in PromQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cloud.grafana.edge_queries import (
    CAUSE,
    COMPLETENESS,
    EDGE,
    LAST_REPORT,
    LOST_URGENCY,
    MAX_SERIES,
    NEVER,
    NOW,
    OF_EDGES,
    ROW_COLUMNS,
    STATUS_COLUMNS,
    URGENCY,
    WAIT,
    Rows,
    sorted_rows,
)
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.accounting import COLLECTION, GATEWAY
from qilu.contract.store_names import metric_name


class EdgePromql:
    """VictoriaMetrics behind Grafana's Prometheus data source."""

    source = "prometheus"

    def reporting(self) -> Json:
        return _number(f"count({_now('uptime_s')})")

    def total(self, point: str) -> Json:
        return _number(f"sum({_now(point)})")

    def answering(self) -> Json:
        return _number(f"sum({_now('devices')}) - sum({_now('offline_devices')})")

    def troubled(self) -> Json:
        return _number(f"sum({_now('causes')} > bool 0)")

    def completeness(self) -> Json:
        good, due = (f"sum(sum_over_time({_account(point)}[$__range]))" for point in ("good", "expected"))
        return _number(f"{good} / ({due} > 0)")

    def values_per_s(self) -> Json:
        return _number(f"sum(rate({_status('points')}[5m]))")

    def rows(self, expected: Sequence[str]) -> Rows:
        query = " or ".join(f"label_replace({part}, {column})" for column, part in _parts(expected))
        target = {**_target(query, instant=True), "format": "table"}
        matrix = {"columnField": "point", "rowField": EDGE, "valueField": "Value", "emptyValue": "null"}
        names = {f"{EDGE}\\point": EDGE, **{name: name for name in ROW_COLUMNS if name != EDGE}}
        steps: list[Json] = [{"id": "groupingToMatrix", "options": matrix}, *sorted_rows(names)]
        return Rows([target], steps)

    def status(self, point: str, rank: str = "", *, lowest: bool = False) -> Json:
        last = f"max by (edge) (last_over_time({_status(point)}[$__interval]))"
        ranked = _status(rank or point)
        if lowest:
            worst = f"bottomk({MAX_SERIES}, min by (edge) (min_over_time({ranked}[$__range] @ end())))"
        else:
            worst = f"topk({MAX_SERIES}, max by (edge) (max_over_time({ranked}[$__range] @ end())))"
        return _target(f"{last} and on (edge) {worst}")

    def rate(self, point: str, seconds: int) -> Json:
        rise = f"max by (edge) (rate({_status(point)}[$__rate_interval])){f' * {seconds}' * (seconds != 1)}"
        highest = f"topk({MAX_SERIES}, max by (edge) (increase({_status(point)}[$__range] @ end())))"
        return _target(f"{rise} and on (edge) {highest}")

    def completeness_over_time(self) -> Json:
        worst = f"bottomk({MAX_SERIES}, {_share('$__range', ' @ end()')})"
        return _target(f"{_share('$__interval')} and on (edge) {worst}")

    def choices(self, name: str) -> Json:
        before = VARIABLES[: VARIABLES.index(name)]
        chosen = "".join(f', {label}=~"${label}"' for label in before)
        query = f'label_values({{profile="{COLLECTION}"{chosen}}}, {name})'
        return {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}


def _parts(expected: Sequence[str]) -> list[tuple[str, str]]:
    """Arguments of label_replace and query of each column; all series are by edge alone."""
    now, cause = _now("uptime_s"), _now("cause_code")
    seen = f"max by (edge) (last_over_time({_status('uptime_s')}[$__range]))"
    lost = f"({seen} unless on (edge) {now}) * 0"
    last_report = f"1000 * max by (edge) (max_over_time(timestamp({_status('uptime_s')})[$__range:1m]))"
    urgency = f"1 / ({cause} > 0) or {cause} * 0 or {lost} + {LOST_URGENCY}"
    if expected:
        urgency += f" or (({_literals(expected)}) unless on (edge) {_ever('$__range')})"
    parts = {
        CAUSE: f"{cause} or {lost} - 1",
        **{point: _now(point) for point in STATUS_COLUMNS},
        LAST_REPORT: last_report,
        COMPLETENESS: _share("$__range"),
        WAIT: f"{_now('oldest_record_age_s')} / 3600",
        URGENCY: urgency,
    }
    return [(f'"point", "{column}", "", ""', part) for column, part in parts.items()]


def _literals(expected: Sequence[str]) -> str:
    return " or ".join(
        f'label_replace(vector({NEVER}), "edge", {json.dumps(edge.replace("$", "$$"))}, "", "")'
        for edge in expected
    )


def _ever(window: str) -> str:
    """Edges that reported, whatever is chosen."""
    return f"max by (edge) (last_over_time({_series(GATEWAY, 'uptime_s', ())}[{window}]))"


def _share(window: str, when: str = "") -> str:
    good, due = (
        f"sum by (edge) (sum_over_time({_account(point)}[{window}]{when}))" for point in ("good", "expected")
    )
    return f"{good} / ({due} > 0)"


def _now(point: str) -> str:
    return f"max by (edge) (last_over_time({_status(point)}[{NOW}]))"


def _status(point: str) -> str:
    return _series(GATEWAY, point, OF_EDGES)


def _account(point: str) -> str:
    return _series(COLLECTION, point, VARIABLES)


def _series(profile: str, point: str, variables: Sequence[str]) -> str:
    chosen = "".join(f', {label}=~"${label}"' for label in variables)
    return f'{metric_name(profile, point)}{{profile="{profile}", point="{point}"{chosen}}}'


def _number(query: str) -> Json:
    return _target(query, instant=True)


def _target(query: str, *, instant: bool = False) -> Json:
    return {
        "expr": query, "legendFormat": "{{edge}}", "format": "time_series", "instant": instant,
        "range": not instant, "editorMode": "code",
    }  # fmt: skip
