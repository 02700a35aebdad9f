"""Writes Grafana's dashboards: `python -m deploy.grafana.build` (also: make dashboards)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from cloud.grafana.board import Selection
from cloud.grafana.dashboard_set import shipped
from deploy.grafana.dialects import Json, Language
from deploy.grafana.influxql import Influxql
from deploy.grafana.panel_factory import PanelFactory
from deploy.grafana.panels import laid_out
from deploy.grafana.plant import rows
from deploy.grafana.promql import Promql
from qilu.config.profiles import known_profiles, profiles, shipped_configs
from qilu.contract.display import Language as Spoken

LANGUAGES: tuple[Language, ...] = (Influxql(), Promql())
STORES = {"influxql": "influx", "promql": "victoria"}
"""Folder -> the store that its dashboards ask."""
SPOKEN: tuple[Spoken, ...] = ("zh", "en")
FOLDER = Path(__file__).parent / "dashboards"
SCHEMA = 42
"""Of the classic model; Grafana brings it up to what it uses itself."""


def dashboards() -> Iterator[tuple[Path, str]]:
    """Every file with what is to stand in it."""
    for language in LANGUAGES:
        text = json.dumps(plant_dashboard(language), ensure_ascii=False, indent=2)
        yield FOLDER / language.name / "plant.json", text + "\n"
    known = list(profiles(known_profiles()).values())
    for folder, store in STORES.items():
        for spoken in SPOKEN:
            for name, text in shipped(Selection(store, spoken, known)):
                yield FOLDER / folder / f"{name}-{spoken}.json", text


def plant_dashboard(language: Language) -> Json:
    """The plant dashboard as Grafana reads it from a file."""
    known = profiles(sorted(file.stem for file in (shipped_configs() / "profiles").glob("*.yaml")))
    return {
        "id": None,
        "uid": f"qilu-plant-{language.name}",
        "title": f"工厂总览 / Plant ({language.title})",
        "description": "由 deploy/grafana/build.py 生成。 Made by deploy/grafana/build.py.",
        "tags": ["qilu"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "time": {"from": "now-15m", "to": "now"},
        "refresh": "10s",
        "graphTooltip": 1,
        "templating": {"list": _variables(language)},
        "annotations": {"list": []},
        "links": [],
        "panels": list(laid_out(rows(PanelFactory(language, known)), language.source)),
    }


def _variables(language: Language) -> list[Json]:
    source = {
        "name": "datasource",
        "type": "datasource",
        "label": "数据源 / Data source",
        "query": language.source,
        "regex": "/Qilu/",
        "current": {},
        "hide": 0,
        "refresh": 1,
        "options": [],
    }
    return [
        source,
        _choice(language, "edge", "网关 / Edge", language.edge_variable()),
        _choice(language, "line", "产线 / Line", language.line_variable()),
        _choice(language, "device", "设备 / Device", language.device_variable()),
    ]


def _choice(language: Language, name: str, label: str, query: Json | str) -> Json:
    """A variable of which several or all can be chosen; all means also those without one."""
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": {"type": language.source, "uid": "${datasource}"},
        "query": query,
        "definition": query if isinstance(query, str) else query["query"],
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 7,
        "hide": 0,
        "options": [],
    }


def main() -> None:
    """Write all of them."""
    for file, text in dashboards():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main()
