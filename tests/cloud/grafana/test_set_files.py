"""The dashboards about many edges are files that Grafana reads, in one language, with nothing undeclared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.grafana.board import STORES, Board, Selection
from cloud.grafana.cause_texts import CAUSES
from cloud.grafana.dashboard_set import SET
from cloud.grafana.panels import UNITS
from cloud.grafana.queries import VARIABLES, Json
from gateway.diagnosis.causes import CauseCode
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.display import Language
from qilu_cli.main import app

KNOWN = list(profiles(known_profiles()).values())
LANGUAGES: tuple[Language, ...] = ("zh", "en")
MORE_UNITS = {"percentunit", "decbytes", "cps", "cpm", "dateTimeFromNow", "locale"}
BUILT_IN = {"__interval", "__rate_interval", "__range", "timeFilter", "__all", "__value", "__url_time_range",
            "col", "tag_edge", "tag_device"}  # fmt: skip
CHOSEN = [Selection(store, language, KNOWN) for store in STORES for language in LANGUAGES]
EVERY = [
    pytest.param(make(chosen), id=f"{name}-{chosen.store}-{chosen.language}")
    for name, make in SET.items()
    for chosen in CHOSEN
]
LONGEST_QUERY = 16_384
"""Bytes that VictoriaMetrics takes by default."""


def test_no_two_dashboards_have_one_uid() -> None:
    uids = [
        Selection(store, language).uid(name) for name in SET for store in STORES for language in LANGUAGES
    ]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", uid) for uid in uids)


@pytest.mark.parametrize("board", EVERY)
def test_a_dashboard_keeps_its_bounds_and_its_panels_do_not_overlap(board: Board) -> None:
    shown = board.json()["panels"]
    assert len(shown) <= 24
    assert sum(len(panel["targets"]) for panel in shown) <= 20
    assert sum(panel["type"] == "stat" for panel in shown) <= 6
    cells: set[tuple[int, int]] = set()
    for panel in shown:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        taken = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        cells |= taken


@pytest.mark.parametrize("board", EVERY)
def test_every_panel_has_title_description_and_unit_in_one_language(board: Board) -> None:
    chinese = board.chosen.language == "zh"
    for panel in board.json()["panels"]:
        assert panel["title"]
        assert bool(re.search("[一-鿿]", panel["description"])) == chinese
        if not chinese:
            assert not re.search("[一-鿿]", json.dumps(panel, ensure_ascii=False))
        defaults = panel["fieldConfig"]["defaults"]
        lane = panel["title"].lower() == board.chosen.term("data_state")
        assert (defaults["noValue"] == board.chosen.term("no_data")) != lane
        assert defaults.get("custom", {}).get("spanNulls") in (None, False)
        units = {defaults.get("unit", "none"), *_units(panel["fieldConfig"]["overrides"])}
        assert all(unit in set(UNITS.values()) | MORE_UNITS or unit.startswith("suffix: ") for unit in units)


def _units(overrides: list[Json]) -> list[str]:
    return [each["value"] for one in overrides for each in one["properties"] if each["id"] == "unit"]


@pytest.mark.parametrize("board", EVERY)
def test_every_variable_that_is_used_is_declared(board: Board) -> None:
    declared = [variable["name"] for variable in board.json()["templating"]["list"]]
    assert declared == ["datasource", *VARIABLES]
    used = set(re.findall(r"\$\{?([a-zA-Z_]\w*)", json.dumps(board.json())))
    assert used - set(declared) <= BUILT_IN


@pytest.mark.parametrize("board", EVERY)
def test_every_query_of_reports_is_of_the_edges_that_are_chosen(board: Board) -> None:
    for panel in board.json()["panels"]:
        for target in panel["targets"]:
            query = target.get("expr") or target.get("query", "")
            if panel["type"] != "table" and "qilu_ingester" not in query:
                assert {"enterprise", "site", "edge"} <= set(re.findall(r"\$(\w+)", query)), panel["title"]


def test_every_cause_of_a_gateway_has_a_text_and_its_level() -> None:
    assert {code.number: code.level.value for code in CauseCode} == {
        number: level for number, (level, _) in CAUSES.items()
    }
    assert all(text.zh and text.en for _, text in CAUSES.values())


def test_every_query_has_room_in_victoria_metrics() -> None:
    for make in SET.values():
        for panel in make(Selection("victoria", "zh", KNOWN)).json()["panels"]:
            for target in panel["targets"]:
                assert len(target["expr"].replace("$", "." * 20).encode()) < LONGEST_QUERY


def test_without_a_profile_the_dashboards_of_edges_are_written_and_with_one_only_its_own(
    tmp_path: Path,
) -> None:
    words = ["grafana", "generate", "--store", "victoria", "--lang", "en", "--out"]
    assert CliRunner().invoke(app, [*words, str(tmp_path / "all")]).exit_code == 0
    for name in SET:
        text = (tmp_path / "all" / f"set-{name}.json").read_text(encoding="utf-8")
        assert json.loads(text)["uid"] == f"qilu-set-{name}-victoria-en"
    assert CliRunner().invoke(app, [*words, str(tmp_path / "one"), "--profile", "chiller"]).exit_code == 0
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["chiller.json"]


@pytest.mark.parametrize("board", EVERY)
def test_links_keep_time_and_variables_and_lead_to_a_dashboard_of_the_set(board: Board) -> None:
    document = board.json()
    (menu,) = document["links"]
    assert (menu["keepTime"], menu["includeVars"]) == (True, True)
    assert set(menu["tags"]) <= set(document["tags"])
    known = {board.chosen.uid(name) for name in SET}
    for url in re.findall(r'"url": "(/d/[^"]+)"', json.dumps(document)):
        uid, _, query = url.removeprefix("/d/").partition("?")
        assert uid in known
        assert "${__url_time_range}" in query
        assert "var-datasource=${datasource}" in query


@pytest.mark.parametrize("board", EVERY)
def test_a_chart_by_edge_or_device_has_a_bound_on_its_series(board: Board) -> None:
    most = {"timeseries": 10, "state-timeline": 25, "barchart": 25, "bargauge": 25}
    for panel in board.json()["panels"]:
        for target in panel["targets"] if panel["type"] in most else ():
            query = target.get("expr") or target["query"]
            grouping = query if "expr" in target else query.rpartition("GROUP BY")[2]
            if re.search(r'by \(edge|"edge"|"device"', grouping):
                bounds = re.findall(r"(?:topk\(|bottomk\(|SLIMIT )(\d+)", query)
                assert bounds, panel["title"]
                assert min(map(int, bounds)) <= most[panel["type"]], panel["title"]
