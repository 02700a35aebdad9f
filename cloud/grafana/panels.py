"""How Grafana spells a panel: classic JSON, laid out in a grid of 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.grafana.queries import Json

GRID = 24
UNITS = {
    "": "none", "bar": "pressurebar", "mbar": "pressurembar", "°C": "celsius", "%": "percent", "kW": "kwatt",
    "W": "watt", "kWh": "kwatth", "Wh": "watth", "V": "volt", "A": "amp", "rpm": "rotrpm", "Hz": "hertz",
    "kVA": "kvoltamp", "VA": "voltamp", "kvar": "kvoltampreact", "var": "voltampreact", "h": "h", "s": "s",
}  # fmt: skip
"""Display units that Grafana knows by a name; any other follows the number as it is."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel without its place."""

    kind: str
    title: str
    description: str
    targets: Sequence[Json]
    width: int
    height: int
    interval_s: float
    """Seconds below which an interval of the chart makes no sense."""
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()


def unit_name(unit: str) -> str:
    """The unit of a field as Grafana writes it."""
    return UNITS.get(unit, f"suffix: {unit}")


def override(series: str, **properties: object) -> Json:
    """How the series of this name is shown; `__` in a key stands for the dot of Grafana's."""
    return {
        "matcher": {"id": "byName", "options": series},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def texts_of_codes(texts: Mapping[int, tuple[str, str]]) -> list[Json]:
    """A value mapping: code -> its text and colour."""
    options = {
        str(code): {"text": text, "color": color, "index": index}
        for index, (code, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def steps_of(below: str, *steps: tuple[float, str]) -> Json:
    """Thresholds: a colour, and others from a value on."""
    above = [{"value": value, "color": color} for value, color in steps]
    return {"mode": "absolute", "steps": [{"value": None, "color": below}, *above]}


def laid_out(panels: Iterable[Panel], source: str) -> Iterator[Json]:
    """Each panel as JSON with its id and place, filling the grid from left to right."""
    left = top = height = 0
    for number, panel in enumerate(panels, 1):
        if left + panel.width > GRID:
            top, left, height = top + height, 0, 0
        place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
        yield _json(panel, number, place, source)
        left, height = left + panel.width, max(height, panel.height)


def _json(panel: Panel, number: int, place: Json, source: str) -> Json:
    datasource = {"type": source, "uid": "${datasource}"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": datasource,
        "gridPos": place,
        "interval": f"{panel.interval_s:g}s",
        "maxDataPoints": 1000,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": datasource, **target}
            for index, target in enumerate(panel.targets)
        ],
        "transformations": list(panel.transformations),
        "fieldConfig": {"defaults": panel.defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
    }
