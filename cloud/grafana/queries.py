"""What the panels of a machine ask a store: PromQL of VictoriaMetrics, InfluxQL of InfluxDB.

Every query selects by `profile`, and the series by `edge` and `device`: two profiles may meet in the name of
a metric, and two edges may have a machine of one name. What is missing stays missing: nothing is filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from qilu.contract.store_names import measurement_name, metric_name

Json = dict[str, Any]
VARIABLES = ("enterprise", "site", "line", "edge", "device")
"""What is chosen on a machine's dashboard, each within the choice of those before it."""


class StoreQueries(Protocol):
    """One target of a panel (without its refId) for each kind of question; the series are named by point."""

    source: str
    """The type of the data source."""

    def values(self, profile: str, points: Sequence[str], factor: float, offset: float) -> Json:
        """Measured values over time: value * factor + offset, the mean of each interval in InfluxQL."""

    def codes(self, profile: str, points: Sequence[str]) -> Json:
        """Codes over time, the last of each interval."""

    def growth(self, profile: str, points: Sequence[str], factor: float) -> Json:
        """By how much counters rose in the time shown, also over a reset: one number for each point."""

    def reasons(self, profile: str, points: Sequence[str]) -> Json:
        """Codes of the reasons of values that are not good, over time."""

    def choices(self, profile: str, name: str) -> Json | str:
        """The query behind one of VARIABLES."""


class PromqlQueries:
    """VictoriaMetrics behind Grafana's Prometheus data source."""

    source = "prometheus"

    def values(self, profile: str, points: Sequence[str], factor: float, offset: float) -> Json:
        last = f"last_over_time({_series(profile, points)}[$__interval])"
        query = _any_of_metrics(
            last, f" * {factor:.10g}" * (factor != 1) + f" + {offset:.10g}" * (offset != 0)
        )
        return _target(query)

    def codes(self, profile: str, points: Sequence[str]) -> Json:
        return _target(_any_of_metrics(f"last_over_time({_series(profile, points)}[$__interval])", ""))

    def growth(self, profile: str, points: Sequence[str], factor: float) -> Json:
        rise = f"increase({_series(profile, points)}[$__range])"
        return _target(_any_of_metrics(rise, f" * {factor:.10g}" * (factor != 1)), instant=True)

    def reasons(self, profile: str, points: Sequence[str]) -> Json:
        return _target(_any_of_metrics(f"last_over_time({_series(profile, points, '__q')}[$__interval])", ""))

    def choices(self, profile: str, name: str) -> Json:
        before = VARIABLES[: VARIABLES.index(name)]
        chosen = "".join(f', {label}=~"${label}"' for label in before)
        query = f'label_values({{profile="{profile}"{chosen}}}, {name})'
        return {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}


def _series(profile: str, points: Sequence[str], ending: str = "") -> str:
    names = "|".join(metric_name(profile, point) + ending for point in points)
    chosen = ", ".join(f'{label}=~"${label}"' for label in VARIABLES)
    return f'{{__name__=~"{names}", profile="{profile}", point=~"{"|".join(points)}", {chosen}}}'


def _any_of_metrics(query: str, arithmetic: str) -> str:
    """Series by edge, device and point: the metric's name says no more, and arithmetic takes it away."""
    return f"max by (edge, device, point) ({query}){arithmetic}"


def _target(query: str, *, instant: bool = False) -> Json:
    return {
        "expr": query, "legendFormat": "{{point}}", "format": "time_series", "instant": instant,
        "range": not instant, "editorMode": "code",
    }  # fmt: skip


class InfluxqlQueries:
    """InfluxDB 1, 2 and 3 behind Grafana's InfluxDB data source."""

    source = "influxdb"

    def values(self, profile: str, points: Sequence[str], factor: float, offset: float) -> Json:
        shown = f" * {factor:.10g}" * (factor != 1) + f" + {offset:.10g}" * (offset != 0)
        return self._over_time(profile, {point: f'mean("{point}"){shown}' for point in points})

    def codes(self, profile: str, points: Sequence[str]) -> Json:
        return self._over_time(profile, {point: f'last("{point}")' for point in points})

    def growth(self, profile: str, points: Sequence[str], factor: float) -> Json:
        """Without what was counted from a reset to the first value after it; PromQL has that, too."""
        rises = ", ".join(f'non_negative_difference("{point}") AS "{point}"' for point in points)
        shown = f" * {factor:.10g}" * (factor != 1)
        sums = ", ".join(f'sum("{point}"){shown} AS "{point}"' for point in points)
        inner = f"SELECT {rises} FROM {_measurement(profile)} WHERE {_where(profile)}"
        return self._target(f"SELECT {sums} FROM ({inner}) WHERE $timeFilter")

    def reasons(self, profile: str, points: Sequence[str]) -> Json:
        return self._over_time(profile, {point: f'last("{point}__q")' for point in points})

    def choices(self, profile: str, name: str) -> str:
        before = VARIABLES[: VARIABLES.index(name)]
        chosen = "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in before)
        return (
            f'SHOW TAG VALUES FROM {_measurement(profile)} WITH KEY = "{name}"'
            f" WHERE \"profile\" = '{profile}'{chosen}"
        )

    def _over_time(self, profile: str, columns: Mapping[str, str]) -> Json:
        selected = ", ".join(f'{column} AS "{point}"' for point, column in columns.items())
        return self._target(
            f"SELECT {selected} FROM {_measurement(profile)} WHERE {_where(profile)}"
            " GROUP BY time($__interval) fill(null)"
        )

    def _target(self, query: str) -> Json:
        return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": "$col"}


def _measurement(profile: str) -> str:
    return f'"{measurement_name(profile)}"'


def _where(profile: str) -> str:
    chosen = " AND ".join(f'"{tag}" =~ /^${tag}$/' for tag in VARIABLES)
    return f"\"profile\" = '{profile}' AND {chosen} AND $timeFilter"
