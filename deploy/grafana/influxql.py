"""What a panel asks in InfluxQL."""

from __future__ import annotations

from deploy.grafana.dialects import (
    CHOSEN,
    DEVICE,
    EDGE,
    EDGES,
    LAST_HEARD,
    Json,
    renamed,
    value_rows,
)
from qilu.contract.accounting import COLLECTION
from qilu.contract.store_names import measurement_name


def _measurement(profile: str) -> str:
    return f'"{measurement_name(profile)}"'


def _any_but(name: str) -> str:
    """A regular expression for all names but this one, where there is no look-ahead."""
    alternatives = [f"^{name[:at]}([^{letter}]|$)" for at, letter in enumerate(name)]
    return "|".join([*alternatives, f"^{name}."])


_VALUE_FIELDS = "/^_?([^_]+_?)*$/"
"""Those without two underscores in a row, unlike `<point>__q` and `<point>__text`."""
_TICK = "tick"
_MACHINE, _MACHINE_ALIAS = '"edge", "device"', "$tag_edge/$tag_device"


class Influxql:
    """InfluxDB 1 and 2 (and 3)."""

    name = "influxql"
    title = "InfluxDB"
    source = "influxdb"

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        return self._series(f'mean("{point}")', _measurement(profile), label, whose)

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        measurement = "/.*/" if profile is None else _measurement(profile)
        return self._series(f'last("{point}")', measurement, "", whose)

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        unit = {"s": "1s", "min": "1m"}[per]
        rising = f'non_negative_derivative(last("{point}"), {unit})'
        return self._series(rising, _measurement(profile), label, whose, fill="none")

    def growth(self, profile: str, point: str) -> Json:
        """Without what was counted from a reset to the first value after it; PromQL has that, too."""
        rises = (
            f'SELECT non_negative_difference("{point}") AS "rise" FROM {_measurement(profile)}'
            f" WHERE {self._where(CHOSEN)} GROUP BY {_MACHINE}"
        )
        return self._target(
            f'SELECT sum("rise") FROM ({rises}) WHERE $timeFilter GROUP BY {_MACHINE}', _MACHINE_ALIAS
        )

    def reasons(self) -> Json:
        target = self._series("last(/__q$/)", "/.*/", "", CHOSEN, fill="none")
        return {**target, "alias": f"{_MACHINE_ALIAS} $col"}

    def reasons_over_time(self) -> list[Json]:
        """Every device comes with the columns of all profiles: only those that have values become series."""
        every = (
            f'SELECT count("broker_connected") FROM {_measurement("gateway")} WHERE {self._where(EDGES)}'
            " GROUP BY time($__interval) fill(0)"
        )
        return [self.reasons(), self._target(every, _TICK)]

    def reason_series(self) -> list[Json]:
        matrix = {"columnField": "Metric", "rowField": "Time", "valueField": "Value", "emptyValue": "null"}
        return [
            *value_rows(),
            {"id": "groupingToMatrix", "options": matrix},
            {"id": "sortBy", "options": {"sort": [{"field": r"Time\Metric"}]}},
            {"id": "filterFieldsByName", "options": {"exclude": {"names": [_TICK]}}},
            renamed(r"^(\S+) last_(.*)__q$"),
        ]

    def heard(self) -> Json:
        values = f"/{_any_but(measurement_name(COLLECTION))}/"
        newest = (
            f"SELECT {_VALUE_FIELDS} FROM {values} WHERE {self._where(CHOSEN)}"
            " GROUP BY * ORDER BY time DESC LIMIT 1"
        )
        return {**self._target(newest, ""), "resultFormat": "table"}

    def device_count(self) -> Json:
        return self.heard()

    def heard_rows(self) -> list[Json]:
        renamed = {"edge": EDGE, "device": DEVICE, "Time (max)": LAST_HEARD}
        return [self._by_machine(Time=["max"]), {"id": "organize", "options": {"renameByName": renamed}}]

    def count_rows(self) -> list[Json]:
        return [self._by_machine()]

    def edge_variable(self) -> str:
        return 'SHOW TAG VALUES WITH KEY = "edge"'

    def line_variable(self) -> str:
        return 'SHOW TAG VALUES WITH KEY = "line" WHERE "edge" =~ /^$edge$/'

    def device_variable(self) -> str:
        return 'SHOW TAG VALUES WITH KEY = "device" WHERE "edge" =~ /^$edge$/ AND "line" =~ /^$line$/'

    def _by_machine(self, **aggregations: list[str]) -> Json:
        """One row for each device of each edge."""
        fields: Json = {tag: {"operation": "groupby", "aggregations": []} for tag in ("edge", "device")}
        for field, wanted in aggregations.items():
            fields[field] = {"operation": "aggregate", "aggregations": wanted}
        return {"id": "groupBy", "options": {"fields": fields}}

    def _series(self, what: str, measurement: str, label: str, whose: str, fill: str = "null") -> Json:
        tags, alias = ('"edge"', "$tag_edge") if whose == EDGES else (_MACHINE, _MACHINE_ALIAS)
        query = (
            f"SELECT {what} FROM {measurement} WHERE {self._where(whose)}"
            f" GROUP BY time($__interval), {tags} fill({fill})"
        )
        return self._target(query, f"{alias} {label}".strip())

    def _where(self, whose: str) -> str:
        chosen = "" if whose == EDGES else '"line" =~ /^$line$/ AND "device" =~ /^$device$/ AND '
        return f'"edge" =~ /^$edge$/ AND {chosen}$timeFilter'

    def _target(self, query: str, alias: str) -> Json:
        return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": alias}
