"""What a panel asks, in the two query languages that reach our stores: InfluxQL and PromQL.

The stores' schema: measurement = profile, tags edge, device, line, ...; fields = points, `<point>__q` = why
a value is bad. VictoriaMetrics joins them: metric = profile_point. Profiles have hyphens, which a short name
in PromQL may not have, so names stand in `{__name__="..."}`.
"""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]

CHOSEN = "chosen devices"
EDGES = "edges"
"""Whose series: those of the variables line and device, or each gateway's own."""


class Language(Protocol):
    """One target (without its refId) per kind of question; `label` tells points of one panel apart."""

    name: str
    title: str
    source: str
    """The type of the data source."""

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        """A measured value over time, the mean of each interval where the language makes it easy."""

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        """A code over time, the last of each interval; of all profiles that have the point with None."""

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        """How fast a counter rises, per "s" or "min"."""

    def growth(self, profile: str, point: str) -> Json:
        """By how much a counter rose in the time that is shown: one number per device."""

    def reasons(self) -> Json:
        """Why values were bad: the code of each device and point, where there is one."""

    def heard(self) -> Json:
        """When each device was heard last."""

    def device_count(self) -> Json:
        """What the number of devices heard can be made from, together with COUNT of the panel."""

    def heard_rows(self) -> list[Json]:
        """Transformations that make rows (Device, Last heard) of `heard`."""

    def count_rows(self) -> list[Json]:
        """Transformations that make the number of devices of `device_count`."""

    def line_variable(self) -> Json | str:
        """The query behind the variable `line`."""

    def device_variable(self) -> Json | str:
        """The query behind the variable `device`."""


# Column headings.
DEVICE, LAST_HEARD = "设备 / Device", "最近数据 / Last heard"


def _by_metric(**aggregations: list[str]) -> list[Json]:
    """Rows, one for each series name."""
    fields: Json = {"Metric": {"operation": "groupby", "aggregations": []}}
    for field, wanted in aggregations.items():
        fields[field] = {"operation": "aggregate", "aggregations": wanted}
    return [{"id": "seriesToRows", "options": {}}, {"id": "groupBy", "options": {"fields": fields}}]


class Influxql:
    """InfluxDB 1 and 2 (and 3)."""

    name = "influxql"
    title = "InfluxDB"
    source = "influxdb"

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        return self._series(f'mean("{point}")', f'"{profile}"', label, whose)

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        measurement = "/.*/" if profile is None else f'"{profile}"'
        return self._series(f'last("{point}")', measurement, "", whose)

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        unit = {"s": "1s", "min": "1m"}[per]
        rising = f'non_negative_derivative(last("{point}"), {unit})'
        return self._series(rising, f'"{profile}"', label, whose, fill="none")

    def growth(self, profile: str, point: str) -> Json:
        return self._target(
            f'SELECT spread("{point}") FROM "{profile}" WHERE {self._where(CHOSEN)} GROUP BY "device"',
            "$tag_device",
        )

    def reasons(self) -> Json:
        found = self._series("last(/__q$/)", "/.*/", "", CHOSEN, fill="none")
        return {**found, "alias": "$tag_device $col"}

    def heard(self) -> Json:
        newest = (
            f'SELECT * FROM /.*/ WHERE {self._where(CHOSEN)} GROUP BY "device" ORDER BY time DESC LIMIT 1'
        )
        return self._target(newest, "$tag_device")

    def device_count(self) -> Json:
        return self.heard()

    def heard_rows(self) -> list[Json]:
        renamed = {"Metric": DEVICE, "Time (max)": LAST_HEARD}
        return [*_by_metric(Time=["max"]), {"id": "organize", "options": {"renameByName": renamed}}]

    def count_rows(self) -> list[Json]:
        return _by_metric()

    def line_variable(self) -> str:
        return 'SHOW TAG VALUES WITH KEY = "line"'

    def device_variable(self) -> str:
        return 'SHOW TAG VALUES WITH KEY = "device" WHERE "line" =~ /^$line$/'

    def _series(self, what: str, measurement: str, label: str, whose: str, fill: str = "null") -> Json:
        tag = "edge" if whose == EDGES else "device"
        query = (
            f"SELECT {what} FROM {measurement} WHERE {self._where(whose)}"
            f' GROUP BY time($__interval), "{tag}" fill({fill})'
        )
        return self._target(query, f"$tag_{tag} {label}".strip())

    def _where(self, whose: str) -> str:
        if whose == EDGES:
            return "$timeFilter"
        return '"line" =~ /^$line$/ AND "device" =~ /^$device$/ AND $timeFilter'

    def _target(self, query: str, alias: str) -> Json:
        return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": alias}


_VALUES = '!~".+__q", device!=""'


class Promql:
    """VictoriaMetrics behind Grafana's Prometheus data source; nothing here is its own dialect."""

    name = "promql"
    title = "VictoriaMetrics"
    source = "prometheus"

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        return self._range(self._metric(f'="{profile}_{point}"', whose), label, whose)

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        name = f'=~"[^_]+_{point}"' if profile is None else f'="{profile}_{point}"'
        return self._range(self._metric(name, whose), "", whose)

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        times = {"s": "", "min": "60 * "}[per]
        metric = self._metric(f'="{profile}_{point}"', whose)
        return self._range(f"{times}rate({metric}[$__rate_interval])", label, whose)

    def growth(self, profile: str, point: str) -> Json:
        metric = self._metric(f'="{profile}_{point}"', CHOSEN)
        return self._instant(f"sum by (device) (increase({metric}[$__range]))", "time_series")

    def reasons(self) -> Json:
        codes = self._metric('=~".+__q"', CHOSEN)
        found = self._range(f"last_over_time({codes}[$__interval])", "", CHOSEN)
        return {**found, "legendFormat": "{{device}} {{__name__}}"}

    def heard(self) -> Json:
        values = self._metric(_VALUES, CHOSEN)
        query = f"1000 * max by (device) (max_over_time(timestamp({values})[$__range:1m]))"
        return self._instant(query, "table")

    def device_count(self) -> Json:
        heard = f"last_over_time({self._metric(_VALUES, CHOSEN)}[$__range])"
        return self._instant(f"count(count by (device) ({heard}))", "time_series")

    def heard_rows(self) -> list[Json]:
        shown = {"excludeByName": {"Time": True}, "renameByName": {"device": DEVICE, "Value": LAST_HEARD}}
        return [{"id": "organize", "options": shown}]

    def count_rows(self) -> list[Json]:
        return []

    def line_variable(self) -> Json:
        return self._variable('label_values({device!=""}, line)')

    def device_variable(self) -> Json:
        return self._variable('label_values({device!="", line=~"$line"}, device)')

    def _metric(self, name: str, whose: str) -> str:
        chosen = "" if whose == EDGES else ', line=~"$line", device=~"$device"'
        return f"{{__name__{name}{chosen}}}"

    def _range(self, expr: str, label: str, whose: str) -> Json:
        tag = "{{edge}}" if whose == EDGES else "{{device}}"
        return self._target(expr, f"{tag} {label}".strip(), "time_series", instant=False)

    def _instant(self, expr: str, form: str) -> Json:
        return self._target(expr, "{{device}}", form, instant=True)

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


LANGUAGES: tuple[Language, ...] = (Influxql(), Promql())
