"""The shipped dashboards as files: made by the generator, complete, with nothing that is not declared."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.grafana.build import LANGUAGES, dashboards
from deploy.grafana.i18n import DESCRIPTIONS_ZH, REASONS, STATES, UNITS
from deploy.grafana.panels import GRID
from gateway.health import POINTS
from qilu.config.profiles import profiles, shipped_configs
from qilu.contract.reading import Reason
from qilu.contract.store_names import OWN_PREFIX
from tests.deploy.deployed import DEPLOY
from tests.deploy.panels import DASHBOARDS, Json, dashboard, panels

PROVISIONING = DEPLOY / "grafana" / "provisioning"
SOURCES = sorted(file.stem for file in (PROVISIONING / "datasources").glob("*.yaml"))
NAMES = [language.name for language in LANGUAGES]
BUILT_IN = {"timeFilter", "__interval", "__rate_interval", "__range"}
OF_ALIASES = {"tag_device", "tag_edge", "col"}
CLASSIC = 42

every_dashboard = pytest.mark.parametrize("name", NAMES)


def test_the_files_are_what_the_generator_writes() -> None:
    written = dict(dashboards())
    assert set(DASHBOARDS.rglob("*.json")) == set(written)
    for file, text in written.items():
        assert file.read_text(encoding="utf-8") == text, f"{file} is stale: make dashboards"


def test_every_dashboard_has_its_own_uid_and_no_id() -> None:
    found = [dashboard(name) for name in NAMES]
    assert len({one["uid"] for one in found}) == len({one["title"] for one in found}) == len(found)
    assert {one["id"] for one in found} == {None}
    assert {one["schemaVersion"] for one in found} == {CLASSIC}


@every_dashboard
def test_ids_of_panels_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in dashboard(name)["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(dashboard(name)):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


@every_dashboard
def test_every_panel_says_in_both_languages_what_it_is_and_in_which_unit(name: str) -> None:
    titles = []
    for panel in panels(dashboard(name)):
        chinese, english = panel["title"].split(" / ")
        titles.append(panel["title"])
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert english.isascii()
        assert english
        chinese, english = panel["description"].split("\n\n")
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert re.fullmatch(r"[A-Z0-9].*\.", english)
        assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(set(titles)) == len(titles)


@every_dashboard
def test_panels_lie_on_the_grid_and_nowhere_on_each_other(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard(name)["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= GRID
        columns, lines = (
            range(place["x"], place["x"] + place["w"]),
            range(place["y"], place["y"] + place["h"]),
        )
        for spot in itertools.product(columns, lines):
            assert taken.setdefault(spot, panel["title"]) == panel["title"]


def texts(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@every_dashboard
def test_only_declared_variables_are_used(name: str) -> None:
    of = dashboard(name)
    declared = {variable["name"] for variable in of["templating"]["list"]}
    assert declared == {"datasource", "edge", "line", "device"}
    for panel in panels(of):
        for target in panel["targets"]:
            used = set(itertools.chain(*(re.findall(r"\$\{?(\w+)", text) for text in texts(target))))
            assert used <= declared | BUILT_IN | OF_ALIASES, target
            assert "datasource" in used


@every_dashboard
def test_panels_ask_the_data_source_that_was_chosen(name: str) -> None:
    of = dashboard(name)
    (source,) = [one for one in of["templating"]["list"] if one["type"] == "datasource"]
    asked = {"type": source["query"], "uid": "${datasource}"}
    for panel in panels(of):
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
            asked for _ in range(len(panel["targets"]) + 1)
        ]


def test_both_dashboards_show_the_same() -> None:
    def output(panel: Json) -> list[Any]:
        return [panel[key] for key in ("title", "description", "type", "gridPos", "interval")]

    one, other = (panels(dashboard(name)) for name in NAMES)
    assert list(map(output, one)) == list(map(output, other))


@pytest.mark.parametrize(
    "file", sorted((PROVISIONING / "datasources").glob("*.yaml")), ids=lambda file: str(file.stem)
)
def test_a_data_source_is_one_that_a_dashboard_is_for_and_carries_no_secret(file: Any) -> None:
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    assert source["uid"] == f"qilu-{file.stem}"
    assert re.search("Qilu", source["name"])
    assert source["type"] in {language.source for language in LANGUAGES}
    assert source["jsonData"]["timeInterval"] == "10s"
    assert all(re.match(r"\$(__file)?\{", secret) for secret in source.get("secureJsonData", {}).values())
    assert re.fullmatch(r"\$\{\w+\}", source["url"])


def test_there_is_a_data_source_for_each_kind_of_store_that_can_be_asked() -> None:
    assert SOURCES == ["influxdb1", "influxdb2", "victoriametrics"]


def test_terms_are_complete() -> None:
    assert set(REASONS) == set(Reason)
    assert set(DESCRIPTIONS_ZH) <= set(POINTS)
    known = profiles([file.stem for file in (shipped_configs() / "profiles").glob("*.yaml")]).values()
    states = [point.enum for one in known for point in one.points if point.name == "state"]
    assert states
    for state in states:
        assert {code: (label.zh, label.en) for code, label in state.items()} == {
            code: (text.zh, text.en) for code, (text, _) in STATES.items()
        }
    assert UNITS[""] == "none"


def test_no_panel_shows_the_mean_of_a_code() -> None:
    """The mean of two states is no state; PromQL takes the last sample of each step by itself."""
    for panel in panels(dashboard("influxql")):
        for target in panel["targets"]:
            for point, measurement in re.findall(r'mean\("(\w+)"\) FROM "(\w+)"', target["query"]):
                if not measurement.startswith(OWN_PREFIX):
                    (known,) = profiles([measurement.replace("_", "-")]).values()
                    assert known.point(point).kind != "state", panel["title"]
