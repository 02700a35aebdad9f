"""What the plant dashboard shows, from the whole to the single: all rows, and those about the plant."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.drawing import Drawing
from deploy.grafana.languages import EDGES, LAST_HEARD, value_rows
from deploy.grafana.machines import energy, machining, production, utilities
from deploy.grafana.panels import GREEN, ORANGE, RED, Panel, Row, Text, column, series, stat, table, timeline
from deploy.grafana.terms import LINK_WORDS, REASON_WORDS, STATE_WORDS

_ALARM_ABOVE_0 = ((None, GREEN), (1, ORANGE))


def rows(draw: Drawing) -> Sequence[Row]:
    """All rows in their order."""
    return (
        overview(draw),
        states(draw),
        energy(draw),
        utilities(draw),
        machining(draw),
        production(draw),
        completeness(draw),
        gateways(draw),
    )


def overview(draw: Drawing) -> Row:
    """How it is, at a glance."""
    ask = draw.language
    all_points = Text("采集点数", "Points")
    bad = Text("坏值", "Bad values")
    return Row(
        Text("总览", "Overview"),
        (
            stat(
                Text("设备与网关", "Devices and gateways"),
                Text("所选时间内有数据的设备和网关。", "Those that were heard of in the time shown."),
                "none",
                [ask.device_count()],
                calc="count" if ask.count_rows() else "lastNotNull",
            ).but(transformations=ask.count_rows()),
            draw.edge_stat("offline_devices", Text("离线设备", "Offline devices"), "none", _ALARM_ABOVE_0),
            stat(
                Text("采集速率", "Points per second"),
                Text(
                    "各网关每秒采集的点数，取时段平均。",
                    "Values collected, good or not: mean of the time shown.",
                ),
                "cps",
                [ask.rate("gateway", "points", "s", whose=EDGES)],
                calc="mean",
            ).but(every=20),
            stat(
                Text("坏值速率", "Bad values per second"),
                Text(
                    "每秒质量不为“好”的点数，取时段平均。",
                    "Values that are not good: mean of the time shown.",
                ),
                "cps",
                [ask.rate("gateway", "bad_points", "s", whose=EDGES)],
                calc="mean",
                colors=((None, GREEN), (0.01, ORANGE)),
            ).but(every=20),
            draw.edge_stat(
                "spool_records", Text("缓存深度", "Spool depth"), "none", ((None, GREEN), (1000, ORANGE))
            ),
            draw.edge_stat(
                "link",
                Text("上云链路", "Link to the broker"),
                "none",
                ((None, RED), (1, GREEN)),
                LINK_WORDS,
            ),
            table(
                Text("数据新鲜度", "Freshness"),
                Text("每台设备最近一条数据的时间。", "When the last value of each device was measured."),
                "dateTimeFromNow",
                [ask.heard()],
                [column(LAST_HEARD, unit="dateTimeFromNow")],
            ).but(transformations=ask.heard_rows()),
            _reasons_table(draw),
            series(
                Text("采集点数与坏值", "Points and bad values per second"),
                Text(
                    "网关每秒采集的点数及其中的坏值。",
                    "All values per second, and those that are not good.",
                ),
                "cps",
                [
                    ask.rate("gateway", "points", "s", str(all_points), EDGES),
                    ask.rate("gateway", "bad_points", "s", str(bad), EDGES),
                ],
            ).but(every=20),
        ),
    )


def _reasons_table(draw: Drawing) -> Panel:
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
        [draw.language.reasons()],
        [column(reason, mappings=REASON_WORDS), column(times, unit="short")],
    ).but(
        transformations=[
            *value_rows(),
            {"id": "groupBy", "options": {"fields": counted}},
            {"id": "organize", "options": shown},
        ]
    )


def states(draw: Drawing) -> Row:
    """What the machines did, and where values are missing."""
    ask = draw.language
    return Row(
        Text("状态", "States"),
        (
            timeline(
                Text("设备状态", "State of the machines"),
                Text(
                    "各设备的运行状态；空白表示没有数据。",
                    "What each machine was doing; blank: no value.",
                ),
                [ask.states(None, "state")],
                STATE_WORDS,
            ).but(width=12, height=10),
            timeline(
                Text("坏值及原因", "Bad values and why"),
                Text(
                    "哪个点位在何时没有可信的值，以及原因。设备很多时请先选择设备。",
                    "Which point had no value to trust, when and why. Choose devices if there are many.",
                ),
                ask.reasons_over_time(),
                REASON_WORDS,
            ).but(width=12, height=10, transformations=ask.reason_series()),
        ),
    )


def completeness(draw: Drawing) -> Row:
    """What became of the values that were due; `qilu audit` compares it with the store."""
    return Row(
        Text("采集完整性", "Completeness"),
        (
            draw.account(
                "expected", Text("应采点数", "Values due"), Text("按计划应采", "Due by the schedule")
            ),
            draw.account(
                "silent",
                Text("无应答点数", "Values without an answer"),
                Text("设备未应答或不可达", "The device did not answer or was not reached"),
            ),
            draw.account(
                "missed",
                Text("漏采点数", "Values of missed turns"),
                Text("因端口繁忙跳过的轮次", "Of turns that were skipped because the endpoint was busy"),
            ),
            draw.account(
                "offline_s",
                Text("离线秒数", "Seconds offline"),
                Text("设备离线的时间", "For how long the device was offline"),
                "s",
            ),
        ),
    )


def gateways(draw: Drawing) -> Row:
    """How the gateways are."""
    per_minute = Text("每分钟次数。", "Per minute.")
    return Row(
        Text("网关健康", "Gateway health"),
        (
            draw.edge_lines("spool_records", Text("缓存记录数", "Records in the spool"), "none"),
            draw.edge_lines("spool_bytes", Text("缓存占用", "Disk taken by the spool"), "decbytes"),
            draw.edge_rate("durable_records", Text("落库速率", "Records made durable"), "s"),
            draw.edge_rate("missed_turns", Text("漏采轮次", "Missed turns"), "min", per_minute),
            draw.edge_rate("timeouts", Text("应答超时", "Time-outs"), "min", per_minute),
            draw.edge_rate("reconnects", Text("设备重连", "Reconnections to machines"), "min", per_minute),
            draw.edge_lines("offline_devices", Text("离线设备数", "Devices that do not answer"), "none"),
            draw.edge_rate("sent_again_records", Text("重发记录", "Records sent again"), "min", per_minute),
            timeline(
                Text("链路状态", "Link to the broker over time"),
                Text("网关与消息服务器的连接。", "Whether the gateway was connected to its broker."),
                [draw.language.states("gateway", "link", EDGES)],
                LINK_WORDS,
            ).but(every=20),
        ),
    )
