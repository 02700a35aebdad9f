"""What the panels about many edges ask in PromQL."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.grafana.accounts import OF_EDGES, promql_share
from cloud.grafana.edge_queries import (
    CAUSE,
    COMPLETENESS,
    EDGE,
    EXPECTED_AGE,
    LAST_REPORT,
    LOST_URGENCY,
    MAX_SERIES,
    NEVER,
    NOW,
    ROW_COLUMNS,
    SENTENCES,
    SETTINGS_DIFFER,
    SHOWN_TIME,
    SITE,
    STATUS_COLUMNS,
    TEXTS_AGE,
    URGENCY,
    VERSION_DIFFERS,
    WAIT,
    Rows,
    Source,
    organized,
    sorted_rows,
)
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.accounting import COLLECTION, EDGE_INFO, FLEET, GATEWAY
from qilu.contract.edge_info import SETTINGS, VERSION
from qilu.contract.store_names import measurement_name, metric_name


class EdgePromql:
    """VictoriaMetrics behind Grafana's Prometheus data source."""

    source = "prometheus"

    def reporting(self, name: str = "") -> Json:
        return _number(f"count({_now('uptime_s')})", name)

    def expected(self, name: str = "") -> Json:
        return _number(f"count({_expected()})", name)

    def total(self, point: str, name: str = "", window: str = NOW) -> Json:
        return _number(f"sum({_last(point, window)})", name)

    def answering(self, name: str = "") -> Json:
        return _number(f"sum({_now('devices')}) - sum({_now('offline_devices')})", name)

    def short_of_room(self, hours: float) -> Json:
        return _number(f"sum({_now('spool_hours_left')} < bool {hours:g})")

    def completeness(self) -> Json:
        return _number(promql_share("[$__range]"))

    def values_per_s(self) -> Json:
        return _number(f"sum(rate({_status('points')}[5m]))")

    def rows(self, sentence: str) -> Rows:
        parts = (f'label_replace({part}, "point", "{column}", "", "")' for column, part in _parts().items())
        query = f"{_columns(STATUS_COLUMNS)} or {' or '.join(parts)}"
        numbers = {**_target(query, instant=True), "format": "table"}
        texts = {**_target(_texts(OF_EDGES), instant=True), "format": "table"}
        matrix = {"columnField": "point", "rowField": EDGE, "valueField": "Value", "emptyValue": "null"}
        kept = (EDGE, SITE, VERSION, SETTINGS, sentence)
        of_texts = ("Time", "Value #B", "device", "enterprise", "profile", *SENTENCES)
        steps: list[Json] = [
            organized({"Value #A": "Value"}, ()),  # so Grafana names it where there are two queries
            {"id": "groupingToMatrix", "filter": {"id": "byRefId", "options": "A"}, "options": matrix},
            organized({f"{EDGE}\\point": EDGE}, [name for name in of_texts if name not in kept]),
            {"id": "joinByField", "options": {"byField": EDGE, "mode": "outer"}},
            *sorted_rows({name: name for name in ROW_COLUMNS}),
        ]
        return Rows([numbers, texts], steps)

    def status(self, point: str, rank: str = "", *, lowest: bool = False) -> Json:
        pick, extreme = ("bottomk", "min") if lowest else ("topk", "max")
        ranked = f"{extreme}_over_time({_status(rank or point)}[$__range] @ end())"
        worst = f"{pick}({MAX_SERIES}, {extreme} by (edge) ({ranked}))"
        return _target(f"{_last(point, '$__interval')} and on (edge) {worst}")

    def rate(self, point: str, seconds: int) -> Json:
        rise = f"max by (edge) (rate({_status(point)}[$__rate_interval])){f' * {seconds}' * (seconds != 1)}"
        highest = f"topk({MAX_SERIES}, max by (edge) (increase({_status(point)}[$__range] @ end())))"
        return _target(f"{rise} and on (edge) {highest}")

    def completeness_over_time(self) -> Json:
        worst = f"bottomk({MAX_SERIES}, {promql_share('[$__range] @ end()', (EDGE,))})"
        return _target(f"{promql_share('[$__interval]', (EDGE,))} and on (edge) {worst}")

    def distinct(self, of: Source, tag: str, window: str = SHOWN_TIME) -> Json:
        series = _series(of.profile, of.point, of.variables).replace("}", f', {tag}!=""}}')
        return _number(f"count(count by ({tag}) (last_over_time({series}[{window}])))")

    def total_rate(self, of: Source) -> Json:
        return _target(f"sum(rate({_series(of.profile, of.point, of.variables)}[$__rate_interval]))")

    def choices(self, name: str) -> Json:
        before = VARIABLES[: VARIABLES.index(name)]
        chosen = "".join(f', {label}=~"${label}"' for label in before)
        expected = f'{metric_name(COLLECTION, "expected")}{{profile="{COLLECTION}"{chosen}}}'
        query = f"label_values({expected}, {name})"
        return {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}


def _columns(points: Sequence[str]) -> str:
    """The last values of points of the status, by edge and point."""
    names = "|".join(metric_name(GATEWAY, point) for point in points)
    chosen = "".join(f', {label}=~"${label}"' for label in OF_EDGES)
    return (
        f'max by (edge, point) (last_over_time({{__name__=~"{names}", profile="{GATEWAY}"{chosen}}}[{NOW}]))'
    )


def _parts() -> dict[str, str]:
    """The query of each other column of numbers; all series are by edge alone."""
    now, cause = _now("uptime_s"), _now("cause_code")
    last_report = f"max by (edge) (tlast_over_time({_status('uptime_s')}[$__range]))"
    lost = f"({last_report} unless on (edge) {now}) * 0"
    urgency = f"1 / ({cause} > 0) or {cause} * 0 or {lost} + {LOST_URGENCY}"
    never = f"{_expected()} * {NEVER} unless on (edge) {_ever('$__range')}"
    return {
        CAUSE: f"{cause} or {lost} - 1",
        LAST_REPORT: f"1000 * {last_report} or 0 * ({never})",
        COMPLETENESS: promql_share("[$__range]", (EDGE,)),
        WAIT: f"{_now('oldest_record_age_s')} / 3600",
        VERSION_DIFFERS: _differs(VERSION),
        SETTINGS_DIFFER: _differs(SETTINGS),
        URGENCY: f"{urgency} or ({never})",
    }


def _texts(variables: Sequence[str]) -> str:
    """The newest texts of each edge, as labels."""
    chosen = "".join(f', {label}=~"${label}"' for label in variables)
    series = f'{measurement_name(EDGE_INFO)}{{profile="{EDGE_INFO}"{chosen}}}[{TEXTS_AGE}]'
    return f"topk by (edge) (1, tlast_over_time({series}))"


def _differs(label: str) -> str:
    """1 for each edge whose label is not that of most edges, else 0."""
    usual = f"topk(1, count by ({label}) ({_texts(())}))"
    every = _texts(OF_EDGES)
    return f"max by (edge) ({every} * 0 + 1 unless on ({label}) {usual}) or max by (edge) ({every} * 0)"


def _expected() -> str:
    """1 for each edge that should report; it has no place, so that none is expected where one is chosen."""
    return f"max by (edge) (last_over_time({_series(FLEET, 'expected', OF_EDGES)}[{EXPECTED_AGE}]))"


def _ever(window: str) -> str:
    """Edges that reported, whatever is chosen."""
    return f"max by (edge) (last_over_time({_series(GATEWAY, 'uptime_s', ())}[{window}]))"


def _now(point: str) -> str:
    return _last(point, NOW)


def _last(point: str, window: str) -> str:
    return f"max by (edge) (last_over_time({_status(point)}[{window}]))"


def _status(point: str) -> str:
    return _series(GATEWAY, point, OF_EDGES)


def _series(profile: str, point: str, variables: Sequence[str]) -> str:
    chosen = "".join(f', {label}=~"${label}"' for label in variables)
    return f'{metric_name(profile, point)}{{profile="{profile}", point="{point}"{chosen}}}'


def _number(query: str, name: str = "") -> Json:
    target = _target(query, instant=True)
    return {**target, "legendFormat": name} if name else target


def _target(query: str, *, instant: bool = False) -> Json:
    return {
        "expr": query, "legendFormat": "{{edge}}", "format": "time_series", "instant": instant,
        "range": not instant, "editorMode": "code",
    }  # fmt: skip
