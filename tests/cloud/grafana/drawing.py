"""Draws panels as SVG from their real data, with the units, names, colours and texts of their settings.

This is no Grafana: it shows what the settings say, so that somebody can look at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from cloud.grafana.panels import UNITS
from cloud.grafana.queries import Json
from qilu.contract.display.palette import SERIES_COLORS

COLUMN, ROW = 50, 36
"""Pixels of a cell of the grid."""
_UNIT_TEXTS = {name: text for text, name in UNITS.items()} | {
    "decbytes": "B", "cps": "/s", "cpm": "/min", "none": "", "short": "", "locale": "",
}  # fmt: skip

Points = Sequence[tuple[float, float]]
"""Time (s) and value, rising."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One series of a panel with what its overrides say."""

    name: str
    points: Points
    properties: Mapping[str, Any]
    color: str

    @property
    def label(self) -> str:
        return str(self.properties.get("displayName", self.name))


def shown(panel: Json, series: Mapping[str, Points]) -> list[Shown]:
    """The series in the order of their names, with names and colours."""
    of: dict[str, dict[str, Any]] = {}
    for each in panel["fieldConfig"]["overrides"]:
        assert each["matcher"]["id"] in ("byName", "byRegexp"), each["matcher"]
        of.setdefault(each["matcher"]["options"], {}).update(
            {one["id"]: one["value"] for one in each["properties"]}
        )
    defaults = panel["fieldConfig"]["defaults"]
    found = []
    for index, (name, points) in enumerate(series.items()):
        properties = {**defaults, **of.get(name, {})}
        color = properties.get("color", {}).get("fixedColor") or SERIES_COLORS[index % len(SERIES_COLORS)]
        found.append(Shown(name, points, properties, color))
    return found


def text_of(value: float | str, properties: Mapping[str, Any]) -> tuple[str, str | None]:
    """A value as it is shown, and the colour that its mapping or threshold gives it."""
    if isinstance(value, str):
        return value, None
    for mapping in properties.get("mappings", ()):
        if mapping["type"] == "value" and f"{value:g}" in mapping["options"]:
            chosen = mapping["options"][f"{value:g}"]
            return chosen["text"], chosen.get("color")
    unit = properties.get("unit", "none")
    color = None
    for step in properties.get("thresholds", {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    if unit == "percentunit":
        return f"{value * 100:.{properties.get('decimals', 1)}f} %", color
    if unit == "dateTimeFromNow":
        return "(time)", color
    if unit == "s" and abs(value) >= 120:
        return (f"{value / 3600:.2f} h" if abs(value) >= 7200 else f"{value / 60:.1f} min"), color
    if unit == "decbytes":
        for size, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
            if abs(value) >= size:
                return f"{value / size:.2f} {name}", color
    text = (
        unit.removeprefix("suffix: ") if unit.startswith("suffix: ") else _UNIT_TEXTS.get(unit, f"?{unit}?")
    )
    return f"{_number(value, unit, properties.get('decimals'))} {text}".strip(), color


def _number(value: float, unit: str, decimals: int | None) -> str:
    if unit == "locale":
        return f"{value:,.0f}"
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.4g}"


def text_of_nothing(properties: Mapping[str, Any]) -> tuple[str, str | None]:
    """What stands where a value is missing."""
    for mapping in properties.get("mappings", ()):
        if mapping["type"] == "special" and mapping["options"]["match"] == "null+nan":
            return mapping["options"]["result"]["text"], mapping["options"]["result"]["color"]
    return properties.get("noValue", "?"), None


def draw(panel: Json, series: Mapping[str, Points], start: float, end: float) -> str:
    """The SVG of a panel that is no table."""
    place = panel["gridPos"]
    width, height = place["w"] * COLUMN - 8, place["h"] * ROW - 34
    if panel["type"] in ("timeseries", "state-timeline"):
        series = {name: [point for point in points if point[0] >= start] for name, points in series.items()}
    every = shown(panel, series)
    if not any(each.points for each in every):
        none = panel["fieldConfig"]["defaults"].get("noValue", "?")
        return _svg(width, height, [_text(width / 2, height / 2, none, anchor="middle", color="#888")])
    kind = {"timeseries": _chart, "state-timeline": _timeline, "stat": _stat, "bargauge": _bars}[
        panel["type"]
    ]
    return _svg(width, height, kind(panel, every, width, height, start, end))


def _chart(
    panel: Json, every: Sequence[Shown], width: int, height: int, start: float, end: float
) -> list[str]:
    places, legend = _legend(panel, every[:10], width)
    bottom, left = height - legend - 22, 84
    values = [value for each in every for _, value in each.points]
    custom = panel["fieldConfig"]["defaults"]
    low: float = custom.get("min", min(values))
    high: float = custom.get("max", max(values))
    if high <= low:
        low, high = low - 1, high + 1
    margin = (high - low) * 0.08
    low = low if "min" in custom else low - margin
    high = high if "max" in custom else high + margin

    def x(seconds: float) -> float:
        return left + (seconds - start) / (end - start) * (width - left - 8)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - 6)

    parts = []
    for number in range(5):
        value = low + (high - low) * number / 4
        text, _ = text_of(value, every[0].properties)
        parts.append(_line(left, y(value), width - 8, y(value), "#ddd"))
        parts.append(_text(left - 6, y(value) + 4, text, anchor="end"))
    bounds = [step["value"] for step in custom.get("thresholds", {}).get("steps", ())]
    parts += [
        _line(left, y(bound), width - 8, y(bound), "#E0A100", dash="6 4")
        for bound in bounds
        if bound is not None and low <= bound <= high
    ]
    gap = 1.5 * float(str(panel["interval"]).removesuffix("s"))
    for index, each in enumerate(every[:10]):
        run: list[str] = []
        before: float | None = None
        for seconds, value in each.points:
            if before is not None and seconds - before > max(gap, (end - start) / 100):
                parts.append(_polyline(run, each.color))
                run = []
            run.append(f"{x(seconds):.1f},{y(value):.1f}")
            before = seconds
        parts.append(_polyline(run, each.color))
        last, _ = text_of(each.points[-1][1], each.properties) if each.points else ("", None)
        across, down = places[index]
        top = bottom + 36 + down
        parts.append(f'<rect x="{left + across}" y="{top - 9}" width="14" height="4" fill="{each.color}"/>')
        in_table = panel["options"]["legend"]["displayMode"] == "table"
        parts.append(_text(left + across + 20, top - 2, f"{each.label}   {last if in_table else ''}"))
    return parts


def _legend(panel: Json, every: Sequence[Shown], width: int) -> tuple[list[tuple[int, int]], int]:
    """Where each name stands, and the height of all: a table has a line for each, a list fills its lines."""
    if panel["options"]["legend"]["displayMode"] == "table":
        return [(0, 18 * index) for index in range(len(every))], 18 * len(every)
    places = []
    across = down = 0
    for each in every:
        wide = 40 + sum(13 if character > "ÿ" else 7 for character in each.label)
        if across and across + wide > width - 90:
            across, down = 0, down + 18
        places.append((across, down))
        across += wide
    return places, down + 18


def _timeline(
    panel: Json, every: Sequence[Shown], width: int, height: int, start: float, end: float
) -> list[str]:
    left, row = 150, height / max(len(every), 1)
    step = float(str(panel["interval"]).removesuffix("s"))
    parts = []
    for index, each in enumerate(every):
        parts.append(_text(left - 6, row * (index + 0.5) + 4, each.label, anchor="end"))
        merged: list[list[float]] = []
        for seconds, value in each.points:
            if merged and merged[-1][2] == value and seconds - merged[-1][1] <= step * 1.5:
                merged[-1][1] = seconds
            else:
                merged.append([seconds, seconds, value])
        for begin, last, value in merged:
            text, color = text_of(value, each.properties)
            x0 = left + max(begin - start, 0) / (end - start) * (width - left)
            wide = max((last + step - begin) / (end - start) * (width - left), 2)
            place = f'x="{x0:.1f}" y="{row * index + 2:.1f}" width="{wide:.1f}" height="{row - 4:.1f}"'
            parts.append(f'<rect {place} fill="{color or "#f0f"}"/>')
            if wide > 12 * len(text) or wide > 60:
                parts.append(_text(x0 + 4, row * (index + 0.5) + 4, text))
    return parts


def _stat(
    panel: Json, every: Sequence[Shown], width: int, height: int, start: float, end: float
) -> list[str]:
    parts = []
    for index, each in enumerate(every):
        text, color = text_of(each.points[-1][1], each.properties)
        top = height * (index + 0.6) / len(every)
        size = 30 if len(every) == 1 else min(22, height / len(every) * 0.7)
        label = f"{each.label}  " if len(every) > 1 or panel["options"].get("textMode") != "value" else ""
        parts.append(
            _text(width / 2, top, label + text, anchor="middle", size=size, color=color or each.color)
        )
    return parts


def _bars(
    panel: Json, every: Sequence[Shown], width: int, height: int, start: float, end: float
) -> list[str]:
    most = max((each.points[-1][1] for each in every if each.points), default=1) or 1
    row = min(28.0, height / len(every))
    parts = []
    for index, each in enumerate(sorted(every, key=lambda one: -one.points[-1][1])):
        text, _ = text_of(each.points[-1][1], each.properties)
        wide = max(each.points[-1][1] / most * (width - 330), 1)
        place = f'x="200" y="{row * index + 3:.1f}" width="{wide:.1f}" height="{row - 6:.1f}"'
        parts.append(f'<rect {place} fill="{each.color}"/>')
        parts.append(_text(194, row * (index + 0.5) + 4, each.label, anchor="end"))
        parts.append(_text(206 + wide, row * (index + 0.5) + 4, text))
    return parts


_KINDS = {"timeseries": _chart, "state-timeline": _timeline, "stat": _stat, "bargauge": _bars}


def table(panel: Json, rows: Mapping[str, Mapping[str, float | str]], first: str) -> str:
    """The HTML of a table; the columns are those that are not hidden."""
    of = {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
        for each in panel["fieldConfig"]["overrides"]
    }
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    for step in panel.get("transformations", ()):
        options = step.get("options", {})
        excluded, places = options.get("excludeByName", {}), options.get("indexByName") or {}
        called = {options.get("renameByName", {}).get(name, name): place for name, place in places.items()}
        columns = [name for name in columns if not excluded.get(name)]
        columns.sort(key=lambda name: called.get(name, len(columns)) if called else 0)
    columns = [
        name
        for name in columns
        if not of.get(name, {}).get("custom.hidden") and not of.get(name, {}).get("custom.hideFrom")
    ]
    defaults = panel["fieldConfig"]["defaults"]
    head = [of.get(first, {}).get("displayName", first)]
    head += [of.get(name, {}).get("displayName", name) for name in columns]
    lines = ["<tr>" + "".join(f"<th>{escape(str(text))}</th>" for text in head) + "</tr>"]
    for key, row in rows.items():
        cells = [f"<td>{escape(key)}</td>"]
        for name in columns:
            properties = {**defaults, **of.get(name, {})}
            text, color = text_of(row[name], properties) if name in row else text_of_nothing(properties)
            style = f" style='background:{color}'" if color and "mappings" in properties else ""
            cells.append(f"<td{style}>{escape(text)}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return f'<svg width="{width}" height="{height}">{"".join(parts)}</svg>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", color: str = "#222", size: float = 12
) -> str:
    style = f'text-anchor="{anchor}" fill="{color}" font-size="{size:.0f}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, color: str, dash: str = "") -> str:
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-dasharray="{dash}"/>'


def _polyline(points: Sequence[str], color: str) -> str:
    if len(points) == 1:
        x, _, y = points[0].partition(",")
        return f'<circle cx="{x}" cy="{y}" r="2" fill="{color}"/>'
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="1.5"/>'
