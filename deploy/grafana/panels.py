"""Grafana's classic JSON, one function for each kind of panel, and the grid that they are laid on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deploy.grafana.dialects import Json

GRID = 24
"""Columns of Grafana's grid."""
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"


@dataclass(frozen=True, slots=True)
class Text:
    """One thing said in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} / {self.en}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel without its place; `body` has what only its kind has."""

    kind: str
    title: Text
    about: Text
    unit: str
    targets: Sequence[Json]
    width: int = 8
    height: int = 8
    every: float = 10.0
    """Seconds below which an interval makes no sense: two periods of what is polled."""
    transformations: Sequence[Json] = ()
    body: Json = field(default_factory=dict)

    def but(self, **changes: Any) -> Panel:
        """The same panel with some of this changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: Text
    panels: Sequence[Panel]


def series(title: Text, about: Text, unit: str, targets: Sequence[Json]) -> Panel:
    """Lines over time, with a gap where there was nothing."""
    custom = {"lineInterpolation": "linear", "spanNulls": False, "showPoints": "auto", "fillOpacity": 5}
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]}
    body: Json = {
        "fieldConfig": {"defaults": {"custom": custom}},
        "options": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
    }
    return Panel("timeseries", title, about, unit, targets, body=body)


def stat(
    title: Text,
    about: Text,
    unit: str,
    targets: Sequence[Json],
    *,
    colors: Sequence[tuple[float | None, str]] = ((None, BLUE),),
    calc: str = "lastNotNull",
    mappings: Sequence[Json] = (),
) -> Panel:
    """One large number: the last one, or what else Grafana calculates (`count`: of rows)."""
    count = calc == "count"
    steps = [{"value": at, "color": color} for at, color in colors]
    body: Json = {
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "thresholds"},
                "thresholds": {"mode": "absolute", "steps": steps},
                "mappings": list(mappings),
            }
        },
        "options": {
            "reduceOptions": {
                "calcs": [calc],
                "fields": "/.*/" if count else "",
                "values": False,
            },
            "colorMode": "value",
            "graphMode": "none" if count else "area",
            "textMode": "auto",
        },
    }
    return Panel("stat", title, about, unit, targets, width=4, height=4, body=body)


def timeline(title: Text, about: Text, targets: Sequence[Json], mappings: Sequence[Json]) -> Panel:
    """Codes over time as colours with their words."""
    body: Json = {
        "fieldConfig": {
            "defaults": {
                "custom": {"fillOpacity": 75, "lineWidth": 0},
                "color": {"mode": "thresholds"},
                "mappings": list(mappings),
                "noValue": "无 / none",
            }
        },
        "options": {
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.85,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        },
    }
    return Panel("state-timeline", title, about, "none", targets, body=body)


def bars(title: Text, about: Text, unit: str, targets: Sequence[Json]) -> Panel:
    """One bar for each series."""
    body: Json = {
        "fieldConfig": {"defaults": {"min": 0, "color": {"mode": "continuous-BlPu"}}},
        "options": {
            "orientation": "horizontal",
            "displayMode": "gradient",
            "valueMode": "color",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }
    return Panel("bargauge", title, about, unit, targets, body=body)


def table(title: Text, about: Text, unit: str, targets: Sequence[Json], overrides: Sequence[Json]) -> Panel:
    """Rows; `overrides` say how single columns are shown."""
    body: Json = {
        "fieldConfig": {"defaults": {"noValue": "无 / none"}, "overrides": list(overrides)},
        "options": {"showHeader": True, "cellHeight": "sm"},
    }
    return Panel("table", title, about, unit, targets, body=body)


def column(name: str, **properties: object) -> Json:
    """An override for the column of this name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def words(texts: Mapping[int, tuple[Text, str]]) -> list[Json]:
    """A value mapping: code -> its words and colour."""
    options = {
        str(code): {"text": str(text), "color": color, "index": index}
        for index, (code, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def laid_out(rows: Iterable[Row], source: str) -> Iterator[Json]:
    """Every row and panel as JSON with its id and place, filling the grid from left to right."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": GRID, "h": 1}
        yield {
            "id": number, "type": "row", "title": str(row.title), "collapsed": False, "panels": [],
            "gridPos": place,
        }  # fmt: skip
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > GRID:
                top, left, height = top + height, 0, 0
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height}, source)
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel, number: int, place: Json, source: str) -> Json:
    datasource = {"type": source, "uid": "${datasource}"}
    configured = panel.body.get("fieldConfig", {})
    defaults = {"unit": panel.unit, **configured.get("defaults", {})}
    return {
        "id": number,
        "type": panel.kind,
        "title": str(panel.title),
        "description": f"{panel.about.zh}\n\n{panel.about.en}",
        "datasource": datasource,
        "gridPos": place,
        "interval": f"{panel.every:g}s",
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": datasource, **target}
            for index, target in enumerate(panel.targets)
        ],
        "transformations": list(panel.transformations),
        "fieldConfig": {"defaults": defaults, "overrides": configured.get("overrides", [])},
        "options": panel.body.get("options", {}),
    }
