"""What the panels about the devices of many edges ask a store: values of several profiles, and accounts.

Every series is of one device of one edge. What is missing stays missing: nothing is filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud.grafana.accounts import influxql_from, promql_share, promql_sum
from cloud.grafana.edge_queries import EDGE, MAX_SERIES, Rows
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.accounting import COLLECTION
from qilu.contract.store_names import measurement_name, metric_name

MACHINE, COMPLETENESS = "machine", "completeness"
SHOWN = ("expected", "good", "uncertain", "no_reply", "refused", "invalid", "missed", "blocked", "offline_s")
"""Columns of the table of devices, beside MACHINE and COMPLETENESS."""
MAX_LANES = 25
"""Devices of a state timeline."""
MAX_ROWS = 50


@dataclass(frozen=True, slots=True)
class PointOfProfiles:
    """A point that several profiles have under one name and with one meaning."""

    profiles: Sequence[str]
    point: str
    factor: float = 1.0
    """From the profiles' unit to the unit that is shown."""


class DeviceQueries(Protocol):
    """One target of a panel (without its refId) for each kind of question."""

    def codes(self, of: PointOfProfiles) -> Json:
        """Codes over time, the last of each interval; at most MAX_LANES devices."""

    def reasons(self, of: PointOfProfiles) -> Json:
        """Codes of the reasons of values that are not good, over time."""

    def values(self, of: PointOfProfiles) -> Json:
        """Measured values over time; PromQL takes the ten highest devices, InfluxQL ten of each profile."""

    def growth(self, of: PointOfProfiles) -> Json:
        """By how much a counter rose in the time shown, also over a reset: a number for each device."""

    def account_total(self, point: str) -> Json:
        """The sum of a point of the accounts in the time shown: one number."""

    def accounts_over_time(self, points: Sequence[str]) -> Json:
        """The sums of points of all accounts in each interval; the series are named by point."""

    def account(self, point: str) -> Json:
        """The sum of a point of the accounts in each interval, by device; at most ten devices."""

    def rows(self) -> Rows:
        """One row for each device: MACHINE (or edge and device), COMPLETENESS and SHOWN, the worst first."""


class DevicePromql:
    """VictoriaMetrics behind Grafana's Prometheus data source."""

    def codes(self, of: PointOfProfiles) -> Json:
        return self._lanes(of, "")

    def reasons(self, of: PointOfProfiles) -> Json:
        return self._lanes(of, "__q")

    def values(self, of: PointOfProfiles) -> Json:
        series = _of_profiles(of)
        last = f"max by (edge, device) (last_over_time({series}[$__interval])){_times(of)}"
        rank = f"max by (edge, device) (max_over_time({series}[$__range] @ end()))"
        return _promql(f"{last} and on (edge, device) topk({MAX_SERIES}, {rank})")

    def growth(self, of: PointOfProfiles) -> Json:
        rise = f"max by (edge, device) (increase({_of_profiles(of)}[$__range])){_times(of)}"
        return _promql(f"topk({MAX_LANES}, {rise})", instant=True)

    def account_total(self, point: str) -> Json:
        return _promql(promql_sum([point], "[$__range]"), instant=True)

    def accounts_over_time(self, points: Sequence[str]) -> Json:
        query = promql_sum(points, "[$__interval]", ("point",))
        return {**_promql(query), "legendFormat": "{{point}}"}

    def account(self, point: str) -> Json:
        by, series, end = "sum by (edge, device)", _of_accounts([point]), "[$__range] @ end()"
        edges = f"topk({MAX_SERIES}, {promql_sum([point], end, (EDGE,))})"
        devices = f"topk({MAX_SERIES}, {by} (sum_over_time({series}{end})) and on (edge) {edges})"
        return _promql(f"{by} (sum_over_time({series}[$__interval])) and on (edge, device) {devices}")

    def rows(self) -> Rows:
        """The worst devices of the ten worst edges: to sum those of all takes seconds where they are many."""
        good, due = (
            f"sum by (edge, device) (sum_over_time({_of_accounts([point])}[$__range]))"
            for point in ("good", "expected")
        )
        edges = f"bottomk({MAX_SERIES}, {promql_share('[$__range]', (EDGE,))})"
        worst = f"bottomk({MAX_ROWS}, {good} / ({due} > 0) and on (edge) {edges})"
        counts = f"sum by (edge, device, point) (sum_over_time({_of_accounts(SHOWN)}[$__range]))"
        query = (
            f'label_replace({worst}, "point", "{COMPLETENESS}", "", "") or {counts}'
            f" and on (edge, device) {worst}"
        )
        joined = f'label_join({query.join("()")}, "{MACHINE}", "/", "edge", "device")'
        target = {**_promql(joined, instant=True), "format": "table"}
        matrix = {"columnField": "point", "rowField": MACHINE, "valueField": "Value", "emptyValue": "null"}
        names = {f"{MACHINE}\\point": MACHINE}
        return Rows([target], [{"id": "groupingToMatrix", "options": matrix}, *_worst_rows(names)])

    def _lanes(self, of: PointOfProfiles, ending: str) -> Json:
        last = f"max by (edge, device) (last_over_time({_of_profiles(of, ending)}[$__interval]))"
        rank = f"max by (edge, device) (count_over_time({_of_profiles(of, ending)}[$__range] @ end()))"
        return _promql(f"{last} and on (edge, device) topk({MAX_LANES}, {rank})")


class DeviceInfluxql:
    """InfluxDB 1, 2 and 3 behind Grafana's InfluxDB data source."""

    def codes(self, of: PointOfProfiles) -> Json:
        return _influxql(f'SELECT last("{of.point}") {_from(of)} {_over_time(MAX_LANES)}')

    def reasons(self, of: PointOfProfiles) -> Json:
        return _influxql(f'SELECT last("{of.point}__q") {_from(of)} {_over_time(MAX_LANES)}')

    def values(self, of: PointOfProfiles) -> Json:
        return _influxql(f'SELECT mean("{of.point}"){_times(of)} {_from(of)} {_over_time(MAX_SERIES)}')

    def growth(self, of: PointOfProfiles) -> Json:
        """Without what was counted from a reset to the first value after it; PromQL has that, too."""
        machine = 'GROUP BY "edge", "device"'
        rises = f'SELECT non_negative_difference("{of.point}") AS "rise" {_from(of)} {machine}'
        total = f'SELECT sum("rise"){_times(of)} FROM ({rises}) WHERE $timeFilter {machine}'
        return _influxql(f"{total} SLIMIT {MAX_LANES}")

    def account_total(self, point: str) -> Json:
        return {**_influxql(f'SELECT sum("{point}") {influxql_from()}'), "alias": "$col"}

    def accounts_over_time(self, points: Sequence[str]) -> Json:
        columns = ", ".join(f'sum("{point}") AS "{point}"' for point in points)
        query = f"SELECT {columns} {influxql_from()} GROUP BY time($__interval) fill(null)"
        return {**_influxql(query), "alias": "$col"}

    def account(self, point: str) -> Json:
        return _influxql(f'SELECT sum("{point}") {_from_accounts()} {_over_time(MAX_SERIES)}')

    def rows(self) -> Rows:
        share = f'sum("good") / sum("expected") AS "{COMPLETENESS}"'
        columns = ", ".join(f'sum("{point}") AS "{point}"' for point in SHOWN)
        query = f'SELECT {share}, {columns} {_from_accounts()} GROUP BY "edge", "device"'
        target = {**_influxql(query), "resultFormat": "table", "alias": ""}
        return Rows([target], _worst_rows({}, hidden=("Time",)))


def _worst_rows(names: Mapping[str, str], hidden: Sequence[str] = ()) -> list[Json]:
    """Steps: the devices with the lowest completeness, at most MAX_ROWS."""
    left_out = dict.fromkeys(hidden, True)
    columns = (*names, "edge", "device", COMPLETENESS, *SHOWN)
    order = {name: place for place, name in enumerate(columns)}
    options: Json = {"renameByName": dict(names), "excludeByName": left_out, "indexByName": order}
    return [
        {"id": "organize", "options": options},
        {"id": "sortBy", "options": {"sort": [{"field": COMPLETENESS, "desc": False}]}},
        {"id": "limit", "options": {"limitField": str(MAX_ROWS)}},
    ]


def _times(of: PointOfProfiles) -> str:
    return f" * {of.factor:.10g}" * (of.factor != 1)


def _of_profiles(of: PointOfProfiles, ending: str = "") -> str:
    names = "|".join(metric_name(profile, of.point) + ending for profile in of.profiles)
    return _series(names, "|".join(of.profiles), of.point)


def _of_accounts(points: Sequence[str]) -> str:
    names = "|".join(metric_name(COLLECTION, point) for point in points)
    return _series(names, COLLECTION, "|".join(points))


def _series(names: str, profiles: str, points: str) -> str:
    chosen = "".join(f', {label}=~"${label}"' for label in VARIABLES)
    return f'{{__name__=~"{names}", profile=~"{profiles}", point=~"{points}"{chosen}}}'


def _promql(query: str, *, instant: bool = False) -> Json:
    return {
        "expr": query, "legendFormat": "{{edge}}/{{device}}", "format": "time_series", "instant": instant,
        "range": not instant, "editorMode": "code",
    }  # fmt: skip


def _from(of: PointOfProfiles) -> str:
    measurements = ", ".join(f'"{measurement_name(profile)}"' for profile in of.profiles)
    return f'FROM {measurements} WHERE "profile" =~ /^({"|".join(of.profiles)})$/{_chosen()} AND $timeFilter'


def _from_accounts() -> str:
    measurement = measurement_name(COLLECTION)
    due = f'"profile" = \'{COLLECTION}\'{_chosen()} AND "expected" > 0 AND $timeFilter'
    return f'FROM "{measurement}" WHERE {due}'


def _chosen() -> str:
    return "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in VARIABLES)


def _over_time(limit: int) -> str:
    return f'GROUP BY time($__interval), "edge", "device" fill(null) SLIMIT {limit}'


def _influxql(query: str) -> Json:
    return {
        "query": query, "rawQuery": True, "resultFormat": "time_series", "alias": "$tag_edge/$tag_device",
    }  # fmt: skip
