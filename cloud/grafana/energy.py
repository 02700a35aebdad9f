"""The dashboard *energy*: what counters of meters and machines rose by, and power over time."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import Board, Selection
from cloud.grafana.edge_queries import MAX_SERIES
from cloud.grafana.panels import GRID, Panel, unit_name
from cloud.grafana.queries import Json
from cloud.grafana.same_points import energy_points, power_points
from qilu.contract.display import display_unit
from qilu.contract.display.palette import SERIES_COLORS
from qilu.contract.profile import Label

NAME = "energy"
POWER = "power"
MAX_COUNTERS, MAX_POWERS = 8, 3


def energy(chosen: Selection) -> Board:
    """The dashboard of energy, today."""
    return Board(
        NAME,
        Label(zh="用能", en="Energy"),
        Label(
            zh="电表和设备自身计数器在所选时间内的增量，以及功率。",
            en="By how much the counters of meters and machines rose in the time shown, and power.",
        ),
        chosen,
        [*list(_counters(chosen))[:MAX_COUNTERS], *_powers(chosen)],
        "/d",
        "5m",
    )


def _counters(chosen: Selection) -> Iterator[Panel]:
    unit = unit_name(display_unit("kWh", chosen.language).unit)
    for groups, point in energy_points(chosen.profiles):
        names = ", ".join(profile for group in groups for profile in group.profiles)
        title = point.label.text(chosen.language) or point.name
        defaults: Json = {
            "unit": unit, "min": 0, "decimals": 1, "noValue": chosen.term("no_data"),
            "color": {"mode": "fixed", "fixedColor": SERIES_COLORS[0]},
        }  # fmt: skip
        about = chosen.text(
            f"计数器 {point.name} 在所选时间内的增量，已剔除回零。模板：{names}。",
            f"The rise of the counter {point.name} in the time shown, over resets. Profiles: {names}.",
        )
        targets = [chosen.devices.growth(group) for group in groups]
        yield Panel("bargauge", title, about, targets, GRID // 2, 8, 60, defaults, options=_BARS)


def _powers(chosen: Selection) -> Iterator[Panel]:
    for of, point in list(power_points(chosen.profiles, POWER, chosen.language))[:MAX_POWERS]:
        unit = display_unit(point.unit, chosen.language).unit
        yield chosen.lines(
            chosen.text(f"功率（{unit}）", f"Power ({unit})"),
            chosen.text("各设备的功率。", "Power of each device. ") + chosen.device_limit(MAX_SERIES),
            chosen.devices.values(of),
            unit_name(unit),
            interval_s=300,
            width=GRID,
        )


_BARS: Json = {
    "orientation": "horizontal", "displayMode": "basic", "valueMode": "text", "showUnfilled": False,
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
}  # fmt: skip
