"""The dashboard *fleet*: six numbers, and one row for each edge, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.alerting.rules import ENOUGH, ROOM_H
from cloud.grafana.board import FAULT, NORMAL, WARNING, Board, Selection
from cloud.grafana.cause_texts import cause_mappings
from cloud.grafana.completeness import completeness_number
from cloud.grafana.edge_queries import (
    COMPLETENESS,
    LAST_REPORT,
    SETTINGS_DIFFER,
    SITE,
    URGENCY,
    VERSION_DIFFERS,
    WAIT,
)
from cloud.grafana.panels import GRID, Panel, override, steps_of, texts_of_codes
from cloud.grafana.queries import Json
from qilu.contract.edge_info import SENTENCE_EN, SENTENCE_ZH, SETTINGS, VERSION
from qilu.contract.profile.point import Label

NAME = "fleet"
_KEPT = "var-edge=${__value.raw}&var-datasource=${datasource}&${__url_time_range}"
_COLORED: Json = {"type": "color-background", "mode": "basic"}
_ABOVE_0 = ((None, NORMAL), (1, WARNING))


def fleet(chosen: Selection) -> Board:
    return Board(
        NAME,
        Label(zh="边缘总览", en="Fleet"),
        Label(
            zh="全部边缘：是否上报、最严重的原因、完整率。最差的排在最前。",
            en="All edges: whether they report, the worst cause, completeness. The worst edge comes first.",
        ),
        chosen,
        [*_numbers(chosen), _edges(chosen), *_over_time(chosen)],
        "-24h",
    )


def _numbers(chosen: Selection) -> Iterator[Panel]:
    ask, text = chosen.queries, chosen.text
    yield chosen.number(
        text("在线边缘", "Edges that report"),
        text(
            "最近 150 秒有上报的边缘数；应有：入库服务配置 expected_edges 中的边缘数。",
            "Edges with a status in the last 150 s; expected: those of expected_edges of the ingesters.",
        ),
        [ask.reporting(text("在线", "reporting")), ask.expected(text("应有", "expected"))],
    )
    yield chosen.number(
        text("应答的设备", "Devices that answer"),
        text(
            "在线边缘的设备数减去离线设备数；应有：这些边缘的全部设备。",
            "Devices of these edges, without those offline; expected: all devices of these edges.",
        ),
        [ask.answering(text("应答", "answering")), ask.total("devices", text("应有", "expected"))],
    )
    yield completeness_number(chosen)
    yield chosen.number(
        text("每秒采集值数", "Values per second"),
        text("最近 5 分钟采集的值数 / 300 秒。", "Values collected in the last 5 minutes / 300 s."),
        ask.values_per_s(),
    )
    yield chosen.number(
        text("缓存不足 24 小时的边缘", "Edges with less than 24 h of room"),
        text(
            "在线边缘中，按当前速率、全部不上送时，缓存不足 24 小时就到上限的边缘数。",
            "Of the edges that report, those whose spool reaches a bound in less than 24 h at the present "
            "rate, if nothing is delivered.",
        ),
        ask.short_of_room(ROOM_H),
        steps=_ABOVE_0,
    )
    yield chosen.number(
        text("离线设备", "Devices offline"),
        text("在线边缘报告的离线设备数。", "Devices that do not answer their edge."),
        ask.total("offline_devices"),
        steps=_ABOVE_0,
    )


def _edges(chosen: Selection) -> Panel:
    text = chosen.text
    sentence = SENTENCE_ZH if chosen.language == "zh" else SENTENCE_EN
    rows = chosen.queries.rows(sentence)
    return Panel(
        "table",
        text("边缘（最差的在前）", "Edges, the worst first"),
        text(
            "所选时间内上报过的和应有的边缘，每个一行。先是从未上报和无上报的，再按原因编号（docs/console.md）排列；"
            "完整率 = 好值 / 应采值；最早积压以小时计；"
            "边缘自述、版本和配置（哈希，不含厂区和设备）为边缘最近一次的报告；"
            "与多数不同的版本和配置有标记；其余列取最近 150 秒的状态。",
            "One row for each edge that reported in the time shown or is expected: never reported, not "
            "reporting, then by the number of the cause (docs/console.md). Completeness = good values / "
            "values due; oldest backlog in hours; sentence, version and settings (a hash, without site and "
            "devices) as last reported, marked where unlike most edges; the other columns are of the last "
            "150 s.",
        ),
        rows.targets,
        GRID,
        12,
        60,
        {"unit": "none", "noValue": chosen.term("no_data"), "custom": {"filterable": True}},
        [*_of_state(chosen), *_of_delivery(chosen), *_of_texts(chosen, sentence)],
        {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
        rows.steps,
    )


def _of_state(chosen: Selection) -> Iterator[Json]:
    """Columns of the table of edges: which edge, what is wrong, since when, and how much of its values."""
    text = chosen.text
    link = {"title": text("打开", "Open"), "url": f"/d/{chosen.uid('health')}?{_KEPT}"}
    yield override("edge", displayName=chosen.term("edge"), links=[link])
    yield override(SITE, displayName=chosen.term("site"))
    yield override(
        "cause",
        displayName=text("最严重的原因", "worst cause"),
        mappings=cause_mappings(chosen.language),
        custom__cellOptions=_COLORED,
    )
    yield override("causes", displayName=text("原因数", "causes"))
    yield override(
        LAST_REPORT,
        displayName=chosen.term("last_reported"),
        unit="dateTimeFromNow",
        mappings=texts_of_codes({0: (text("从未", "never"), FAULT)}),
    )
    share = {"displayName": chosen.term("completeness"), "unit": "percentunit", "decimals": 2}
    yield override(COMPLETENESS, **share, **_warned_below(ENOUGH))
    yield override("offline_devices", displayName=text("离线设备", "devices offline"))
    yield override(URGENCY, custom__hidden=True)


def _of_delivery(chosen: Selection) -> Iterator[Json]:
    """Columns about spool, disk and clock."""
    text = chosen.text
    clock = {0: (text("存疑", "uncertain"), WARNING), 1: (text("已知", "known"), NORMAL)}
    yield override(WAIT, displayName=text("最早积压", "oldest backlog"), unit="h", decimals=1)
    room = {"displayName": text("缓存还能存", "room in spool"), "unit": "h", "decimals": 0}
    yield override("spool_hours_left", **room, **_warned_below(ROOM_H))
    yield override("disk_free_bytes", displayName=text("磁盘剩余", "disk free"), unit="decbytes", decimals=1)
    yield override("clock_known", displayName=text("时钟", "clock"), mappings=texts_of_codes(clock))
    yield override("clock_offset_s", displayName=text("时钟偏差", "clock offset"), unit="s", decimals=3)


def _of_texts(chosen: Selection, sentence: str) -> Iterator[Json]:
    """Columns of what an edge reports of itself in words, and how it compares with the others."""
    text = chosen.text
    marked = texts_of_codes(
        {0: (text("一致", "same"), NORMAL), 1: (text("与多数不同", "unlike most"), WARNING)}
    )
    yield override(sentence, displayName=text("边缘自述", "the edge's own sentence"), custom__width=420)
    yield override(VERSION, displayName=text("版本", "version"))
    yield override(SETTINGS, displayName=text("配置", "settings"))
    for flag, name in (
        (VERSION_DIFFERS, text("版本比较", "version compared")),
        (SETTINGS_DIFFER, text("配置比较", "settings compared")),
    ):
        yield override(flag, displayName=name, mappings=marked, custom__cellOptions=_COLORED)


def _warned_below(limit: float) -> Json:
    """The properties of a column whose text has the colour of a warning below the limit."""
    return {
        "thresholds": steps_of(WARNING, (limit, NORMAL)),
        "color": {"mode": "thresholds"},
        "custom__cellOptions": {"type": "color-text"},
    }


def _over_time(chosen: Selection) -> Iterator[Panel]:
    ask, text = chosen.queries, chosen.text
    limit = text("最多 10 个边缘，其余用变量选择。", "At most 10 edges; choose others with the variable.")
    yield chosen.timeline(
        text("各边缘最严重的原因", "Worst cause over time"),
        text("各边缘报告的最严重原因；空白为无上报。", "What each edge reports; blank: no report.")
        + f" {limit}",
        ask.status("cause_code", "causes"),
        cause_mappings(chosen.language),
    )
    yield chosen.lines(
        text("各边缘完整率", "Completeness by edge"),
        text("每个时间间隔内：好值 / 应采值。", "In each interval: good values / values due.") + f" {limit}",
        ask.completeness_over_time(),
        "percentunit",
        interval_s=300,
        max=1,
    )
    yield chosen.lines(
        text("各边缘离线设备", "Devices offline by edge"),
        text("各边缘报告的离线设备数。", "Devices that do not answer their edge.") + f" {limit}",
        ask.status("offline_devices"),
        "none",
        min=0,
    )
