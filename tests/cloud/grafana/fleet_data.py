"""Half an hour of reports of four edges in real stores, and what a dashboard's queries return of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.grafana.queries import VARIABLES, Json
from gateway.accounting.edge_account import EdgeAccount, origin_of
from gateway.health import POINTS
from qilu.contract.accounting import (
    COLLECTION,
    COUNTS,
    COUNTS_POINTS,
    EDGE_COUNTS_POINTS,
    EDGE_INFO,
    GATEWAY,
    SCHEDULE,
    SCHEDULE_POINTS,
)
from qilu.contract.cloud_reports import INGESTER_POINTS, comparison_columns, fleet_columns, ingester_columns
from qilu.contract.edge_info import GROUP
from qilu.contract.edge_info import POINTS as INFO_POINTS
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Value
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.servers import Influxdb1, VictoriaMetrics
from tests.servers.http import ask

SECONDS = 1800
EVERY_S = 10
SILENT_S = 600
"""Seconds since the last report of the edge that is silent."""
CAUSES = {"edge-well": 0, "edge-late": 6, "edge-part": 13, "edge-silent": 0}
"""Edge -> number of its worst cause."""
NEVER = "edge-never"
DEVICES = ("press-1", "press-2")
OFFLINE = 1
"""Devices of edge-part that are offline: half of its values are missing."""
VALUES_PER_S = 6.0
INGESTER = "ingester:9100"


USUAL = {"version": "1.2.3", "settings": "0123abcd"}
"""What most edges report of themselves."""
ODD = "edge-part"
"""The edge with another version."""
STORED_PER_S = 24.0
SHORT_OF_ROOM = "edge-late"


def texts(edge: str, time_ms: int) -> Iterator[Poll]:
    """What an edge reports of itself in texts, and what an audit finds of them; of two reports the newer
    counts."""
    for ago_ms, version in ((60_000, "1.0.0"), (0, "1.2.2" if edge == ODD else USUAL["version"])):
        told = version, USUAL["settings"], f"{edge} is as it is", f"{edge} 的情况"
        origin = Origin(edge, edge, EDGE_INFO, "works", "north")
        yield _poll(origin, GROUP, dict(zip(INFO_POINTS, told, strict=True)), time_ms - ago_ms)
    columns, values = comparison_columns(edge), (float(edge == ODD), 0.0)
    yield Poll(time_ms, (Reading(columns, time_ms, values),))


def reports(end_ms: int) -> Iterator[Poll]:
    """The status of every edge each 10 s and the accounts of its devices each minute."""
    for second in range(0, SECONDS + 1, EVERY_S):
        values = dict.fromkeys(INGESTER_POINTS, 0.0) | {"values": STORED_PER_S * second}
        columns, time_ms = ingester_columns("ingester-1"), end_ms - (SECONDS - second) * 1000
        yield Poll(time_ms, (Reading(columns, time_ms, tuple(values.values())),))
    for edge in (*CAUSES, NEVER):
        yield Poll(end_ms, (Reading(fleet_columns(edge), end_ms, (1,)),))
    for edge, cause in CAUSES.items():
        yield from texts(edge, end_ms - SECONDS * 1000)
        for device in DEVICES:
            origin = Origin(edge, device, COLLECTION, "works", "north", "curing")
            schedule = dict.fromkeys(SCHEDULE_POINTS, 60.0)
            yield _poll(origin, SCHEDULE, schedule, end_ms - SECONDS * 1000)
        last = SECONDS - SILENT_S if edge == "edge-silent" else SECONDS
        for second in range(0, last + 1, EVERY_S):
            time_ms = end_ms - (SECONDS - second) * 1000
            yield _poll(
                Origin(edge, edge, GATEWAY, "works", "north"), "status", status(edge, cause, second), time_ms
            )
            if second % 60 == 0:
                yield from accounts(edge, time_ms)


def status(edge: str, cause: int, second: int) -> Mapping[str, float]:
    """All points of the status."""
    offline = OFFLINE if edge == "edge-part" else 0
    counters = dict.fromkeys(("timeouts", "skipped_polls", "reconnects", "resent_records"), second / 10)
    return dict.fromkeys(POINTS, 0.0) | counters | {
        "uptime_s": second, "points": VALUES_PER_S * second, "durable_records": float(second), "devices": 2,
        "offline_devices": offline, "clock_known": 1, "broker_connected": float(cause != 6),
        "cause_code": cause, "causes": float(cause > 0), "spool_bytes": 4096, "disk_free_bytes": 10**9,
        "spool_hours_left": 7.5 if edge == SHORT_OF_ROOM else 700.0, "clock_offset_s": 0.25,
        "oldest_record_age_s": 7200 if cause == 6 else 0,
    }  # fmt: skip


def accounts(edge: str, time_ms: int) -> Iterator[Poll]:
    """Of a minute: those of the devices of an edge, and their sum."""
    total = EdgeAccount()
    for device in DEVICES:
        origin = Origin(edge, device, COLLECTION, "works", "north", "curing")
        poll = _poll(origin, COUNTS, account(edge, device), time_ms)
        total.add(poll)
        yield poll
    own = origin_of(Origin(edge, edge, GATEWAY, "works", "north"))
    yield _poll(own, COUNTS, dict(zip(EDGE_COUNTS_POINTS, total.take(), strict=True)), time_ms)


def account(edge: str, device: str) -> Mapping[str, float]:
    """Counts of a minute."""
    good = 0 if (edge, device) == ("edge-part", DEVICES[0]) else 60
    counts = {"span_ms": 60_000, "expected": 60, "good": good, "no_reply": 60 - good}
    return dict.fromkeys(COUNTS_POINTS, 0.0) | counts | {"offline_s": float(60 - good)}


def _poll(origin: Origin, group: str, values: Mapping[str, Value], time_ms: int) -> Poll:
    columns = BlockSchema(origin, group, tuple(values))
    return Poll(time_ms, (Reading(columns, time_ms, tuple(values.values())),))


def recent_end_ms() -> int:
    """The last full second a minute ago: VictoriaMetrics answers a query for its last second with the
    values of the second before."""
    return (time.time_ns() // 10**9 - 60) * 1000


TEXT_COLUMNS = ("site", "version", "settings", "sentence_en", "sentence_zh")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Both stores with the reports."""

    influxdb1: Influxdb1
    victoria_metrics: VictoriaMetrics
    end_ms: int

    async def fill(self, polls: Sequence[Poll]) -> None:
        """Through our own writer, as an ingester does it."""
        influxdb1 = self.influxdb1
        for settings in (
            InfluxSettings(type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database),
            InfluxSettings(type="influx", server="victoriametrics", url=self.victoria_metrics.url),
        ):
            async with InfluxStore(settings) as store:
                for start in range(0, len(polls), 500):
                    assert await store.write(polls[start : start + 500]) == {}
        await asyncio.to_thread(self.victoria_metrics.flush)

    def scrape(self, lines: Mapping[int, bytes]) -> None:
        """Time (ms) -> the metrics of an ingester at this time, as Prometheus stores them."""
        for time_ms, page in lines.items():
            wanted = {"timestamp": str(time_ms), "extra_label": f"instance={INGESTER}"}
            path = "/api/v1/import/prometheus"
            assert ask(self.victoria_metrics.port, "POST", path, wanted, page).status == 204
        self.victoria_metrics.flush()

    def series(self, panel: Json, **chosen: str) -> dict[str, list[float]]:
        """Name of a series -> its values, the targets together; "" for the only one of a number."""
        found: dict[str, list[float]] = {}
        for target in panel["targets"]:
            if "query" in target:
                for one in self.influxdb1.query(self.filled(target["query"], panel["interval"], chosen)):
                    for index, column in enumerate(one["columns"][1:], 1):
                        values = [row[index] for row in one["values"] if row[index] is not None]
                        name = target["alias"].replace("$col", column)
                        for tag, value in one.get("tags", {}).items():
                            name = name.replace(f"$tag_{tag}", value)
                        assert "$" not in name
                        found.setdefault(name, []).extend(values)
            else:
                for one in self._promql(target, panel["interval"], chosen):
                    name = target["legendFormat"]
                    for label, value in one["metric"].items():
                        name = name.replace(f"{{{{{label}}}}}", value)
                    assert name not in found, f"{name} twice"
                    found[name] = [float(value) for _, value in one.get("values") or [one["value"]]]
        if panel["type"] == "stat" and len(panel["targets"]) == 1:
            assert len(found) <= 1
            return {"": values for values in found.values() if values}  # noqa: B035
        return {name: values for name, values in found.items() if values}

    def rows(self, panel: Json, **chosen: str) -> dict[str, dict[str, Any]]:
        """Edge or edge/device -> column -> value of a table, as the panel's steps make it, in its order."""
        found: dict[str, dict[str, list[Any]]] = {}
        for target in panel["targets"]:
            if "expr" in target:
                for one in self._promql(target, panel["interval"], chosen):
                    labels = one["metric"]
                    columns = found.setdefault(labels.get("machine") or labels["edge"], {})
                    if "point" in labels:
                        columns.setdefault(labels["point"], []).append(float(one["value"][1]))
                    else:
                        columns |= {name: [text] for name, text in labels.items() if name in TEXT_COLUMNS}
            else:
                for one in self.influxdb1.query(self.filled(target["query"], panel["interval"], chosen)):
                    tags = one["tags"]
                    columns = found.setdefault(
                        "/".join(tags[tag] for tag in ("edge", "device") if tag in tags), {}
                    )
                    for name, value in zip(one["columns"], one["values"][0], strict=True):
                        columns.setdefault("last_report" if name == "time" else name, []).append(value)
                    if "site" in tags:
                        columns["site"] = [tags["site"]]
        made = {
            edge: {
                name: min(values) if name == "urgency" else max(values)
                for name, values in columns.items()
                if name != "uptime"
            }
            for edge, columns in found.items()
        }
        return dict(
            sorted(made.items(), key=lambda row: -row[1].get("urgency", 1 - row[1].get("completeness", 1)))
        )

    def _promql(self, target: Json, interval: str, chosen: Mapping[str, str]) -> list[Json]:
        query, end = self.filled(target["expr"], interval, chosen), f"{self.end_ms / 1000:.3f}"
        if target["instant"]:
            return self.victoria_metrics.query(query, "/api/v1/query", time=end)
        start = f"{self.end_ms / 1000 - SECONDS:.3f}"
        return self.victoria_metrics.query(query, start=start, end=end, step=interval)

    def filled(self, query: str, interval: str, chosen: Mapping[str, str]) -> str:
        """The query as Grafana sends it; `now()` is the end of the reports."""
        end, start = self.end_ms, self.end_ms - SECONDS * 1000
        known = {
            "$timeFilter": f"time >= {start}ms and time <= {end}ms",
            "$__rate_interval": "60s", "$__interval": interval, "$__range": f"{SECONDS}s",
            "time(150s, now())": f"time(150s, {(end + 1) % 150_000}ms)", "now()": f"{end + 1}ms",
            **{f"${name}": chosen.get(name, ".*") for name in VARIABLES},
        }  # fmt: skip
        for macro, text in known.items():
            query = query.replace(macro, text)
        assert not re.search(r"\$(?![/)])", query), query
        return query
