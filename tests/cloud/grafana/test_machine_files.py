"""A dashboard of a machine is what Grafana reads, whatever the profile is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cloud.grafana.machine import MAX_SERIES, MAX_UID, STORES, MachineDashboard
from cloud.grafana.panels import UNITS
from cloud.grafana.queries import VARIABLES
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.display import Language
from qilu.contract.errors import ConfigError
from qilu_cli.commands.grafana import write_dashboards

SHIPPED = profiles(known_profiles())
LANGUAGES: tuple[Language, ...] = ("zh", "en")
GOLDEN = Path(__file__).parents[2] / "cases" / "grafana"
EVERY = [
    pytest.param(MachineDashboard(profile, store, language), id=f"{name}-{store}-{language}")
    for name, profile in SHIPPED.items()
    for store in STORES
    for language in LANGUAGES
]


def panels(dashboard: MachineDashboard) -> list[dict[str, Any]]:
    return list(dashboard.json()["panels"])


def test_no_two_dashboards_have_one_uid() -> None:
    uids = [
        MachineDashboard(profile, store, language).uid
        for profile in SHIPPED.values()
        for store in STORES
        for language in LANGUAGES
    ]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]+", uid) and len(uid) <= MAX_UID for uid in uids)


@pytest.mark.parametrize("dashboard", EVERY)
def test_a_dashboard_keeps_its_bounds_and_its_panels_do_not_overlap(dashboard: MachineDashboard) -> None:
    cells: set[tuple[int, int]] = set()
    shown = panels(dashboard)
    assert 1 <= len(shown) <= 24
    assert sum(len(panel["targets"]) for panel in shown) <= 20
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        cells |= taken
        assert len(panel["fieldConfig"]["overrides"]) <= MAX_SERIES


@pytest.mark.parametrize("dashboard", EVERY)
def test_every_panel_has_title_description_unit_and_a_text_for_no_data(dashboard: MachineDashboard) -> None:
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["noValue"]
        unit = defaults.get("unit", "none")
        assert unit in UNITS.values() or unit.startswith("suffix: ")
        assert defaults.get("custom", {}).get("spanNulls") in (None, False)
        has_chinese = re.search("[一-鿿]", panel["description"]) is not None
        assert has_chinese == (dashboard.language == "zh"), "one language in a dashboard"


@pytest.mark.parametrize("dashboard", EVERY)
def test_every_variable_that_is_used_is_declared_and_chooses_its_series(dashboard: MachineDashboard) -> None:
    declared = [variable["name"] for variable in dashboard.json()["templating"]["list"]]
    assert declared == ["datasource", *VARIABLES]
    text = json.dumps(dashboard.json())
    used = set(re.findall(r"\$\{?([a-zA-Z_]\w*)", text))
    assert used - set(declared) <= {"__interval", "__range", "timeFilter", "col", "__all"}
    for panel in panels(dashboard):
        for target in panel["targets"]:
            query = target.get("expr") or target["query"]
            assert set(VARIABLES) <= set(re.findall(r"\$(\w+)", query))
            assert dashboard.profile.profile in query


def test_a_state_has_the_text_of_its_profile_and_the_colour_of_the_palette() -> None:
    (state, *_) = panels(MachineDashboard(SHIPPED["screw-air-compressor"], "victoria", "zh"))
    properties = {each["id"]: each["value"] for each in state["fieldConfig"]["overrides"][0]["properties"]}
    running = properties["mappings"][0]["options"]["3"]
    assert (running["text"], running["color"]) == ("运行", "#4C8C6B")


def test_a_band_is_the_normal_range_in_the_unit_that_is_shown_and_never_a_limit() -> None:
    dashboard = MachineDashboard(SHIPPED["screw-air-compressor"], "influx", "zh")
    (pressure,) = [panel for panel in panels(dashboard) if panel["title"] == "排气压力"]
    steps = pressure["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 0.6, 0.85]
    assert pressure["fieldConfig"]["defaults"]["unit"] == "suffix: MPa"
    without = [panel for panel in panels(dashboard) if panel["title"].startswith("电机功率")]
    assert "thresholds" not in without[0]["fieldConfig"]["defaults"]


@pytest.mark.parametrize("store", STORES)
def test_the_file_is_the_expected_one(store: str, tmp_path: Path) -> None:
    """After a wanted change: qilu grafana generate --profile screw-air-compressor --store STORE --out ..."""
    write_dashboards(["screw-air-compressor"], store, "zh", tmp_path)
    text = (tmp_path / "screw-air-compressor.json").read_text(encoding="utf-8")
    assert text == (GOLDEN / store / "screw-air-compressor.json").read_text(encoding="utf-8")


def test_every_shipped_profile_has_a_dashboard_and_a_wrong_folder_is_named(tmp_path: Path) -> None:
    write_dashboards((), "influx", "en", tmp_path / "new")
    assert {file.stem for file in (tmp_path / "new").glob("*.json")} == set(SHIPPED)
    with pytest.raises(ConfigError, match="--out"):
        write_dashboards(["chiller"], "influx", "en", tmp_path / "new" / "chiller.json")
