"""Every query of the dashboards about many edges, asked of real stores, returns what the edges reported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cloud.grafana.board import STORES, Selection
from cloud.grafana.completeness import LOST
from cloud.grafana.dashboard_set import SET
from cloud.grafana.queries import Json
from cloud.ingester import Tally
from cloud.metrics import ingester_metrics
from cloud.observation import IngesterView
from qilu.web.exposition import exposition
from tests.cloud.grafana.fleet_data import (
    CAUSES,
    DEVICES,
    INGESTER,
    NEVER,
    ODD,
    SECONDS,
    SHORT_OF_ROOM,
    SILENT_S,
    STORED_PER_S,
    USUAL,
    VALUES_PER_S,
    Fleet,
    recent_end_ms,
    reports,
)  # fmt: skip
from tests.servers import Influxdb1, VictoriaMetrics

REPORTING = {"edge-well", "edge-late", "edge-part"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("stores")
    end_ms = recent_end_ms()
    with Influxdb1(folder) as influxdb1, VictoriaMetrics(folder) as victoria_metrics:
        filled = Fleet(influxdb1, victoria_metrics, end_ms)
        asyncio.run(filled.fill(list(reports(end_ms))))
        yield filled


def panels(name: str, store: str) -> dict[str, Json]:
    """English title -> panel; the table of edges has none of the others' titles."""
    shown = SET[name](Selection(store, "en")).json()["panels"]
    return {panel["title"]: panel for panel in shown}


CASES = [
    pytest.param(store, name, title, id=f"{store}-{name}-{title}")
    for store in STORES
    for name in ("fleet", "health", "completeness", "programme")
    for title, panel in panels(name, store).items()
    if panel["type"] != "table" and "qilu_ingester" not in str(panel["targets"])
]


@pytest.mark.parametrize(("store", "name", "title"), CASES)
def test_every_query_returns_every_edge_of_its_panel(fleet: Fleet, store: str, name: str, title: str) -> None:
    panel = panels(name, store)[title]
    machines = {f"{edge}/{device}" for edge in CAUSES for device in DEVICES}
    wanted = {"Values that are missing, by cause": set(LOST), "Time offline by device": machines}
    found = set(fleet.series(panel))
    if panel["type"] == "stat":
        assert found == {""} if len(panel["targets"]) == 1 else len(found) == 2
        return
    if name == "programme" and len(found) == 1:  # one sum of all
        return
    assert found == wanted.get(title, set(CAUSES))
    if found == set(CAUSES):
        assert set(fleet.series(panel, edge="(edge-late|edge-part)")) == {"edge-late", "edge-part"}


@pytest.mark.parametrize("store", STORES)
def test_the_numbers_are_those_of_the_edges(fleet: Fleet, store: str) -> None:
    shown = panels("fleet", store)
    numbers = {
        f"{title} {name}".strip(): values[0]
        for title, panel in shown.items()
        if panel["type"] == "stat"
        for name, values in fleet.series(panel).items()
    }
    good = 1 - (SECONDS / 60 + 1) / (2 * (3 * (SECONDS / 60 + 1) + (SECONDS - SILENT_S) / 60 + 1))
    assert numbers == {
        "Edges that report reporting": 3,
        "Edges that report expected": len(CAUSES) + 1,
        "Devices that answer answering": 5,
        "Devices that answer expected": 6,
        "Completeness": pytest.approx(good, rel=0.02),
        "Values per second": pytest.approx(3 * VALUES_PER_S, rel=0.04),
        "Edges with less than 24 h of room": 1,
        "Devices offline": 1,
    }


@pytest.mark.parametrize("store", STORES)
def test_the_accounts_of_devices_are_summed_where_a_line_or_a_device_is_chosen(
    fleet: Fleet, store: str
) -> None:
    panel = panels("completeness", store)["Values due"]
    minutes = 3 * (SECONDS // 60 + 1) + (SECONDS - SILENT_S) // 60 + 1
    of_devices = {"": [pytest.approx(60 * minutes, rel=0.04)]}
    assert fleet.series(panel, device=DEVICES[0]) == of_devices
    assert fleet.series(panel, device=f"({'|'.join(DEVICES)})") == fleet.series(panel, line="curing")
    assert fleet.series(panel, line="curing") == fleet.series(panel)
    assert fleet.series(panel, line="another") == {}


@pytest.mark.parametrize("store", STORES)
def test_an_edge_is_one_row_and_the_worst_is_the_first(fleet: Fleet, store: str) -> None:
    panel = panels("fleet", store)["Edges, the worst first"]
    rows = fleet.rows(panel)
    assert list(rows) == [NEVER, "edge-silent", "edge-late", "edge-part", "edge-well"]
    assert {edge: row.get("cause") for edge, row in rows.items()} == {
        NEVER: None, "edge-silent": -1, "edge-late": 6, "edge-part": 13, "edge-well": 0,
    }  # fmt: skip
    assert {edge: row.get("causes") for edge, row in rows.items() if edge not in REPORTING} == {
        NEVER: None, "edge-silent": None,
    }  # fmt: skip
    for edge in REPORTING:
        assert rows[edge]["last_report"] == pytest.approx(fleet.end_ms, abs=60_000)
        assert rows[edge]["clock_known"] == 1
        assert rows[edge]["disk_free_bytes"] == 10**9
        assert rows[edge]["clock_offset_s"] == 0.25
        assert rows[edge]["spool_hours_left"] == (7.5 if edge == SHORT_OF_ROOM else 700)
        assert (rows[edge]["site"], rows[edge]["sentence_en"]) == ("north", f"{edge} is as it is")
        assert rows[edge]["version"] == ("1.2.2" if edge == ODD else USUAL["version"])
        assert (rows[edge]["version_differs"], rows[edge]["settings_differ"]) == (edge == ODD, 0)
        assert rows[edge]["wait"] == (2 if edge == "edge-late" else 0)
        assert rows[edge]["offline_devices"] == (edge == "edge-part")
        assert rows[edge]["completeness"] == (0.5 if edge == "edge-part" else 1)
    assert rows["edge-silent"]["last_report"] == pytest.approx(fleet.end_ms - SILENT_S * 1000, abs=60_000)
    assert {name for name, value in rows[NEVER].items() if value} == {"urgency"}


@pytest.mark.parametrize("store", STORES)
def test_the_indicators_of_the_programme_are_counted(fleet: Fleet, store: str) -> None:
    shown = panels("programme", store)
    numbers = {title: fleet.series(panel)[""][0] for title, panel in shown.items() if panel["type"] == "stat"}
    numbers.pop("Completeness")
    assert numbers == {
        "Enterprises": 1, "Machines": len(CAUSES) * len(DEVICES), "Networked enterprises": 1,
        "Edge clouds": len(CAUSES), "Lines collected": 1,
    }  # fmt: skip
    (collected,) = fleet.series(shown["Collection"]).values()
    assert max(collected) == pytest.approx(4 * VALUES_PER_S, rel=0.05)
    assert collected[-3] == pytest.approx(3 * VALUES_PER_S, rel=0.05), "one edge is silent by then"
    (stored,) = fleet.series(shown["Storage and computing"]).values()
    assert max(stored) == pytest.approx(STORED_PER_S, rel=0.05)
    nobody = fleet.series(shown["Enterprises"], enterprise="nobody")
    assert nobody == {}


@pytest.mark.parametrize("store", STORES)
def test_a_device_is_one_row_and_the_most_incomplete_is_the_first(fleet: Fleet, store: str) -> None:
    rows = fleet.rows(panels("completeness", store)["Devices, the worst first"])
    assert set(rows) == {f"{edge}/{device}" for edge in CAUSES for device in DEVICES}
    (first, worst), *others = rows.items()
    assert first == f"edge-part/{DEVICES[0]}"
    due = pytest.approx(60 * (SECONDS / 60 + 1), abs=60)
    assert {name: worst[name] for name in ("completeness", "expected", "good", "no_reply", "offline_s")} == {
        "completeness": 0, "expected": due, "good": 0, "no_reply": due, "offline_s": due,
    }  # fmt: skip
    assert {row["completeness"] for _, row in others} == {1}


@pytest.mark.parametrize("store", STORES)
def test_an_edge_that_is_not_chosen_is_no_missing_one(fleet: Fleet, store: str) -> None:
    panel = panels("fleet", store)["Edges, the worst first"]
    for chosen in ({"edge": "edge-late"}, {"site": "north"}, {"enterprise": "works"}):
        assert 3 not in {row["urgency"] for row in fleet.rows(panel, **chosen).values()}


@pytest.mark.parametrize("store", STORES)
def test_an_edge_that_is_silent_has_no_value_now_and_never_a_zero(fleet: Fleet, store: str) -> None:
    shown = panels("health", store)["Pipeline latency"]
    assert len(fleet.series(shown)["edge-silent"]) < len(fleet.series(shown)["edge-well"])
    nobody = panels("fleet", store)
    for title in ("Edges that report", "Devices offline", "Completeness"):
        assert fleet.series(nobody[title], edge="edge-of-nobody") == {}, title


def test_the_panels_of_ingesters_show_what_they_offer_to_prometheus(fleet: Fleet) -> None:
    shown = [
        panel for panel in panels("health", "victoria").values() if "qilu_ingester" in str(panel["targets"])
    ]
    assert len(shown) == 4
    pages = {}
    for second in range(0, SECONDS + 1, 15):
        tally = Tally(points=second, batches=second, write_seconds=second / 2, deferred=second)
        view = IngesterView("ingester-1", "main", {"broker:8883": 1}, "", "", 7, 0, 0, tally)
        pages[fleet.end_ms - (SECONDS - second) * 1000] = exposition(ingester_metrics(view, "1", 0))
    fleet.scrape(pages)
    found = {panel["title"]: fleet.series(panel)[INGESTER][-1] for panel in shown}
    assert found == {
        "Values stored per second": pytest.approx(1, rel=0.01),
        "Queue of the ingester": 7,
        "Time of one write": pytest.approx(0.5, rel=0.01),
        "Deferred and rejected records per second": pytest.approx(1, rel=0.01),
    }
