"""Faults in a live plant fire and clear the alert rules, through vmalert, whose times are made short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.alerting.conditions import Condition, Last, Windows
from cloud.alerting.rule_file import rule_file
from cloud.alerting.rules import RULES, Rule
from cloud.audit.periodic_audit import AuditPlan, PeriodicAudit
from qilu.stores.factory import open_reader, open_store
from tests.servers import Mosquitto, VictoriaMetrics
from tests.servers.http import ask
from tests.servers.receiver import Receiver
from tests.servers.vmalert import VmAlert
from tests.system.programs import Qilu, eventually, qilu
from tests.system.road import Road

SHORT = Windows(recent=6, rise=10, share=10, audit=30, known=3600, kept=3600, hold=1 / 600, interval=1)
MACHINES = (("press-1", "tyre-curing-press", 0, 1), ("chiller-1", "chiller", 0, 2))
OFFLINE = {("QiluDeviceOffline", "edge-1", device) for device, *_ in MACHINES}
WITHIN_S = 120.0
"""Only keeps the test from hanging on a busy machine."""

Firing = set[tuple[str, str, str]]
"""Rule, edge and device of each alert."""


def with_short_limits(rule: Rule) -> Rule:
    """Limits in seconds are a thirtieth of what is delivered."""
    unless = [_short(condition) for condition in rule.unless]
    return replace(
        rule, condition=_short(rule.condition), also=[_short(each) for each in rule.also], unless=unless
    )


def _short(condition: Condition) -> Condition:
    if isinstance(condition, Last) and condition.of.point == "oldest_record_age_s":
        return replace(condition, limit=condition.limit / 30)
    return condition


class LivePlant:
    """The road with vmalert beside it."""

    def __init__(self, road: Road, store: VictoriaMetrics) -> None:
        self.road, self.store = road, store

    def firing(self) -> Firing:
        """What fires now, as vmalert wrote it into the store in the last seconds."""
        series = self.store.query(
            'last_over_time(ALERTS{alertstate="firing"}[3s])', "/api/v1/query", time=f"{time.time():.3f}"
        )
        labels = [one["metric"] for one in series]
        return {(one["alertname"], one.get("edge", ""), one.get("device", "")) for one in labels}

    async def become(self, wanted: Firing, why: str) -> None:
        """Return when exactly these alerts fire."""
        await self.until(lambda firing: firing == wanted, f"{why}: {sorted(wanted)}")

    async def until(self, met: Callable[[Firing], bool], why: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not met(firing := await asyncio.to_thread(self.firing)):
            assert time.monotonic() < deadline, f"{why}; firing: {sorted(firing)}\n{self.road.logs()}"
            await asyncio.sleep(0.3)

    async def stays(self, wanted: Firing, seconds: float) -> None:
        """For so long exactly these alerts fire."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert await asyncio.to_thread(self.firing) == wanted
            await asyncio.sleep(0.3)

    async def change_gateway(self, **changes: dict[str, Any]) -> None:
        """Other settings in these parts, and a start of the gateway with them."""
        file = self.road.folder / "gateway.yaml"
        settings = yaml.safe_load(file.read_text())
        for part, keys in changes.items():
            settings[part] |= keys
        file.write_text(yaml.safe_dump(settings))
        await restart(self.road.gateway)

    async def without_an_ingester(self, until: str) -> None:
        """Nobody takes records until the gateway has this in its log."""
        await asyncio.to_thread(self.road.ingesters[0].kill)
        await eventually(lambda: until in self.road.gateway.output(), until)
        await asyncio.to_thread(self.road.ingesters[0].start)

    def change_ingester(self, **changes: Any) -> None:
        """Other settings, and a start of the ingester with them."""
        file = self.road.ingester_file
        settings = yaml.safe_load(file.read_text()) | changes
        file.write_text(yaml.safe_dump(settings))


async def restart(program: Qilu) -> None:
    await asyncio.to_thread(program.kill)
    await asyncio.to_thread(program.start)


@pytest.mark.slow
async def test_each_fault_of_a_live_plant_fires_its_rule_and_no_other_and_its_end_clears_it(
    mosquitto: Mosquitto, victoria_metrics: VictoriaMetrics, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rule_file(RULES, "http://grafana", SHORT), encoding="utf-8")
    store = {"type": "influx", "server": "victoriametrics", "url": victoria_metrics.url}
    road = Road(
        tmp_path, {"port": mosquitto.port}, store, machines=MACHINES, gateway={"accounting_interval": "1s"}
    )
    plant = LivePlant(road, victoria_metrics)
    plant.change_ingester(
        status_interval="1s", expected_edges=["edge-1", "edge-lost"], owners={"chiller-1": "another"}
    )
    with Receiver() as receiver, VmAlert(tmp_path, rules, victoria_metrics.url, receiver.url) as _:
        async with road:
            await an_edge_that_never_reports_and_deferred_records(plant)
            await devices_offline_and_then_a_cut_link(plant)
            await no_ingester(plant)
            assert_status(plant)
            await values_that_a_store_lost(plant)
        posted = [alert for taken in receiver.taken for alert in taken.body or ()]
        assert {alert["labels"]["alertname"] for alert in posted} >= {"QiluEdgeSilent", "QiluDeviceOffline"}
        assert all(alert["annotations"]["next_step_zh"] for alert in posted)


def assert_status(plant: LivePlant) -> None:
    """What rules and dashboards need is in the store."""

    def last(metric: str) -> list[dict[str, Any]]:
        query = f"last_over_time({metric}[1m])"
        return plant.store.query(query, "/api/v1/query", time=f"{time.time():.3f}")

    numbers = {
        point: float(last(f"qilu_gateway_{point}")[0]["value"][1])
        for point in ("spool_hours_left", "disk_free_bytes", "clock_offset_s")
    }
    assert numbers["spool_hours_left"] > 0
    assert numbers["disk_free_bytes"] > 0
    assert abs(numbers["clock_offset_s"]) < 1
    texts = plant.store.query("qilu_edge_info[1h]", "/api/v1/query", time=f"{time.time():.3f}")
    assert {one["metric"]["version"] for one in texts} == {version("qilu")}
    assert any("2" in one["metric"]["sentence_zh"] for one in texts), "it has the number of devices"


async def an_edge_that_never_reports_and_deferred_records(plant: LivePlant) -> None:
    lost, deferred = ("QiluEdgeNeverReported", "edge-lost", ""), ("QiluRecordsDeferred", "edge-1", "")
    await plant.until(lambda firing: {lost, deferred} <= firing, "expected edges and owners")
    plant.change_ingester(expected_edges=["edge-1"], owners={})
    await restart(plant.road.ingesters[0])
    resend = await asyncio.to_thread(qilu, "spool", "resend", "gateway.yaml", folder=plant.road.folder)
    assert resend.returncode == 0, resend.stderr
    await plant.become(set(), "every edge is there and every record is taken")


async def devices_offline_and_then_a_cut_link(plant: LivePlant) -> None:
    """Devices are offline while the edge reports; then the edge falls silent, and their alerts stay."""
    incomplete = {("QiluCompletenessLow", "edge-1", "")}
    await asyncio.to_thread(plant.road.simulator.kill)
    await plant.become(OFFLINE | incomplete, "no device answers")
    await asyncio.to_thread(plant.road.gateway.kill)
    silent = {("QiluEdgeSilent", "edge-1", "")}
    await plant.become(OFFLINE | silent, "the edge is silent as well")
    await plant.stays(OFFLINE | silent, 3)
    await asyncio.to_thread(plant.road.simulator.start)
    await asyncio.to_thread(plant.road.gateway.start)
    await plant.become(set(), "all is well again")
    await asyncio.to_thread(plant.road.gateway.kill)
    await plant.become(silent, "a cut link is one alert")
    await asyncio.to_thread(plant.road.gateway.start)
    await plant.become(set(), "the edge reports again")


async def no_ingester(plant: LivePlant) -> None:
    await asyncio.to_thread(plant.road.ingesters[0].kill)
    await plant.become({("QiluIngesterSilent", "", "")}, "nothing fills the store")
    await plant.stays({("QiluIngesterSilent", "", "")}, 2)
    await asyncio.to_thread(plant.road.ingesters[0].start)
    await plant.become(set(), "the ingester is back")


async def values_that_a_store_lost(plant: LivePlant) -> None:
    """The store loses all values of a device; they are missing in the audit until its time is over."""
    settings = plant.road.store
    async with open_reader(settings) as reader, open_store(settings) as store:
        service = PeriodicAudit(reader, store, AuditPlan(1.0, 15.0))
        auditing = asyncio.create_task(service.run())
        path, which = "/api/v1/admin/tsdb/delete_series", '{device="press-1", profile="tyre-curing-press"}'
        reply = await asyncio.to_thread(ask, plant.store.port, "POST", path, {"match[]": which})
        assert reply.status == 204
        unexplained = ("QiluAuditUnexplained", "edge-1", "")
        await plant.until(lambda firing: unexplained in firing, "the audit finds what is missing")
        await plant.until(lambda firing: unexplained not in firing, "what is missing is not audited any more")
        auditing.cancel()


@pytest.mark.slow
async def test_a_full_spool_little_room_and_records_that_wait_fire_and_clear_their_rules(
    mosquitto: Mosquitto, victoria_metrics: VictoriaMetrics, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    short = [with_short_limits(rule) for rule in RULES]
    rules.write_text(rule_file(short, "http://grafana", SHORT), encoding="utf-8")
    store = {"type": "influx", "server": "victoriametrics", "url": victoria_metrics.url}
    road = Road(
        tmp_path,
        {"port": mosquitto.port},
        store | {"durability_delay": "2s"},
        machines=MACHINES,
        gateway={"accounting_interval": "1s"},
    )
    plant = LivePlant(road, victoria_metrics)
    plant.change_ingester(status_interval="1s")
    with Receiver() as receiver, VmAlert(tmp_path, rules, victoria_metrics.url, receiver.url) as _:
        async with road:
            await records_that_wait_and_little_room(plant)


async def records_that_wait_and_little_room(plant: LivePlant) -> None:
    """What waited for the ingester is sent on so slowly that new records overtake it."""
    dropped = ("QiluRecordsDropped", "edge-1", "")
    await plant.change_gateway(delivery={"max_backlog_rate": 100}, spool={"max_bytes": "30kB"})
    await plant.without_an_ingester("records dropped (max_bytes)")
    await plant.until(lambda firing: dropped in firing, "the spool gives records up")
    await plant.change_gateway(spool={"max_bytes": "100MB"})
    await plant.become({("QiluSpoolNearlyFull", "edge-1", "")}, "the spool has room for a few hours")
    await plant.change_gateway(spool={"max_bytes": "20GB"})
    await plant.become({("QiluRecordsWait", "edge-1", "")}, "old records wait while new ones are stored")
    await plant.change_gateway(delivery={"max_backlog_rate": None})
    await plant.become(set(), "all is sent")
