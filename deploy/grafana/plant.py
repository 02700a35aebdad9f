"""What the plant dashboard shows, from the whole to the single: all rows, and those about the plant."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.dialects import EDGES
from deploy.grafana.i18n import LINK_WORDS, REASON_WORDS, STATE_WORDS
from deploy.grafana.machines import energy, machining, production, utilities
from deploy.grafana.overview import overview
from deploy.grafana.panel_factory import PanelFactory
from deploy.grafana.panels import Row, Text, timeline


def rows(factory: PanelFactory) -> Sequence[Row]:
    """All rows in their order."""
    return (
        overview(factory),
        states(factory),
        energy(factory),
        utilities(factory),
        machining(factory),
        production(factory),
        completeness(factory),
        gateways(factory),
    )


def states(factory: PanelFactory) -> Row:
    """What the machines did, and where values are missing."""
    ask = factory.language
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


def completeness(factory: PanelFactory) -> Row:
    """What became of the values that were due; `qilu audit` compares it with the store."""
    return Row(
        Text("采集完整性", "Completeness"),
        (
            factory.account(
                "expected", Text("应采点数", "Values due"), Text("按计划应采", "Due by the schedule")
            ),
            factory.account(
                "no_reply",
                Text("无应答点数", "Values without an answer"),
                Text("设备未应答或不可达", "The device did not answer or was not reached"),
            ),
            factory.account(
                "missed",
                Text("漏采点数", "Values of skipped polls"),
                Text("因端口繁忙而跳过的采集", "Of polls that were skipped because the endpoint was busy"),
            ),
            factory.account(
                "offline_s",
                Text("离线秒数", "Seconds offline"),
                Text("设备离线的时间", "For how long the device was offline"),
                "s",
            ),
        ),
    )


def gateways(factory: PanelFactory) -> Row:
    """How the gateways are."""
    per_minute = Text("每分钟次数。", "Per minute.")
    return Row(
        Text("网关健康", "Gateway health"),
        (
            factory.edge_lines("spool_records", Text("缓存记录数", "Records in the spool"), "none"),
            factory.edge_lines("spool_bytes", Text("缓存占用", "Disk taken by the spool"), "decbytes"),
            factory.edge_rate("durable_records", Text("落库速率", "Records made durable"), "s"),
            factory.edge_rate("skipped_polls", Text("跳过的采集", "Skipped polls"), "min", per_minute),
            factory.edge_rate("timeouts", Text("应答超时", "Timeouts"), "min", per_minute),
            factory.edge_rate("reconnects", Text("设备重连", "Reconnections to machines"), "min", per_minute),
            factory.edge_lines("offline_devices", Text("离线设备数", "Devices that do not answer"), "none"),
            factory.edge_rate("resent_records", Text("重发记录", "Resent records"), "min", per_minute),
            timeline(
                Text("链路状态", "Link to the broker over time"),
                Text("网关与消息服务器的连接。", "Whether the gateway was connected to its broker."),
                [factory.language.states("gateway", "broker_connected", EDGES)],
                LINK_WORDS,
            ).but(every=20),
        ),
    )
