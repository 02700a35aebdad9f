"""Each alert rule fires and clears in vmalert, over an hour of reports with one fault each."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.alerting.rules import rule_file, rules
from gateway.health import POINTS
from qilu.contract.accounting import COLLECTION, COUNTS, COUNTS_POINTS, GATEWAY
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from qilu_cli.commands.grafana import write_rules
from tests.servers import VictoriaMetrics
from tests.servers.programs import require

MINUTES = 150
BEGIN, END = 30, 90
"""Minutes of the fault; before and after it all is well."""
EVERY_S = 30

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """What an edge reports while something is wrong with it; None: nothing at all."""

    rule: str
    status: Callable[[int], Values | None] = lambda _: {}
    account: Callable[[int], Values | None] = lambda _: {}


FAULTS = {
    "edge-silent": Fault("QiluEdgeSilent", lambda _: None, lambda _: None),
    "edge-offline-device": Fault("QiluDeviceOffline", account=lambda _: {"offline_s": 60.0}),
    "edge-incomplete": Fault("QiluCompletenessLow", account=lambda _: {"good": 40.0, "no_reply": 20.0}),
    "edge-dropping": Fault("QiluRecordsDropped", lambda second: {"dropped_records": second}),
    "edge-rejected": Fault("QiluRecordsRejected", lambda second: {"rejected_records": second}),
    "edge-deferred": Fault("QiluRecordsDeferred", lambda _: {"deferred_records": 7}),
    "edge-late": Fault("QiluRecordsWait", lambda second: {"oldest_record_age_s": 700 + second}),
    "edge-clock": Fault("QiluClockUncertain", lambda _: {"clock_known": 0}),
    "edge-well": Fault(""),
}


def reports(edge: str, fault: Fault, start_ms: int) -> Iterator[Poll]:
    """The status and the accounts of one edge; a counter that rose stays where it is."""
    status = dict.fromkeys(POINTS, 0.0) | {"clock_known": 1.0, "broker_connected": 1.0}
    for second in range(0, MINUTES * 60, EVERY_S):
        faulty = BEGIN * 60 <= second < END * 60
        time_ms = start_ms + second * 1000
        changes = fault.status(second) if faulty else {}
        if changes is not None:
            if any(point.endswith("ed_records") and point != "deferred_records" for point in changes):
                status |= changes
            values = tuple((status | {"uptime_s": second} | dict(changes))[point] for point in POINTS)
            yield _poll(Origin(edge, edge, GATEWAY), "status", tuple(POINTS), values, time_ms)
        account = fault.account(second) if faulty else {}
        if account is not None and second % 60 == 0:
            counts = dict.fromkeys(COUNTS_POINTS, 0.0) | {"span_ms": 60_000.0, "expected": 60.0, "good": 60.0}
            counts |= account
            values = tuple(counts[point] for point in COUNTS_POINTS)
            yield _poll(Origin(edge, "press-1", COLLECTION), COUNTS, COUNTS_POINTS, values, time_ms)


def _poll(
    origin: Origin, group: str, points: tuple[str, ...], values: tuple[float, ...], time_ms: int
) -> Poll:
    return Poll(time_ms, (Reading(BlockSchema(origin, group, points), time_ms, values),))


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[float]]:
    """(rule, edge) -> minutes at which vmalert had the alert firing."""
    folder = tmp_path_factory.mktemp("alerts")
    start_ms = (time.time_ns() // 60_000_000_000 - MINUTES) * 60_000
    (folder / "rules.yaml").write_text(rule_file(rules()), encoding="utf-8")
    with VictoriaMetrics(folder) as server:
        asyncio.run(_fill(server, start_ms))
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
        found: dict[tuple[str, str], list[float]] = {}
        for series in server.export('{__name__="ALERTS", alertstate="firing"}'):
            name = series["metric"]["alertname"], series["metric"]["edge"]
            found[name] = sorted((stamp - start_ms) / 60_000 for stamp in series["timestamps"])
        return found


async def _fill(server: VictoriaMetrics, start_ms: int) -> None:
    settings = InfluxSettings(type="influx", server="victoriametrics", url=server.url)
    polls = [poll for edge, fault in FAULTS.items() for poll in reports(edge, fault, start_ms)]
    async with InfluxStore(settings) as store:
        for start in range(0, len(polls), 500):
            assert await store.write(polls[start : start + 500]) == {}


def _iso(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms / 1000))


def test_every_rule_has_a_fault_here() -> None:
    assert {fault.rule for fault in FAULTS.values()} - {""} == {rule.name for rule in rules()}


@pytest.mark.parametrize("edge", [edge for edge, fault in FAULTS.items() if fault.rule])
def test_a_rule_fires_in_its_fault_and_clears_after_it(
    fired: dict[tuple[str, str], list[float]], edge: str
) -> None:
    minutes = fired[FAULTS[edge].rule, edge]
    hold = next(rule.hold_s for rule in rules() if rule.name == FAULTS[edge].rule) / 60
    late = 65 if edge == "edge-incomplete" else 15  # an hour's mean, or ten minutes of a counter's rise
    assert BEGIN + hold <= minutes[0] <= BEGIN + hold + 5
    assert minutes[-1] <= END + late < MINUTES + 10
    assert minutes[-1] >= END - 5


def test_one_fault_is_one_alert_and_an_edge_that_is_well_has_none(
    fired: dict[tuple[str, str], list[float]],
) -> None:
    assert set(fired) == {(fault.rule, edge) for edge, fault in FAULTS.items() if fault.rule}


def test_each_rule_says_in_both_languages_what_happened_and_what_to_do(tmp_path: Path) -> None:
    for rule in rules():
        for label in (rule.summary, rule.next_step):
            assert label.zh
            assert label.en
        assert "$labels.edge" in rule.summary.zh
        assert "$labels.edge" in rule.summary.en
    write_rules(tmp_path / "new" / "rules.yaml")
    assert (tmp_path / "new" / "rules.yaml").read_text(encoding="utf-8") == rule_file(rules())
