"""What the panels about many edges ask in InfluxQL.

InfluxQL divides by 0 to 0: so x / x is 1 for every x but 0, and 1 / code is 0 for the code of no cause.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud.grafana.edge_queries import (
    CAUSE,
    COMPLETENESS,
    EDGE,
    LAST_REPORT,
    MAX_SERIES,
    NEVER,
    NOW,
    OF_EDGES,
    STATUS_COLUMNS,
    URGENCY,
    WAIT,
    Rows,
    sorted_rows,
)
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.accounting import COLLECTION, GATEWAY
from qilu.contract.store_names import measurement_name

_OF_NOW = f"time > now() - {NOW}"
_DUE = '"expected" > 0 AND $timeFilter'
_SHARE = 'sum("good") / sum("expected")'


class EdgeInfluxql:
    """InfluxDB 1, 2 and 3 behind Grafana's InfluxDB data source."""

    source = "influxdb"

    def reporting(self) -> Json:
        return _number(f'SELECT count("last") FROM ({_now("uptime_s")})')

    def total(self, point: str) -> Json:
        return _number(f'SELECT sum("last") FROM ({_now(point)})')

    def answering(self) -> Json:
        last = _status('last("devices") - last("offline_devices") AS "last"', _OF_NOW, 'GROUP BY "edge"')
        return _number(f'SELECT sum("last") FROM ({last})')

    def troubled(self) -> Json:
        share = f'SELECT "last" / "last" AS "has" FROM ({_now("causes")})'
        return _number(f'SELECT sum("has") FROM ({share})')

    def completeness(self) -> Json:
        return _number(_account(_SHARE, ""))

    def values_per_s(self) -> Json:
        rise = _status('non_negative_difference("points") AS "rise"', "time > now() - 5m", 'GROUP BY "edge"')
        return _number(f'SELECT sum("rise") / 300 FROM ({rise})')

    def rows(self, expected: Sequence[str]) -> Rows:
        columns = ", ".join(f'last("{point}") AS "{point}"' for point in STATUS_COLUMNS)
        waiting = f'last("oldest_record_age_s") / 3600 AS "{WAIT}"'
        status, accounts = ((), ()) if expected else (OF_EDGES, VARIABLES)
        by_edge = 'GROUP BY "edge"'
        share = f'{_SHARE} AS "{COMPLETENESS}"'
        targets = [
            _table(_worst(status)),
            _table(_select(f"{columns}, {waiting}", GATEWAY, status, _OF_NOW, by_edge)),
            _table(_select('last("uptime_s") AS "uptime"', GATEWAY, status, "$timeFilter", by_edge)),
            _table(_select(share, COLLECTION, accounts, _DUE, by_edge)),
        ]
        if expected:
            targets.append(_literals(expected))
        largest = ["Time", CAUSE, *STATUS_COLUMNS, WAIT, COMPLETENESS]
        fields: Json = {name: {"operation": "aggregate", "aggregations": ["max"]} for name in largest}
        fields[EDGE] = {"operation": "groupby", "aggregations": []}
        fields[URGENCY] = {"operation": "aggregate", "aggregations": ["min"]}
        names = {EDGE: EDGE, "Time (max)": LAST_REPORT, f"{URGENCY} (min)": URGENCY}
        names |= {f"{name} (max)": name for name in largest if name != "Time"}
        grouped: Json = {"id": "groupBy", "options": {"fields": fields}}
        return Rows(targets, [{"id": "merge", "options": {}}, grouped, *sorted_rows(names)])

    def status(self, point: str, rank: str = "", *, lowest: bool = False) -> Json:
        del rank, lowest  # InfluxQL cannot rank series
        return _series(_status(f'last("{point}")', "$timeFilter", _over_time("null")))

    def rate(self, point: str, seconds: int) -> Json:
        rise = f'non_negative_derivative(last("{point}"), {seconds}s)'
        return _series(_status(rise, "$timeFilter", _over_time("none")))

    def completeness_over_time(self) -> Json:
        return _series(_account(_SHARE, _over_time("null")))

    def choices(self, name: str) -> str:
        before = VARIABLES[: VARIABLES.index(name)]
        chosen = "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in before)
        return (
            f'SHOW TAG VALUES FROM "{measurement_name(COLLECTION)}" WITH KEY = "{name}"'
            f" WHERE \"profile\" = '{COLLECTION}'{chosen}"
        )


def _worst(variables: Sequence[str]) -> str:
    """Code of the worst cause and urgency of each edge: of its last 150 s, which a silent edge has as 0."""
    counted = _select(
        'count("uptime_s") AS "n", last("cause_code") AS "code"',
        GATEWAY,
        variables,
        "$timeFilter AND time < now()",
        f'GROUP BY time({NOW}, now()), "edge" fill(0)',
    )
    computed = (
        f'SELECT "code" + "n" / "n" - 1 AS "{CAUSE}", 1 / "code" + 2 - 2 * "n" / "n" AS "{URGENCY}"'
        f' FROM ({counted}) GROUP BY "edge"'
    )
    columns = f'last("{CAUSE}") AS "{CAUSE}", last("{URGENCY}") AS "{URGENCY}"'
    return f'SELECT {columns} FROM ({computed}) GROUP BY "edge"'


def _literals(expected: Sequence[str]) -> Json:
    """Rows that stand in the dashboard itself: Grafana's own data source gives them back."""
    fields = [
        {"name": EDGE, "type": "string", "config": {}},
        {"name": URGENCY, "type": "number", "config": {}},
    ]
    values = [list(expected), [NEVER] * len(expected)]
    return {
        "datasource": {"type": "datasource", "uid": "grafana"}, "queryType": "snapshot",
        "snapshot": [{"schema": {"fields": fields}, "data": {"values": values}}],
    }  # fmt: skip


def _now(point: str) -> str:
    return _status(f'last("{point}") AS "last"', _OF_NOW, 'GROUP BY "edge"')


def _status(selected: str, time: str, ending: str) -> str:
    return _select(selected, GATEWAY, OF_EDGES, time, ending)


def _account(selected: str, ending: str) -> str:
    return _select(selected, COLLECTION, VARIABLES, _DUE, ending)


def _select(selected: str, profile: str, variables: Sequence[str], condition: str, ending: str) -> str:
    chosen = "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in variables)
    return (
        f'SELECT {selected} FROM "{measurement_name(profile)}"'
        f" WHERE \"profile\" = '{profile}'{chosen} AND {condition} {ending}"
    ).rstrip()


def _over_time(fill: str) -> str:
    return f'GROUP BY time($__interval), "edge" fill({fill}) SLIMIT {MAX_SERIES}'


def _number(query: str) -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": "$col"}


def _series(query: str) -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": "$tag_edge"}


def _table(query: str) -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "table", "alias": ""}
