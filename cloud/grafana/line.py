"""The dashboard *line*: states, power and data states of the devices of a line, whatever their profiles."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import NORMAL, WARNING, Board, Selection
from cloud.grafana.completeness import completeness_number
from cloud.grafana.device_queries import MAX_LANES, PointOfProfiles
from cloud.grafana.edge_queries import MAX_SERIES
from cloud.grafana.panels import GRID, Panel, texts_of_codes, unit_name
from cloud.grafana.queries import Json
from cloud.grafana.same_points import enum_points, power_points
from qilu.contract.display import REASONS, STATE_COLORS, display_unit, machine_state
from qilu.contract.display.palette import QUALITY_COLORS, SERIES_COLORS
from qilu.contract.profile import Label, Point
from qilu.contract.reading import Quality

NAME = "line"
STATE, POWER = "state", "power"
"""Points that machines of different kinds have in common."""
MAX_STATES = 4
MAX_POWERS = 4


def line(chosen: Selection) -> Board:
    states = list(enum_points(chosen.profiles, STATE))[:MAX_STATES]
    return Board(
        NAME,
        Label(zh="产线", en="Line"),
        Label(
            zh="所选厂区和产线的设备：运行状态、功率、离线和数据状态。",
            en="The devices of the chosen site and line: states, power, time offline and data states.",
        ),
        chosen,
        [
            *_numbers(chosen),
            *(_states(chosen, of, point) for of, point in states),
            *_powers(chosen),
            _offline(chosen),
            *(_lane(chosen, of) for of, _ in states),
        ],
        "-1h",
        "10s",
    )


def _numbers(chosen: Selection) -> Iterator[Panel]:
    text = chosen.text
    yield completeness_number(chosen)
    yield chosen.number(
        text("离线时间", "Time offline"),
        text(
            "所选时间内全部设备离线的秒数之和。",
            "Seconds offline in the time shown, of all devices together.",
        ),
        chosen.devices.account_total("offline_s"),
        "s",
        ((None, NORMAL), (1, WARNING)),
    )


def _states(chosen: Selection, of: PointOfProfiles, point: Point) -> Panel:
    texts = {}
    for index, (code, label) in enumerate(point.enum.items()):
        state = machine_state(label)
        color = STATE_COLORS[state] if state != "unknown" else SERIES_COLORS[index % len(SERIES_COLORS)]
        texts[code] = (label.text(chosen.language) or str(code), color)
    return chosen.timeline(
        _title(chosen.term("state")),
        chosen.text("各设备的运行状态；空白为无数据。", "What each device reports; blank: no data. ")
        + chosen.device_limit(MAX_LANES),
        chosen.devices.codes(of),
        texts_of_codes(texts),
        10,
    )


def _powers(chosen: Selection) -> Iterator[Panel]:
    for of, point in list(power_points(chosen.profiles, POWER, chosen.language))[:MAX_POWERS]:
        unit = display_unit(point.unit, chosen.language).unit
        yield chosen.lines(
            chosen.text(f"功率（{unit}）", f"Power ({unit})"),
            chosen.text("各设备的功率。", "Power of each device. ") + chosen.device_limit(MAX_SERIES),
            chosen.devices.values(of),
            unit_name(unit),
            interval_s=10,
        )


def _offline(chosen: Selection) -> Panel:
    return chosen.lines(
        chosen.text("设备离线时间", "Time offline by device"),
        chosen.text(
            "每个时间间隔内设备离线的秒数，最多 10 台。",
            "Seconds offline in each interval; at most 10 devices.",
        ),
        chosen.devices.account("offline_s"),
        "s",
        interval_s=120,
        width=GRID,
        min=0,
    )


def _lane(chosen: Selection, of: PointOfProfiles) -> Panel:
    color = QUALITY_COLORS[Quality.BAD]
    texts = {reason.code: (label.text(chosen.language), color) for reason, label in REASONS.items()}
    mappings: list[Json] = texts_of_codes(texts)
    return chosen.timeline(
        _title(chosen.term("data_state")),
        chosen.text(
            "运行状态没有好值的时段及原因；空白表示无异常，或整段无数据。",
            "When the state was not good, and why; blank: nothing bad, or no data at all.",
        ),
        chosen.devices.reasons(of),
        mappings,
        8,
        chosen.text("无异常", "nothing bad"),
    )


def _title(term: str) -> str:
    return term[0].upper() + term[1:]
