"""What all dashboards about many edges have in common: the file, its variables, and kinds of panels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloud.grafana.device_queries import DeviceInfluxql, DevicePromql, DeviceQueries
from cloud.grafana.edge_influxql import EdgeInfluxql
from cloud.grafana.edge_promql import EdgePromql
from cloud.grafana.edge_queries import EdgeQueries
from cloud.grafana.panels import GRID, Panel, laid_out
from cloud.grafana.queries import VARIABLES, Json
from qilu.contract.display import TERMS, Language
from qilu.contract.display.palette import LEVEL_COLORS, SERIES_COLORS
from qilu.contract.profile import DeviceProfile, Label

STORES: dict[str, type[EdgeQueries]] = {"influx": EdgeInfluxql, "victoria": EdgePromql}
DEVICES: dict[str, type[DeviceQueries]] = {"influx": DeviceInfluxql, "victoria": DevicePromql}
SCHEMA = 42
"""Of the classic model."""
GAP_MS = 180_000
"""A line ends where no value came for so long."""
NORMAL, WARNING, FAULT = LEVEL_COLORS["normal"], LEVEL_COLORS["warning"], LEVEL_COLORS["fault"]

Steps = Sequence[tuple[float | None, str]]
"""Colours of a number, each from its value on."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is chosen for one file: a store, a language, and the profiles."""

    store: str
    language: Language
    profiles: Sequence[DeviceProfile] = ()

    @property
    def queries(self) -> EdgeQueries:
        return STORES[self.store]()

    @property
    def devices(self) -> DeviceQueries:
        return DEVICES[self.store]()

    def uid(self, name: str) -> str:
        """Of a dashboard of the set: fixed, so that links and a new version meet the same dashboard."""
        return f"qilu-set-{name}-{self.store}-{self.language}"

    def text(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en

    def term(self, name: str) -> str:
        return TERMS[name].text(self.language)

    def device_limit(self, devices: int) -> str:
        """The note that a panel shows at most `devices` devices; InfluxQL counts them by measurement."""
        if self.store == "influx":
            return self.text(f"每种模板最多 {devices} 台。", f"At most {devices} devices of each profile.")
        return self.text(f"最多 {devices} 台。", f"At most {devices} devices.")

    def number(
        self,
        title: str,
        description: str,
        target: Json | Sequence[Json],
        unit: str = "none",
        steps: Steps | None = None,
    ) -> Panel:
        """One number of the top row, or two with names."""
        targets = [target] if isinstance(target, dict) else list(target)
        defaults: Json = {"unit": unit, "noValue": self.term("no_data")}
        if steps is None:
            defaults["color"] = {"mode": "fixed", "fixedColor": SERIES_COLORS[0]}
        else:
            colors = [{"value": value, "color": color} for value, color in steps]
            defaults |= {
                "color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": colors}
            }  # fmt: skip
        options = _NUMBER if len(targets) == 1 else {**_NUMBER, "textMode": "value_and_name"}
        return Panel("stat", title, description, targets, GRID // 6, 4, 60, defaults, options=options)

    def lines(
        self,
        title: str,
        description: str,
        target: Json,
        unit: str,
        *,
        interval_s: float = 60,
        width: int = GRID // 2,
        **more: object,
    ) -> Panel:
        custom: Json = {"lineInterpolation": "linear", "spanNulls": False, "insertNulls": GAP_MS}
        defaults: Json = {
            "unit": unit, "custom": custom, "noValue": self.term("no_data"),
            "color": {"mode": "palette-classic-by-name"}, **more,
        }  # fmt: skip
        gap = self.text("空白为无数据，不补 0，也不连线。", "Blank: no data; nothing is filled or joined.")
        return Panel(
            "timeseries", title, f"{description} {gap}", [target], width, 8, interval_s, defaults,
            options=_CHART,
        )  # fmt: skip

    def timeline(
        self,
        title: str,
        description: str,
        target: Json,
        mappings: Sequence[Json],
        height: int = 8,
        no_value: str = "",
    ) -> Panel:
        """Codes over time, a lane for each series."""
        defaults: Json = {
            "custom": {"fillOpacity": 85, "lineWidth": 0, "insertNulls": GAP_MS},
            "mappings": list(mappings), "noValue": no_value or self.term("no_data"),
        }  # fmt: skip
        return Panel(
            "state-timeline", title, description, [target], GRID, height, 60, defaults, options=_TIMELINE
        )


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard of the set."""

    name: str
    title: Label
    about: Label
    chosen: Selection
    panels: Sequence[Panel]
    shown: str
    """The time that it shows when it is opened: -24h, or /d for today."""
    refresh: str = "1m"

    def json(self) -> Json:
        chosen = self.chosen
        return {
            "id": None,
            "uid": chosen.uid(self.name),
            "title": self.title.text(chosen.language),
            "description": self.about.text(chosen.language),
            "tags": ["qilu", "qilu-set"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "timezone": "browser",
            "time": {"from": f"now{self.shown}", "to": "now"},
            "refresh": self.refresh,
            "graphTooltip": 1,
            "templating": {"list": list(_variables(chosen))},
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards", "tags": ["qilu"], "title": "Qilu", "asDropdown": True,
                    "keepTime": True, "includeVars": True, "targetBlank": False, "icon": "external link",
                    "tooltip": "", "url": "",
                }
            ],
            "panels": list(laid_out(self.panels, chosen.queries.source)),
        }  # fmt: skip


def _variables(chosen: Selection) -> Iterator[Json]:
    source = chosen.queries.source
    yield {
        "name": "datasource", "type": "datasource", "label": chosen.term("data_source"), "query": source,
        "regex": "", "current": {}, "hide": 0, "refresh": 1, "options": [],
    }  # fmt: skip
    for name in VARIABLES:
        query = chosen.queries.choices(name)
        yield {
            "name": name, "type": "query", "label": chosen.term(name),
            "datasource": {"type": source, "uid": "${datasource}"},
            "query": query, "definition": query if isinstance(query, str) else query["query"],
            "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
            "refresh": 2, "sort": 7, "hide": 0, "options": [],
        }  # fmt: skip


_NUMBER: Json = {
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "graphMode": "none", "colorMode": "value", "textMode": "value",
}  # fmt: skip
_CHART: Json = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_TIMELINE: Json = {
    "mergeValues": True, "showValue": "auto", "rowHeight": 0.85, "alignValue": "left",
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
    "tooltip": {"mode": "single", "sort": "none"},
}  # fmt: skip
