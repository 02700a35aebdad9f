"""Two edges, each with a machine of the same name: dashboards show two machines and never a mean of both."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.influx.writer import InfluxStore
from qilu.stores.settings import InfluxSettings
from tests.deploy.panels import (
    Asked,
    AskedInfluxdb,
    AskedVictoriaMetrics,
    Shown,
    dashboard,
    panels,
    variables,
)
from tests.servers.influxdb1 import Influxdb1
from tests.servers.victoria_metrics import VictoriaMetrics

END_MS = time.time_ns() // 10**9 * 1000
EVERY_MS = 5000
BAR = {"edge-1": 7.0, "edge-2": 11.0}
TITLES = {
    "Discharge pressure": {"edge-1/compressor-1": {7.0}, "edge-2/compressor-1": {11.0}},
    "State of the machines": {"edge-1/compressor-1": {3.0}, "edge-2/compressor-1": {4.0}},
}


def polls() -> Iterator[Poll]:
    points = ("discharge_pressure", "state", "power")
    for edge, bar in BAR.items():
        columns = BlockSchema(
            Origin(edge, "compressor-1", "screw-air-compressor", line="air"), "fast", points
        )
        state = 3 if edge == "edge-1" else 4
        for time_ms in range(END_MS - 60_000, END_MS + 1, EVERY_MS):
            values = (bar, state, None)
            yield Poll(time_ms, (Reading(columns, time_ms, values, {2: Reason.TIMEOUT}),))


async def test_influxdb_shows_two_machines(influxdb1: Influxdb1) -> None:
    store = InfluxSettings(type="influx", server="influxdb1", url=influxdb1.url, database=influxdb1.database)
    await assert_two_machines(store, AskedInfluxdb(influxdb1), "influxql")


async def test_victoria_metrics_shows_two_machines(victoria_metrics: VictoriaMetrics) -> None:
    store = InfluxSettings(type="influx", server="victoriametrics", url=victoria_metrics.url)
    await assert_two_machines(store, AskedVictoriaMetrics(victoria_metrics), "promql")


async def assert_two_machines(store: InfluxSettings, asked: Asked, language: str) -> None:
    async with InfluxStore(store) as opened:
        assert await opened.write(list(polls())) == {}
    both = Shown(END_MS - 60_000, END_MS)
    second = Shown(END_MS - 60_000, END_MS, edge="(edge-2)")
    for title, expected in TITLES.items():
        assert shown(asked, language, title, both) == expected
        assert shown(asked, language, title, second) == {
            name: values for name, values in expected.items() if name.startswith("edge-2/")
        }
    assert {name.partition(" ")[0] for name in shown(asked, language, "Bad values and why", both)} == {
        "edge-1/compressor-1",
        "edge-2/compressor-1",
    }
    if language == "influxql":  # counted by the panel
        assert set(shown(asked, language, "Devices and gateways", both)) == {
            "edge-1/compressor-1",
            "edge-2/compressor-1",
        }
    else:
        assert [*shown(asked, language, "Devices and gateways", both).values()] == [{2.0}]
    assert set(shown(asked, language, "Freshness", both)) == {"edge-1/compressor-1", "edge-2/compressor-1"}
    edge, *_ = variables(dashboard(language))
    assert asked.choices(edge, both) == {"edge-1", "edge-2"}


def shown(asked: Asked, language: str, title: str, when: Shown) -> dict[str, set[float]]:
    """The different values of each series of the panel of this English title."""
    (panel,) = [one for one in panels(dashboard(language)) if one["title"].split(" / ")[1] == title]
    found: dict[str, set[float]] = {}
    for target in panel["targets"]:
        for name, values in asked.numbers(target, panel["interval"], when).items():
            found.setdefault(name, set()).update(values)
    return found


@pytest.mark.parametrize("language", ["influxql", "promql"])
def test_every_query_selects_by_edge_and_names_it(language: str) -> None:
    for panel in panels(dashboard(language)):
        for target in panel["targets"]:
            query = target.get("query") or target["expr"]
            assert "$edge" in query, panel["title"]
            assert language == "promql" or "GROUP BY" in query, panel["title"]
