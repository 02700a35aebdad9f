"""Grafana's own rules: their form, and their queries on a real InfluxDB 1 with a small evaluator behind.

Grafana itself is not run. The evaluator does what its reductions, thresholds and expressions do with numbers
by labels: a value without labels goes with every other one, and what has no partner is left out.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from cloud.alerting.grafana_rules import CONDITION, INTERVAL_S, provisioning, rule_json
from cloud.alerting.rules import RULES
from qilu.contract.reading import Poll
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.cloud.alerting.faults import (
    BEGIN,
    END,
    FAULTS,
    GRAFANA,
    LATE,
    MINUTES,
    OF_THE_INGESTER,
    ingester_reports,
    is_faulty,
    reports,
)
from tests.servers import Influxdb1

Json = dict[str, Any]
Labels = tuple[tuple[str, str], ...]
Numbers = Mapping[Labels, float]
SOURCE = "qilu-influxdb2"
BEFORE, DURING, AFTER = BEGIN - 5, END - 1, END + 45
"""Minutes at which the rules are evaluated."""
RULE_KEYS = {
    "uid", "title", "condition", "data", "dashboardUid", "panelId", "noDataState", "execErrState", "for",
    "keepFiringFor", "missing_series_evals_to_resolve", "annotations", "labels", "isPaused",
    "notification_settings",
}  # fmt: skip
"""What Grafana's provisioning of alert rules knows (apiVersion 1)."""
QUERY_KEYS = {"refId", "queryType", "relativeTimeRange", "datasourceUid", "model"}


class Store:
    """An InfluxDB 1 with reports, asked as Grafana asks it at one minute of them."""

    def __init__(self, server: Influxdb1, start_ms: int) -> None:
        self.server, self.start_ms = server, start_ms

    async def fill(self, polls: list[Poll]) -> None:
        server = self.server
        settings = InfluxSettings(type="influx", server="influxdb1", url=server.url, database=server.database)
        async with InfluxStore(settings) as store:
            for start in range(0, len(polls), 500):
                assert await store.write(polls[start : start + 500]) == {}

    def firing(self, rule: Json, minute: float) -> set[str]:
        """The edges (or what else the label has) for which the condition is met, `for` apart."""
        known: dict[str, Numbers] = {}
        for part in rule["data"]:
            known[part["refId"]] = self._evaluated(part["model"], known, minute)
        return {dict(labels).get("edge", "") for labels, value in known[CONDITION].items() if value}

    def _evaluated(self, model: Json, known: Mapping[str, Numbers], minute: float) -> Numbers:
        match model.get("type"):
            case None:
                return self._asked(model["query"], minute)
            case "reduce":
                assert (model["reducer"], model["settings"]) == ("last", {"mode": "dropNN"})
                return known[model["expression"]]
            case "threshold":
                (condition,) = model["conditions"]
                (limit,) = condition["evaluator"]["params"]
                above = condition["evaluator"]["type"] == "gt"
                return {
                    labels: float(value > limit if above else value < limit)
                    for labels, value in known[model["expression"]].items()
                }
            case "math":
                return _calculated(model["expression"], known)
            case other:
                raise AssertionError(other)

    def _asked(self, query: str, minute: float) -> Numbers:
        now_ms = self.start_ms + round(minute * 60_000)
        text = re.sub(r"now\(\) - (\d+)ms", lambda ago: f"{now_ms - int(ago[1])}ms", query)
        text = re.sub(r"(time > \d+ms)", rf"\1 AND time <= {now_ms}ms", text)
        found: dict[Labels, float] = {}
        for series in self.server.query(text):
            values = [value for _, value in series["values"] if value is not None]
            assert series["columns"][1:] == ["value"]
            if values:
                labels = tuple(sorted(series.get("tags", {}).items()))
                assert labels not in found
                found[labels] = values[-1]
        return found


def _calculated(expression: str, known: Mapping[str, Numbers]) -> Numbers:
    """`$A < 1 && !(${B} > 0)` for each combination of labels that all of them have."""
    names = re.findall(r"\$\{?(\w+)\}?", expression)
    program = re.sub(r"\$\{?(\w+)\}?", r"\1", expression).replace("&&", "and").replace("!(", "not (")
    assert re.fullmatch(r"[\w\s.()<>=]+", program)
    found: dict[Labels, float] = {}
    for labels in {labels for name in names for labels in known[name]}:
        values = {name: known[name].get(labels, known[name].get(())) for name in names}
        if None not in values.values():
            found[labels] = float(eval(program, {"__builtins__": {}}, values))  # noqa: S307 - made by us
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    start_ms = (time.time_ns() // 60_000_000_000 - MINUTES) * 60_000
    with Influxdb1(tmp_path_factory.mktemp("faults")) as server:
        filled = Store(server, start_ms)
        polls = [poll for edge, fault in FAULTS.items() for poll in reports(edge, fault, start_ms)]
        asyncio.run(filled.fill([*polls, *ingester_reports(start_ms)]))
        yield filled


def made(name: str) -> Json:
    return rule_json(next(rule for rule in RULES if rule.name == name), SOURCE, GRAFANA)


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.name != "QiluIngesterSilent"])
def test_a_rule_is_met_in_its_fault_for_its_edge_alone(store: Store, rule: str) -> None:
    edges = {edge for edge, fault in FAULTS.items() if fault.rule == rule}
    wanted = edges | {name for named, name in OF_THE_INGESTER if named == rule}
    assert store.firing(made(rule), BEFORE) == set()
    assert store.firing(made(rule), DURING) == wanted
    later = max((LATE.get(edge, 0) for edge in edges), default=0)
    assert store.firing(made(rule), AFTER) == (wanted if later else set())


def test_without_an_ingester_no_edge_is_called_silent(tmp_path_factory: pytest.TempPathFactory) -> None:
    start_ms = (time.time_ns() // 60_000_000_000 - MINUTES) * 60_000
    polls = [poll for edge in ("edge-1", "edge-2") for poll in reports(edge, FAULTS["edge-well"], start_ms)]
    polls += ingester_reports(start_ms, faulty=False)
    with Influxdb1(tmp_path_factory.mktemp("ingester")) as server:
        filled = Store(server, start_ms)
        asyncio.run(filled.fill([poll for poll in polls if not is_faulty((poll.due_ms - start_ms) // 1000)]))
        found = {rule.name: filled.firing(made(rule.name), DURING) for rule in RULES}
        assert {name for name, edges in found.items() if edges} == {"QiluIngesterSilent"}
        assert not filled.firing(made("QiluIngesterSilent"), AFTER)


def test_an_edge_that_is_silent_has_no_other_new_alert(store: Store) -> None:
    for rule in RULES:
        assert ("edge-silent" in store.firing(made(rule.name), DURING)) == (rule.name == "QiluEdgeSilent")


def test_the_file_has_what_grafana_reads_and_nothing_else() -> None:
    document = yaml.safe_load(provisioning(RULES, ("qilu-rule-former",), SOURCE, GRAFANA))
    assert set(document) == {"apiVersion", "groups", "deleteRules"}
    assert document["deleteRules"] == [{"orgId": 1, "uid": "qilu-rule-former"}]
    (group,) = document["groups"]
    assert set(group) == {"orgId", "name", "folder", "interval", "rules"}
    for rule in group["rules"]:
        assert set(rule) <= RULE_KEYS
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", rule["uid"])
        assert rule["noDataState"] in {"NoData", "Alerting", "OK", "KeepLast"}
        assert rule["execErrState"] in {"Error", "Alerting", "OK", "KeepLast"}
        assert rule["condition"] in {part["refId"] for part in rule["data"]}
        assert all("${" not in text for text in rule["annotations"].values()), "Grafana expands these"
        for part in rule["data"]:
            assert set(part) <= QUERY_KEYS
            assert part["model"]["refId"] == part["refId"]
            assert part["datasourceUid"] == part["model"]["datasource"]["uid"]


def test_absence_of_data_keeps_an_alert_of_an_edge_firing_for_a_day() -> None:
    for rule in RULES:
        text = rule_json(rule, SOURCE, GRAFANA)
        assert (text["noDataState"], text["execErrState"]) == ("KeepLast", "KeepLast")
    evaluations = made("QiluDeviceOffline")["missing_series_evals_to_resolve"]
    assert evaluations * INTERVAL_S >= 86_400
