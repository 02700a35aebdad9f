"""The row of the dashboard that tells at a glance how it is: numbers, how fresh, and what was bad."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.dialects import EDGES, LAST_HEARD, value_rows
from deploy.grafana.i18n import LINK_WORDS, REASON_WORDS
from deploy.grafana.panel_factory import PanelFactory
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Row, Text, column, series, stat, table

_ALARM_ABOVE_0 = ((None, GREEN), (1, ORANGE))


def overview(factory: PanelFactory) -> Row:
    """How it is, at a glance."""
    return Row(
        Text("总览", "Overview"),
        (
            *_devices(factory),
            *_rates(factory),
            *_road(factory),
            _freshness(factory),
            _reasons(factory),
            _rates_over_time(factory),
        ),
    )


def _devices(factory: PanelFactory) -> Sequence[Panel]:
    """How many there are, and how many do not answer."""
    ask = factory.language
    return (
        stat(
            Text("设备与网关", "Devices and gateways"),
            Text("所选时间内有数据的设备和网关。", "Those that were heard of in the time shown."),
            "none",
            [ask.device_count()],
            calc="count" if ask.count_rows() else "lastNotNull",
        ).but(transformations=ask.count_rows()),
        factory.edge_stat("offline_devices", Text("离线设备", "Offline devices"), "none", _ALARM_ABOVE_0),
    )


def _rates(factory: PanelFactory) -> Sequence[Panel]:
    """How many values come, and how many of them are bad."""
    ask = factory.language
    return (
        stat(
            Text("采集速率", "Points per second"),
            Text(
                "各网关每秒采集的点数，取时段平均。", "Values collected, good or not: mean of the time shown."
            ),
            "cps",
            [ask.rate("gateway", "points", "s", whose=EDGES)],
            calc="mean",
        ).but(every=20),
        stat(
            Text("坏值速率", "Bad values per second"),
            Text("每秒质量不为“好”的点数，取时段平均。", "Values that are not good: mean of the time shown."),
            "cps",
            [ask.rate("gateway", "bad_points", "s", whose=EDGES)],
            calc="mean",
            colors=((None, GREEN), (0.01, ORANGE)),
        ).but(every=20),
    )


def _road(factory: PanelFactory) -> Sequence[Panel]:
    """Whether what was collected gets away."""
    return (
        factory.edge_stat(
            "spool_records", Text("缓存深度", "Spool depth"), "none", ((None, GREEN), (1000, ORANGE))
        ),
        factory.edge_stat(
            "broker_connected",
            Text("上云链路", "Link to the broker"),
            "none",
            ((None, RED), (1, GREEN)),
            LINK_WORDS,
        ),
    )


def _freshness(factory: PanelFactory) -> Panel:
    """When each device was heard last."""
    return table(
        Text("数据新鲜度", "Freshness"),
        Text("每台设备最近一条数据的时间。", "When the last value of each device was measured."),
        "dateTimeFromNow",
        [factory.language.heard()],
        [column(LAST_HEARD, unit="dateTimeFromNow")],
    ).but(transformations=factory.language.heard_rows())


def _reasons(factory: PanelFactory) -> Panel:
    """How often values were bad, and why."""
    counted = {
        "Value": {"operation": "groupby", "aggregations": []},
        "Time": {"operation": "aggregate", "aggregations": ["count"]},
    }
    reason, times = "原因 / Reason", "次数 / Times"
    shown = {"renameByName": {"Value": reason, "Time (count)": times}}
    return table(
        Text("坏值原因", "Bad values by reason"),
        Text("每个点位在每个时间间隔内计一次。", "Each point counts once in each interval."),
        "none",
        [factory.language.reasons()],
        [column(reason, mappings=REASON_WORDS), column(times, unit="short")],
    ).but(
        transformations=[
            *value_rows(),
            {"id": "groupBy", "options": {"fields": counted}},
            {"id": "organize", "options": shown},
        ]
    )


def _rates_over_time(factory: PanelFactory) -> Panel:
    """The course of both rates."""
    ask, points, bad = factory.language, Text("采集点数", "Points"), Text("坏值", "Bad values")
    return series(
        Text("采集点数与坏值", "Points and bad values per second"),
        Text("网关每秒采集的点数及其中的坏值。", "All values per second, and those that are not good."),
        "cps",
        [
            ask.rate("gateway", "points", "s", str(points), EDGES),
            ask.rate("gateway", "bad_points", "s", str(bad), EDGES),
        ],
    ).but(every=20)
