"""The dashboard *health*: gateways and ingesters, and how long a record takes to the store."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import FAULT, NORMAL, Board, Selection
from cloud.grafana.cause_texts import cause_mappings
from cloud.grafana.ingester_panels import ingesters
from cloud.grafana.panels import GRID, Panel, texts_of_codes
from qilu.contract.profile.point import Label

NAME = "health"
_LAST: tuple[tuple[str, str, Label, Label], ...] = (
    ("spool_records", "none", Label(zh="缓存记录数", en="Records in the spool"),
     Label(zh="还未落库、保存在边缘上的记录数。", en="Records kept on the edge, not durable yet.")),
    ("spool_bytes", "decbytes", Label(zh="缓存占用", en="Spool on disk"),
     Label(zh="缓存占用的磁盘空间，字节。", en="Bytes on the disk of the edge.")),
    ("backlog_records", "none", Label(zh="积压", en="Backlog"),
     Label(zh="既不在途也未落库的记录数。", en="Records that are neither on their way nor stored.")),
    ("quarantined_records", "none", Label(zh="隔离区", en="Quarantine"),
     Label(zh="被存储拒收、留在边缘上的记录数。", en="Records that the store rejected, kept on the edge.")),
)  # fmt: skip
_PER_SECOND: tuple[tuple[str, str, Label, Label], ...] = (
    ("points", "cps", Label(zh="采集速率", en="Values collected per second"),
     Label(zh="每秒采集的值数，不论好坏。", en="Values per second, good or not.")),
    ("durable_records", "cps", Label(zh="落库速率", en="Records made durable per second"),
     Label(zh="每秒由存储确认落库的记录数。", en="Records per second that the store has for good.")),
)  # fmt: skip
_PER_MINUTE: tuple[tuple[str, str, Label, Label], ...] = (
    ("timeouts", "cpm", Label(zh="应答超时", en="Timeouts per minute"),
     Label(zh="每分钟没有按时应答的请求数。", en="Requests per minute without a reply in time.")),
    ("skipped_polls", "cpm", Label(zh="跳过的采集", en="Skipped polls per minute"),
     Label(zh="每分钟因上一次采集过长而跳过的采集数。", en="Polls skipped per minute.")),
    ("reconnects", "cpm", Label(zh="设备重连", en="Reconnections per minute"),
     Label(zh="每分钟与设备重新建立的连接数。", en="Connections to equipment made anew, per minute.")),
    ("resent_records", "cpm", Label(zh="重发记录", en="Resent records per minute"),
     Label(zh="每分钟重复发送的记录数。", en="Records per minute that were sent more than once.")),
)  # fmt: skip


def health(chosen: Selection) -> Board:
    return Board(
        NAME,
        Label(zh="网关与入库", en="Gateways and ingesters"),
        Label(
            zh="网关的采集、缓存和上送，以及入库服务。",
            en="Collection, spool and delivery of gateways, and the ingesters.",
        ),
        chosen,
        [*_road(chosen), *_charts(chosen), *ingesters(chosen)],
        "-1h",
        "10s",
    )


def _road(chosen: Selection) -> Iterator[Panel]:
    """What is wrong, the link, and how long records are on the road."""
    ask, text = chosen.queries, chosen.text
    link = {0: (chosen.term("disconnected"), FAULT), 1: (chosen.term("connected"), NORMAL)}
    yield chosen.timeline(
        text("最严重的原因", "Worst cause"),
        text("各边缘报告的最严重原因；空白为无上报。", "What each edge reports; blank: no report."),
        ask.status("cause_code", "causes"),
        cause_mappings(chosen.language),
        6,
    )
    yield chosen.timeline(
        text("消息服务器", "Link to the broker"),
        text(
            "网关与消息服务器的连接；空白为无上报。", "Whether the gateway was connected; blank: no report."
        ),
        ask.status("broker_connected", lowest=True),
        texts_of_codes(link),
        6,
    )
    yield chosen.lines(
        text("入库延迟", "Pipeline latency"),
        text(
            "最早一条未落库记录已等待的秒数；0 表示没有记录在等。",
            "Seconds that the oldest record has waited for the store; 0: none waits.",
        ),
        ask.status("oldest_record_age_s"),
        "s",
        width=GRID,
        min=0,
    )


def _charts(chosen: Selection) -> Iterator[Panel]:
    ask, language = chosen.queries, chosen.language
    for point, unit, title, about in _PER_SECOND:
        yield chosen.lines(title.text(language), about.text(language), ask.rate(point, 1), unit, min=0)
    for point, unit, title, about in _LAST:
        yield chosen.lines(title.text(language), about.text(language), ask.status(point), unit, min=0)
    for point, unit, title, about in _PER_MINUTE:
        yield chosen.lines(title.text(language), about.text(language), ask.rate(point, 60), unit, min=0)
