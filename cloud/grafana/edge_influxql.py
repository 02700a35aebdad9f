"""What the panels about many edges ask in InfluxQL.

InfluxQL divides by 0 to 0: so x / x is 1 for every x but 0, and 1 / code is 0 for the code of no cause.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud.grafana.accounts import OF_EDGES, influxql_from
from cloud.grafana.edge_queries import (
    CAUSE,
    COMPLETENESS,
    EDGE,
    EXPECTED_AGE,
    LAST_REPORT,
    MAX_SERIES,
    NEVER,
    NOW,
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
    sorted_rows,
)
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.accounting import AUDIT, COLLECTION, EDGE_INFO, FLEET, GATEWAY
from qilu.contract.edge_info import SETTINGS, VERSION
from qilu.contract.store_names import measurement_name

_OF_NOW = f"time > now() - {NOW}"
_DIFFER = (VERSION_DIFFERS, SETTINGS_DIFFER)
_SHARE = 'sum("good") / sum("expected")'


class EdgeInfluxql:
    """InfluxDB 1, 2 and 3 behind Grafana's InfluxDB data source."""

    source = "influxdb"

    def reporting(self, name: str = "") -> Json:
        return _number(f'SELECT count("last") FROM ({_now("uptime_s")})', name)

    def expected(self, name: str = "") -> Json:
        return _number(f'SELECT sum("last") FROM ({_expected(1, "last")})', name)

    def total(self, point: str, name: str = "", window: str = NOW) -> Json:
        last = _status(f'last("{point}") AS "last"', _since(window), 'GROUP BY "edge"')
        return _number(f'SELECT sum("last") FROM ({last})', name)

    def answering(self, name: str = "") -> Json:
        last = _status('last("devices") - last("offline_devices") AS "last"', _OF_NOW, 'GROUP BY "edge"')
        return _number(f'SELECT sum("last") FROM ({last})', name)

    def short_of_room(self, hours: float) -> Json:
        times = f'floor({hours:g} / ("last" + 0.001))'  # 0 where there is room for more hours
        short = f'SELECT {times} / {times} AS "short" FROM ({_now("spool_hours_left")}) GROUP BY "edge"'
        return _number(f'SELECT sum("short") FROM ({short})')

    def completeness(self) -> Json:
        return _number(_account(_SHARE, ""))

    def values_per_s(self) -> Json:
        rise = _status('non_negative_difference("points") AS "rise"', "time > now() - 5m", 'GROUP BY "edge"')
        return _number(f'SELECT sum("rise") / 300 FROM ({rise})')

    def rows(self, sentence: str) -> Rows:
        columns = ", ".join(f'last("{point}") AS "{point}"' for point in STATUS_COLUMNS)
        waiting = f'last("oldest_record_age_s") / 3600 AS "{WAIT}"'
        by_edge = 'GROUP BY "edge"'
        share = f'{_SHARE} AS "{COMPLETENESS}"'
        texts = ", ".join(f'last("{text}__text") AS "{text}"' for text in (VERSION, SETTINGS, sentence))
        differing = ", ".join(f'last("{flag}") AS "{flag}"' for flag in _DIFFER)
        of_texts, of_audits = f"time > now() - {TEXTS_AGE}", ("edge",)
        targets = [
            _table(_worst(OF_EDGES)),
            _table(_status(f"{columns}, {waiting}", _OF_NOW, by_edge)),
            _table(_status('last("uptime_s") AS "uptime"', "$timeFilter", by_edge)),
            _table(_account(share, by_edge)),
            _timeless(
                _select(texts, EDGE_INFO, OF_EDGES, of_texts, f'{by_edge}, "{SITE}"'),
                (VERSION, SETTINGS, sentence),
                f'{by_edge}, "{SITE}"',
            ),
            _timeless(_select(differing, AUDIT, of_audits, of_texts, by_edge), _DIFFER, by_edge),
            _table(f'SELECT mean("{URGENCY}") AS "{URGENCY}" FROM ({_expected(NEVER, URGENCY)}) {by_edge}'),
        ]
        largest = ["Time", CAUSE, *STATUS_COLUMNS, WAIT, COMPLETENESS, *_DIFFER]
        fields: Json = {name: {"operation": "aggregate", "aggregations": ["max"]} for name in largest}
        fields[EDGE] = {"operation": "groupby", "aggregations": []}
        fields[URGENCY] = {"operation": "aggregate", "aggregations": ["min"]}
        last = (SITE, VERSION, SETTINGS, sentence)
        fields |= {name: {"operation": "aggregate", "aggregations": ["lastNotNull"]} for name in last}
        names = {EDGE: EDGE, "Time (max)": LAST_REPORT, f"{URGENCY} (min)": URGENCY}
        names |= {f"{name} (max)": name for name in largest if name != "Time"}
        names |= {f"{name} (lastNotNull)": name for name in last}
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

    def distinct(self, of: Source, tag: str, window: str = SHOWN_TIME) -> Json:
        time = f"{_since(window)} AND \"{tag}\" != ''"
        last = _select(f'last("{of.point}") AS "last"', of.profile, of.variables, time, f'GROUP BY "{tag}"')
        return _number(f'SELECT count("last") FROM ({last})')

    def total_rate(self, of: Source) -> Json:
        every = "time($__interval)"
        rise = f'non_negative_derivative(last("{of.point}"), 1s) AS "rise"'
        rates = _select(rise, of.profile, of.variables, "$timeFilter", f'GROUP BY {every}, "edge" fill(none)')
        return _number(
            f'SELECT sum("rise") AS "rate" FROM ({rates}) WHERE $timeFilter GROUP BY {every} fill(null)'
        )

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


def _timeless(query: str, columns: Sequence[str], by: str) -> Json:
    """The same with the time 0: else it would be taken for that of a report."""
    selected = ", ".join(f'last("{column}") AS "{column}"' for column in columns)
    return _table(f"SELECT {selected} FROM ({query}) {by}")


def _expected(times: int, name: str) -> str:
    """A number for each edge that should report; it has no place, so that none is expected where one is
    chosen."""
    selected = f'last("expected") * {times} AS "{name}"'
    return _select(selected, FLEET, OF_EDGES, f"time > now() - {EXPECTED_AGE}", 'GROUP BY "edge"')


def _since(window: str) -> str:
    return "$timeFilter" if window == SHOWN_TIME else f"time > now() - {window}"


def _now(point: str) -> str:
    return _status(f'last("{point}") AS "last"', _OF_NOW, 'GROUP BY "edge"')


def _status(selected: str, time: str, ending: str) -> str:
    return _select(selected, GATEWAY, OF_EDGES, time, ending)


def _account(selected: str, ending: str) -> str:
    return f"SELECT {selected} {influxql_from()} {ending}".rstrip()


def _select(selected: str, profile: str, variables: Sequence[str], condition: str, ending: str) -> str:
    chosen = "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in variables)
    return (
        f'SELECT {selected} FROM "{measurement_name(profile)}"'
        f" WHERE \"profile\" = '{profile}'{chosen} AND {condition} {ending}"
    ).rstrip()


def _over_time(fill: str) -> str:
    return f'GROUP BY time($__interval), "edge" fill({fill}) SLIMIT {MAX_SERIES}'


def _number(query: str, name: str = "") -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": name or "$col"}


def _series(query: str) -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": "$tag_edge"}


def _table(query: str) -> Json:
    return {"query": query, "rawQuery": True, "resultFormat": "table", "alias": ""}
