"""The dashboard of one machine, made from its profile: states, values by unit, counters, and missing data."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cloud.grafana.panels import GRID, Panel, laid_out, override, texts_of_codes, unit_name
from cloud.grafana.queries import VARIABLES, InfluxqlQueries, Json, PromqlQueries, StoreQueries
from qilu.contract.display import (
    REASONS,
    STATE_COLORS,
    TERMS,
    Language,
    decimals,
    display_unit,
    machine_state,
)
from qilu.contract.display.palette import QUALITY_COLORS, SERIES_COLORS
from qilu.contract.profile import SERVE_COUNTER, DataType, DeviceProfile, Point
from qilu.contract.reading import Quality

STORES: dict[str, type[StoreQueries]] = {"influx": InfluxqlQueries, "victoria": PromqlQueries}
SCHEMA = 42
"""Of the classic model; Grafana brings it up to what it uses itself."""
MAX_UID = 40
MAX_SERIES = 8
"""Lines of one chart."""
MAX_LABELS = 3
QUIET = "#E4E7EA"
"""Of a signal that is off, and of a code such as "no alarm"."""
NOTHING = ("none", "no alarm")
LANE_HEIGHT, LANE_ROW = 2, 0.6
"""Height of the lanes of data states, and more for each lane, in cells of the grid."""
"""Points that the title of a chart names."""
MAX_COUNTER_PANELS = 2
MAX_CHARTS = 14
"""Charts of values: with the other panels a dashboard asks at most 20 queries when it is opened."""
_TEXTS = {
    "title": {"zh": "设备", "en": "Machine"},
    "state": {"zh": "运行状态", "en": "State"},
    "signals": {"zh": "信号", "en": "Signals"},
    "growth": {"zh": "本时段累计", "en": "Counted in the time shown"},
    "lane": {"zh": "数据状态", "en": "Data state"},
    "good": {"zh": "无异常", "en": "nothing bad"},
    "points": {"zh": "点位：", "en": "Points: "},
    "gap": {"zh": "空白为无数据，不补 0，也不连线。", "en": "Blank: no data; nothing is filled or joined."},
    "rise": {
        "zh": "所选时间内计数器的增量，已剔除回零。",
        "en": "The rise of the counters in the time shown, over resets.",
    },
    "why": {
        "zh": "数值不好的时段及原因；空白表示无异常，或整段无数据。",
        "en": "When values were not good, and why; blank: nothing bad, or no data at all.",
    },
    "on": {"zh": "是", "en": "yes"}, "off": {"zh": "否", "en": "no"},
    "normal": {"zh": "虚线为正常范围。", "en": "Dashed: the normal range."},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MachineDashboard:
    """What is chosen for one file: a profile, a store and a language."""

    profile: DeviceProfile
    store: str
    language: Language

    @property
    def queries(self) -> StoreQueries:
        return STORES[self.store]()

    @property
    def uid(self) -> str:
        """Fixed by profile, store and language, so that links and a new version meet the same dashboard."""
        text = f"qilu-{self.store}-{self.language}-{self.profile.profile}"
        if len(text) <= MAX_UID:
            return text
        return f"{text[: MAX_UID - 9]}-{zlib.crc32(text.encode()):08x}"

    def json(self) -> Json:
        title = self.profile.title.text(self.language) or self.profile.profile
        return {
            "id": None,
            "uid": self.uid,
            "title": f"{title} · {self._text('title')}",
            "description": f"{self.profile.profile}: {self.profile.source}".rstrip(": "),
            "tags": ["qilu", "qilu-machine"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "10s",
            "graphTooltip": 1,
            "templating": {"list": list(self._variables())},
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards", "tags": ["qilu"], "title": "Qilu", "asDropdown": True,
                    "keepTime": True, "includeVars": True, "targetBlank": False, "icon": "external link",
                    "tooltip": "", "url": "",
                }
            ],
            "panels": list(laid_out(self._panels(), self.queries.source)),
        }  # fmt: skip

    def _panels(self) -> Iterator[Panel]:
        points = [point for point in self.profile.points if point.readable and point.name != SERVE_COUNTER]
        states = [point for point in points if point.enum]
        gauges = [point for point in points if _is_gauge(point)]
        bools = [point for point in points if point.type is DataType.BOOL and not point.enum]
        yield from self._states(states[:MAX_SERIES])
        yield from list(self._charts(gauges))[:MAX_CHARTS]
        yield from self._signals(bools[:MAX_SERIES])
        counters = [point for point in points if point.kind == "counter" and point.type.is_number]
        yield from self._counters(counters)
        numbers = [point for point in points if point.type.is_number or point in bools]
        yield from self._lanes((gauges or numbers)[:MAX_SERIES])

    def _states(self, points: Sequence[Point]) -> Iterator[Panel]:
        if points:
            codes = self.queries.codes(self.profile.profile, _names(points))
            lines = [
                override(point.name, displayName=self._label(point), mappings=self._codes(point))
                for point in points
            ]
            yield self._timeline("state", points, codes, lines, {"noValue": self._term("no_data")})

    def _signals(self, points: Sequence[Point]) -> Iterator[Panel]:
        if points:
            texts = {0: (self._text("off"), QUIET), 1: (self._text("on"), SERIES_COLORS[0])}
            codes = self.queries.codes(self.profile.profile, _names(points))
            more: Json = {"mappings": texts_of_codes(texts), "noValue": self._term("no_data")}
            yield self._timeline("signals", points, codes, self._named(points), more)

    def _timeline(
        self, title: str, points: Sequence[Point], target: Json, lines: Sequence[Json], more: Json
    ) -> Panel:
        return Panel(
            kind="state-timeline",
            title=self._text(title),
            description=self._about(points),
            targets=[target],
            width=GRID,
            height=3 + len(points),
            interval_s=self._interval(points),
            defaults={"custom": {"fillOpacity": 85, "lineWidth": 0}, **more},
            overrides=lines,
            options=_TIMELINE,
        )

    def _named(self, points: Sequence[Point]) -> list[Json]:
        return [override(point.name, displayName=self._label(point)) for point in points]

    def _charts(self, points: Sequence[Point]) -> Iterator[Panel]:
        """A chart with its band for each value with a normal range; the others share one chart a unit."""
        banded = [point for point in points if point.normal is not None]
        alone = banded if len(banded) <= MAX_CHARTS // 2 else []
        for point in alone:
            yield self._chart(point.unit, [point])
        by_unit: dict[str, list[Point]] = {}
        for point in points:
            if point not in alone:
                by_unit.setdefault(point.unit, []).append(point)
        for unit, group in by_unit.items():
            for start in range(0, len(group), MAX_SERIES):
                yield self._chart(unit, group[start : start + MAX_SERIES])

    def _chart(self, unit: str, points: Sequence[Point]) -> Panel:
        shown = display_unit(unit, self.language)
        lines = [
            override(
                point.name,
                displayName=self._label(point),
                decimals=decimals(point, shown),
                color={"mode": "fixed", "fixedColor": SERIES_COLORS[index]},
            )
            for index, point in enumerate(points)
        ]
        custom: Json = {"lineInterpolation": "linear", "spanNulls": False, "showPoints": "auto"}
        defaults: Json = {"unit": unit_name(shown.unit), "custom": custom, "noValue": self._term("no_data")}
        about = self._about(points)
        if len(points) == 1 and (band := points[0].normal) is not None:
            custom["thresholdsStyle"] = {"mode": "dashed"}
            bounds = (None if bound is None else shown.shown(bound) for bound in (band.min, band.max))
            defaults["thresholds"] = _steps(*bounds)
            space = "" if self.language == "zh" else " "
            about = f"{about}{space}{self._text('normal')}"
        return Panel(
            kind="timeseries",
            title=self._titled(points),
            description=about,
            targets=[self.queries.values(self.profile.profile, _names(points), shown.factor, shown.offset)],
            width=12,
            height=8,
            interval_s=self._interval(points),
            defaults=defaults,
            overrides=lines,
            options=_CHART,
        )

    def _titled(self, points: Sequence[Point]) -> str:
        """The labels of the first points."""
        labels = [self._label(point) for point in points[:MAX_LABELS]]
        return ("、" if self.language == "zh" else ", ").join(labels) + " …" * (len(points) > MAX_LABELS)

    def _counters(self, points: Sequence[Point]) -> Iterator[Panel]:
        by_unit: dict[str, list[Point]] = {}
        for point in points:
            by_unit.setdefault(point.unit, []).append(point)
        for unit, group in list(by_unit.items())[:MAX_COUNTER_PANELS]:
            shown, chosen = display_unit(unit, self.language), group[:MAX_SERIES]
            space = "" if self.language == "zh" else " "
            yield Panel(
                kind="stat",
                title=self._growth_title(chosen),
                description=f"{self._text('rise')}{space}{self._about(chosen)}",
                targets=[self.queries.growth(self.profile.profile, _names(chosen), shown.factor)],
                width=12,
                height=5,
                interval_s=self._interval(chosen),
                defaults={
                    "unit": unit_name(shown.unit),
                    "color": {"mode": "fixed", "fixedColor": SERIES_COLORS[0]},
                    "noValue": self._term("no_data"),
                },
                overrides=[
                    override(point.name, displayName=self._label(point), decimals=decimals(point, shown))
                    for point in chosen
                ],
                options=_NUMBERS,
            )

    def _growth_title(self, points: Sequence[Point]) -> str:
        """With the labels of the counters, so that no two panels have one title."""
        name, of = self._text("growth"), self._titled(points)
        return f"{name}：{of}" if self.language == "zh" else f"{name}: {of}"

    def _lanes(self, points: Sequence[Point]) -> Iterator[Panel]:
        if not points:
            return
        color = QUALITY_COLORS[Quality.BAD]
        texts = {reason.code: (label.text(self.language), color) for reason, label in REASONS.items()}
        codes = self.queries.reasons(self.profile.profile, _names(points))
        more: Json = {"mappings": texts_of_codes(texts), "noValue": self._text("good")}
        lane = self._timeline("lane", points, codes, self._named(points), more)
        space = "" if self.language == "zh" else " "
        about = f"{self._text('why')}{space}{self._about(points)}"
        yield replace(lane, description=about, height=LANE_HEIGHT + math.ceil(len(points) * LANE_ROW))

    def _variables(self) -> Iterator[Json]:
        yield {
            "name": "datasource", "type": "datasource", "label": self._term("data_source"),
            "query": self.queries.source, "regex": "", "current": {}, "hide": 0, "refresh": 1, "options": [],
        }  # fmt: skip
        for name in VARIABLES:
            query = self.queries.choices(self.profile.profile, name)
            several = name not in ("edge", "device")
            yield {
                "name": name, "type": "query", "label": self._term(name),
                "datasource": {"type": self.queries.source, "uid": "${datasource}"},
                "query": query, "definition": query if isinstance(query, str) else query["query"],
                "multi": several, "includeAll": several, "refresh": 2, "sort": 7, "hide": 0, "options": [],
                **({"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}} if several
                   else {"current": {}}),
            }  # fmt: skip

    def _codes(self, point: Point) -> list[Json]:
        texts = {}
        for index, (code, label) in enumerate(point.enum.items()):
            state = machine_state(label)
            color = STATE_COLORS[state] if state != "unknown" else SERIES_COLORS[index % len(SERIES_COLORS)]
            color = QUIET if label.en.lower() in NOTHING else color
            texts[code] = (label.text(self.language) or str(code), color)
        return texts_of_codes(texts)

    def _interval(self, points: Sequence[Point]) -> float:
        return max(10.0, 2 * max(self.profile.groups[point.group] for point in points))

    def _about(self, points: Sequence[Point]) -> str:
        end = "。" if self.language == "zh" else ". "
        return f"{self._text('points')}{', '.join(_names(points))}{end}{self._text('gap')}"

    def _label(self, point: Point) -> str:
        return point.label.text(self.language) or point.name

    def _text(self, name: str) -> str:
        return _TEXTS[name][self.language]

    def _term(self, name: str) -> str:
        return TERMS[name].text(self.language)


_TIMELINE: Json = {
    "mergeValues": True, "showValue": "auto", "rowHeight": 0.85, "alignValue": "left",
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
    "tooltip": {"mode": "single", "sort": "none"},
}  # fmt: skip


_CHART: Json = {
    "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
    "tooltip": {"mode": "multi", "sort": "none"},
}
_NUMBERS: Json = {
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    "graphMode": "none", "colorMode": "none", "textMode": "value_and_name",
}  # fmt: skip


def _is_gauge(point: Point) -> bool:
    return point.type.is_number and point.kind == "gauge" and not point.enum and not point.identity


def _names(points: Sequence[Point]) -> list[str]:
    return [point.name for point in points]


def _steps(low: float | None, high: float | None) -> Json:
    """Lines at the bounds of the normal range; inside it nothing is coloured."""
    outside, inside = QUALITY_COLORS[Quality.BAD], "transparent"
    steps: list[Json] = [{"value": None, "color": inside if low is None else outside}]
    if low is not None:
        steps.append({"value": round(low, 6), "color": inside})
    if high is not None:
        steps.append({"value": round(high, 6), "color": outside})
    return {"mode": "absolute", "steps": steps}
