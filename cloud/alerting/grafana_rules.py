"""The rules as Grafana's own, which ask InfluxQL: a provisioning file of Grafana.

Every query has one value for each series; a reduction takes the last one, and a threshold or an expression
decides. Where a series is missing, an alert that fires keeps firing for a while, as its edge may be silent;
where no data come at all, or the store does not reply, every alert stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from cloud.alerting.conditions import Last, NoReport, Windows
from cloud.alerting.influxql import Query, listening, query
from cloud.alerting.rule_file import GROUP, notes
from cloud.alerting.rules import Rule
from qilu.contract.units import format_duration

Json = dict[str, Any]
FOLDER = "Qilu"
INTERVAL_S = 60.0
"""Seconds between two evaluations."""
_EXPRESSION = "__expr__"
_THRESHOLDS = {">": "gt", "<": "lt"}
_NUMBERS = {"share": "{{ humanizePercentage $values.VALUE.Value }}"}
_FIELDS = {"edge": "{{ $labels.edge }}", "device": "{{ $labels.device }}"}
VALUE = "VALUE"
"""The reduction whose number stands in the texts."""
CONDITION = "CONDITION"


def provisioning(rules: Sequence[Rule], retired: Sequence[str], datasource: str, grafana: str) -> str:
    """The file: rules that ask `datasource` (its uid), and the uids that no longer exist."""
    document: Json = {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1, "name": GROUP, "folder": FOLDER, "interval": format_duration(INTERVAL_S),
                "rules": [rule_json(rule, datasource, grafana) for rule in rules],
            }
        ],
    }  # fmt: skip
    if retired:
        document["deleteRules"] = [{"orgId": 1, "uid": uid} for uid in retired]
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=200)
    return "# Made by `qilu grafana rules --store influx`.\n" + text


def rule_json(rule: Rule, datasource: str, grafana: str, windows: Windows | None = None) -> Json:
    windows = windows or Windows()
    value = _NUMBERS.get(rule.number) or f'{{{{ printf "{rule.number}" $values.{VALUE}.Value }}}}'
    document: Json = {
        "uid": rule.uid,
        "title": rule.name,
        "condition": CONDITION,
        "data": list(_data(rule, datasource, windows)),
        "for": format_duration(rule.hold_s) if rule.hold_s else "0s",
        "noDataState": "KeepLast",
        "execErrState": "KeepLast",
        "annotations": notes(rule, grafana, "influx", {**_FIELDS, "value": value}),
        "labels": {"severity": rule.severity, "origin": "qilu"},
    }
    if isinstance(rule.condition, Last) and rule.condition.is_kept:
        document["missing_series_evals_to_resolve"] = round(windows.kept / INTERVAL_S)
    return document


def _data(rule: Rule, datasource: str, windows: Windows) -> Iterator[Json]:
    own = query(rule.condition, windows)
    further = [(query(other, windows), False) for other in rule.also]
    further += [(query(other, windows), True) for other in rule.unless]
    if isinstance(rule.condition, NoReport) and rule.condition.listener is not None:
        further.append((listening(rule.condition.listener, windows), False))
    yield from _asked("QUERY", VALUE, own, datasource, windows)
    tests = [f"${VALUE} {own.comparison} {own.limit:g}"]
    for number, (other, negated) in enumerate(further, 1):
        yield from _asked(f"QUERY_{number}", f"OTHER_{number}", other, datasource, windows)
        test = f"${{OTHER_{number}}} {other.comparison} {other.limit:g}"
        tests.append(f"!({test})" if negated else f"({test})")
    if not further and own.comparison in _THRESHOLDS:
        evaluator = {"type": _THRESHOLDS[own.comparison], "params": [own.limit]}
        yield _computed(CONDITION, type="threshold", expression=VALUE, conditions=[{"evaluator": evaluator}])
    else:
        yield _computed(CONDITION, type="math", expression=" && ".join(tests))


def _asked(name: str, reduced: str, asked: Query, datasource: str, windows: Windows) -> Iterator[Json]:
    model = {
        "refId": name, "datasource": {"type": "influxdb", "uid": datasource}, "query": asked.text,
        "rawQuery": True, "resultFormat": "time_series", "intervalMs": 1000, "maxDataPoints": 43_200,
    }  # fmt: skip
    yield {
        "refId": name,
        "relativeTimeRange": {"from": round(windows.share), "to": 0},
        "datasourceUid": datasource,
        "model": model,
    }
    yield _computed(reduced, type="reduce", expression=name, reducer="last", settings={"mode": "dropNN"})


def _computed(name: str, **model: object) -> Json:
    return {
        "refId": name,
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": _EXPRESSION,
        "model": {"refId": name, "datasource": {"type": _EXPRESSION, "uid": _EXPRESSION}, **model},
    }
