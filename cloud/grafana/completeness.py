"""The dashboard *completeness*: what became of the values that were due, by edge and by device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cloud.alerting.rules import ENOUGH
from cloud.grafana.board import NORMAL, WARNING, Board, Selection
from cloud.grafana.device_queries import COMPLETENESS, MACHINE
from cloud.grafana.panels import GRID, Panel, override
from cloud.grafana.queries import Json
from qilu.contract.display.palette import SERIES_COLORS
from qilu.contract.profile import Label

NAME = "completeness"
INTERVAL_S = 300
"""Accounts come each minute."""
LOST: Mapping[str, Label] = {
    "no_reply": Label(zh="无应答", en="without a reply"),
    "refused": Label(zh="设备拒绝", en="refused by the device"),
    "invalid": Label(zh="数值无效", en="invalid value"),
    "missed": Label(zh="漏采（端口忙）", en="missed, endpoint busy"),
    "blocked": Label(zh="缓存不收", en="blocked by the spool"),
}
"""Points of the accounts that say why a value is no good one."""
COUNTED: Mapping[str, Label] = {
    "expected": Label(zh="应采值数", en="values due"),
    "good": Label(zh="好值数", en="good"),
    "uncertain": Label(zh="存疑", en="uncertain"),
    **LOST,
}


def completeness(chosen: Selection) -> Board:
    return Board(
        NAME,
        Label(zh="采集完整率", en="Completeness"),
        Label(
            zh="应采的值都去了哪里：按边缘、按设备、按原因。",
            en="What became of the values that were due: by edge, by device, by cause.",
        ),
        chosen,
        [*_numbers(chosen), *_charts(chosen), _devices(chosen)],
        "-24h",
    )


def completeness_number(chosen: Selection) -> Panel:
    """The completeness of what is chosen, as several dashboards show it."""
    return chosen.number(
        chosen.text("完整率", "Completeness"),
        chosen.text("所选时间内：好值 / 应采值。", "In the time shown: good values / values due."),
        chosen.queries.completeness(),
        "percentunit",
        ((None, WARNING), (ENOUGH, NORMAL)),
    )


def _numbers(chosen: Selection) -> Iterator[Panel]:
    text = chosen.text
    yield completeness_number(chosen)
    for point in ("expected", "good", "no_reply", "missed", "blocked"):
        name = COUNTED[point].text(chosen.language)
        yield chosen.number(
            name[0].upper() + name[1:],
            text(f"所选时间内的值数（{name}）。", f"Number of values in the time shown: {name}."),
            chosen.devices.account_total(point),
            "locale",
        )


def _charts(chosen: Selection) -> Iterator[Panel]:
    text = chosen.text
    yield chosen.lines(
        text("各边缘完整率", "Completeness by edge"),
        text("每个时间间隔内：好值 / 应采值，最多 10 个边缘。",
             "In each interval: good values / values due; at most 10 edges."),
        chosen.queries.completeness_over_time(),
        "percentunit",
        interval_s=INTERVAL_S,
        max=1,
    )  # fmt: skip
    causes = chosen.lines(
        text("缺数原因", "Values that are missing, by cause"),
        text("每个时间间隔内没有得到的值数，按原因。", "Number of values in each interval, by cause."),
        chosen.devices.accounts_over_time(tuple(LOST)),
        "locale",
        interval_s=INTERVAL_S,
        min=0,
    )
    yield replace(causes, overrides=[
        override(
            point, displayName=label.text(chosen.language),
            color={"mode": "fixed", "fixedColor": SERIES_COLORS[index]},
        )
        for index, (point, label) in enumerate(LOST.items())
    ])  # fmt: skip
    yield chosen.lines(
        text("设备离线时间", "Time offline by device"),
        text(
            "每个时间间隔内设备离线的秒数，最多 10 台。",
            "Seconds offline in each interval; at most 10 devices.",
        ),
        chosen.devices.account("offline_s"),
        "s",
        interval_s=INTERVAL_S,
        width=GRID,
        min=0,
    )


def _devices(chosen: Selection) -> Panel:
    text, rows = chosen.text, chosen.devices.rows()
    among = text("完整率最低的 10 个边缘中", " of the 10 lowest edges") if chosen.store == "victoria" else ""
    steps = [{"value": None, "color": WARNING}, {"value": ENOUGH, "color": NORMAL}]
    colored: Json = {"type": "color-text"}
    columns = [
        override(MACHINE, displayName=text("边缘/设备", "edge/device")),
        override("edge", displayName=chosen.term("edge")),
        override("device", displayName=chosen.term("device")),
        override(
            COMPLETENESS,
            displayName=chosen.term("completeness"),
            unit="percentunit",
            decimals=2,
            thresholds={"mode": "absolute", "steps": steps},
            color={"mode": "thresholds"},
            custom__cellOptions=colored,
        ),
        *(override(point, displayName=label.text(chosen.language)) for point, label in COUNTED.items()),
        override("offline_s", displayName=text("离线时间", "time offline"), unit="s"),
    ]
    return Panel(
        "table",
        text("设备（最差的在前）", "Devices, the worst first"),
        text(
            f"完整率 = 好值 / 应采值，{among}最低的 50 台设备；其余列为所选时间内的值数，离线时间以秒计。",
            f"Completeness = good values / values due, the 50 lowest devices{among}; the other columns are "
            "numbers of values in the time shown, the time offline is in seconds.",
        ),
        rows.targets,
        GRID,
        12,
        60,
        {"unit": "locale", "noValue": chosen.term("no_data"), "custom": {"filterable": True}},
        columns,
        {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
        rows.steps,
    )
