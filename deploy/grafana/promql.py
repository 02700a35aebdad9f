"""What a panel asks in PromQL."""

from __future__ import annotations

from deploy.grafana.dialects import CHOSEN, DEVICE, EDGE, EDGES, LAST_HEARD, Json
from qilu.contract.accounting import COLLECTION
from qilu.contract.store_names import metric_name

_VALUES = f'profile!="{COLLECTION}", __name__!~".+__q", device!=""'
_MACHINE = "{{edge}}/{{device}}"


class Promql:
    """VictoriaMetrics behind Grafana's Prometheus data source; nothing here is its own dialect."""

    name = "promql"
    title = "VictoriaMetrics"
    source = "prometheus"

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        return self._range(_point(profile, point, whose), label, whose)

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        if profile is not None:
            return self._range(_point(profile, point, whose), "", whose)
        return self._range(_selector(f'__name__=~".+_{point}", point="{point}"', whose), "", whose)

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        times = {"s": "", "min": "60 * "}[per]
        metric = _point(profile, point, whose)
        return self._range(f"{times}rate({metric}[$__rate_interval])", label, whose)

    def growth(self, profile: str, point: str) -> Json:
        metric = _point(profile, point, CHOSEN)
        return self._instant(f"sum by (edge, device) (increase({metric}[$__range]))", "time_series")

    def reasons(self) -> Json:
        codes = _selector('__name__=~".+__q"', CHOSEN)
        target = self._range(f"last_over_time({codes}[$__interval])", "", CHOSEN)
        return {**target, "legendFormat": f"{_MACHINE} {{{{point}}}}"}

    def reasons_over_time(self) -> list[Json]:
        return [self.reasons()]

    def reason_series(self) -> list[Json]:
        return []

    def heard(self) -> Json:
        values = _selector(_VALUES, CHOSEN)
        query = f"1000 * max by (edge, device) (max_over_time(timestamp({values})[$__range:$__interval]))"
        return self._instant(query, "table")

    def device_count(self) -> Json:
        heard = f"last_over_time({_selector(_VALUES, CHOSEN)}[$__range])"
        return self._instant(f"count(count by (edge, device) ({heard}))", "time_series")

    def heard_rows(self) -> list[Json]:
        names = {"edge": EDGE, "device": DEVICE, "Value": LAST_HEARD}
        return [{"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}}]

    def count_rows(self) -> list[Json]:
        return []

    def edge_variable(self) -> Json:
        return self._variable('label_values({device!=""}, edge)')

    def line_variable(self) -> Json:
        return self._variable('label_values({device!="", edge=~"$edge"}, line)')

    def device_variable(self) -> Json:
        return self._variable('label_values({device!="", edge=~"$edge", line=~"$line"}, device)')

    def _range(self, expr: str, label: str, whose: str) -> Json:
        tag = "{{edge}}" if whose == EDGES else _MACHINE
        return self._target(expr, f"{tag} {label}".strip(), "time_series", instant=False)

    def _instant(self, expr: str, form: str) -> Json:
        return self._target(expr, _MACHINE, form, instant=True)

    def _target(self, expr: str, legend: str, form: str, *, instant: bool) -> Json:
        return {
            "expr": expr,
            "legendFormat": legend,
            "format": form,
            "instant": instant,
            "range": not instant,
            "editorMode": "code",
        }

    def _variable(self, query: str) -> Json:
        return {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}


def _point(profile: str, point: str, whose: str) -> str:
    """The series of one point: the labels divide those of two profiles that meet in a name."""
    return metric_name(profile, point) + _selector(f'profile="{profile}", point="{point}"', whose)


def _selector(what: str, whose: str) -> str:
    chosen = "" if whose == EDGES else ', line=~"$line", device=~"$device"'
    return f'{{{what}, edge=~"$edge"{chosen}}}'
