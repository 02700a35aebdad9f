"""Each alert rule fires and clears in vmalert, over an hour of reports with one fault each."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from cloud.alerting.rule_file import rule_file
from cloud.alerting.rules import RULES
from qilu.contract.reading import Poll
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from qilu_cli.commands.grafana import RuleOptions, write_rules
from tests.cloud.alerting.faults import (
    BEGIN,
    END,
    FAULTS,
    GRAFANA,
    LATE,
    MINUTES,
    OF_THE_INGESTER,
    Fault,
    ingester_reports,
    is_faulty,
    reports,
)
from tests.servers import VictoriaMetrics
from tests.servers.programs import require

Fired = dict[tuple[str, str], list[float]]
"""(rule, edge) -> minutes at which vmalert had the alert firing."""


def replayed(folder: Path, polls: list[Poll], start_ms: int) -> Fired:
    (folder / "rules.yaml").write_text(rule_file(RULES, GRAFANA), encoding="utf-8")
    with VictoriaMetrics(folder) as server:
        asyncio.run(_fill(server, polls))
        server.flush()
        done = subprocess.run(
            [
                require("vmalert"), f"-rule={folder / 'rules.yaml'}", f"-datasource.url={server.url}",
                f"-remoteWrite.url={server.url}", f"-replay.timeFrom={_iso(start_ms)}",
                f"-replay.timeTo={_iso(start_ms + MINUTES * 60_000)}", "-replay.rulesDelay=0s",
                "-datasource.queryStep=30s", "-replay.disableProgressBar",
            ],
            check=False, timeout=90, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found: Fired = {}
        for series in server.export('{__name__="ALERTS", alertstate="firing"}'):
            name = series["metric"]["alertname"], series["metric"].get("edge", "")
            found[name] = sorted((stamp - start_ms) / 60_000 for stamp in series["timestamps"])
        return found


async def _fill(server: VictoriaMetrics, polls: list[Poll]) -> None:
    settings = InfluxSettings(type="influx", server="victoriametrics", url=server.url)
    async with InfluxStore(settings) as store:
        for start in range(0, len(polls), 500):
            assert await store.write(polls[start : start + 500]) == {}


def _iso(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms / 1000))


def _start_ms() -> int:
    return (time.time_ns() // 60_000_000_000 - MINUTES) * 60_000


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> Fired:
    start_ms = _start_ms()
    polls = [poll for edge, fault in FAULTS.items() for poll in reports(edge, fault, start_ms)]
    return replayed(tmp_path_factory.mktemp("faults"), [*polls, *ingester_reports(start_ms)], start_ms)


@pytest.fixture(scope="module")
def fired_without_an_ingester(tmp_path_factory: pytest.TempPathFactory) -> Fired:
    """No ingester fills the store in the time of the faults, so that nothing of an edge gets there either."""
    start_ms = _start_ms()
    polls = [poll for edge in ("edge-1", "edge-2") for poll in reports(edge, Fault(""), start_ms)]
    polls += ingester_reports(start_ms, faulty=False)
    polls = [poll for poll in polls if not is_faulty((poll.due_ms - start_ms) // 1000)]
    return replayed(tmp_path_factory.mktemp("ingester"), polls, start_ms)


def test_every_rule_has_a_fault_here() -> None:
    named = {fault.rule for fault in FAULTS.values()} | {rule for rule, _ in OF_THE_INGESTER}
    assert named - {""} | {"QiluIngesterSilent"} == {rule.name for rule in RULES}


@pytest.mark.parametrize("edge", [edge for edge, fault in FAULTS.items() if fault.rule])
def test_a_rule_fires_in_its_fault_and_clears_after_it(fired: Fired, edge: str) -> None:
    _fires_in_time(fired, FAULTS[edge].rule, edge, LATE.get(edge, 15))


def test_the_rules_of_an_ingester_fire_and_clear(fired: Fired) -> None:
    for rule, name in OF_THE_INGESTER:
        _fires_in_time(fired, rule, name, 15)


def _fires_in_time(fired: Fired, rule: str, name: str, late: float) -> None:
    minutes = fired[rule, name]
    hold = next(each.hold_s for each in RULES if each.name == rule) / 60
    assert BEGIN + hold <= minutes[0] <= BEGIN + hold + 5
    assert minutes[-1] <= END + late < MINUTES + 10
    assert minutes[-1] >= END - 5


def test_one_fault_is_one_alert_and_an_edge_that_is_well_has_none(fired: Fired) -> None:
    edges = {(fault.rule, edge) for edge, fault in FAULTS.items() if fault.rule}
    assert set(fired) == edges | OF_THE_INGESTER


def test_without_an_ingester_that_is_the_only_alert(fired_without_an_ingester: Fired) -> None:
    assert set(fired_without_an_ingester) == {("QiluIngesterSilent", "")}
    _fires_in_time(fired_without_an_ingester, "QiluIngesterSilent", "", 5)


def test_each_rule_says_in_both_languages_what_happened_and_what_to_do(tmp_path: Path) -> None:
    for rule in RULES:
        for label in (rule.summary, rule.next_step):
            assert label.zh
            assert label.en
        assert ("{edge}" in rule.summary.zh) == ("{edge}" in rule.summary.en) == bool(rule.condition.by)
    write_rules(tmp_path / "new" / "rules.yaml", RuleOptions(grafana=GRAFANA))
    assert (tmp_path / "new" / "rules.yaml").read_text(encoding="utf-8") == rule_file(RULES, GRAFANA)
