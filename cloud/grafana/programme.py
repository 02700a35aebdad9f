"""The dashboard *programme*: the four indicators of the programme 云行齐鲁 and its five activities."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import Board, Selection
from cloud.grafana.completeness import completeness_number
from cloud.grafana.edge_queries import NOW, SHOWN_TIME, TEXTS_AGE, Source
from cloud.grafana.panels import GRID, Panel
from cloud.grafana.queries import VARIABLES
from qilu.contract.accounting import COLLECTION, GATEWAY, INGESTER
from qilu.contract.profile.point import Label

NAME = "programme"
_STATUS = Source(GATEWAY, "uptime_s")
_SCHEDULE = Source(COLLECTION, "values_per_s", VARIABLES)


_RATES: tuple[tuple[Label, Label, Source], ...] = (
    (Label(zh="数据采集", en="Collection"),
     Label(zh="每秒采集的值数，不论好坏 = 计数器 points 的增速之和。来源：边缘状态 qilu_gateway。",
           en="Values collected per second, good or not = sum of the rates of the counter points. Source: "
              "status of edges, qilu_gateway."),
     Source(GATEWAY, "points")),
    (Label(zh="数据传输", en="Transmission"),
     Label(zh="每秒由存储确认落库的记录数 = 计数器 durable_records 的增速之和。来源：边缘状态 qilu_gateway。",
           en="Records per second that a store has for good = sum of the rates of the counter "
              "durable_records. Source: status of edges, qilu_gateway."),
     Source(GATEWAY, "durable_records")),
    (Label(zh="数据存算", en="Storage and computing"),
     Label(zh="入库服务每秒写入存储的值数 = 计数器 values 的增速之和，不随厂区筛选。"
              "来源：入库服务 qilu_ingester。",
           en="Values per second that the store took = sum of the rates of the counter values of all "
              "ingesters, whatever is chosen. Source: ingesters, qilu_ingester."),
     Source(INGESTER, "values", ())),
)  # fmt: skip


def programme(chosen: Selection) -> Board:
    return Board(
        NAME,
        Label(zh="云行齐鲁指标", en="Programme"),
        Label(
            zh="四个指标：企业、设备、联网企业、边缘云；五项活动：数据采集、传输、存算、管理、应用。",
            en="Four indicators: enterprises, machines, networked enterprises, edge clouds; five activities: "
            "collection, transmission, storage and computing, management, application.",
        ),
        chosen,
        [*_indicators(chosen), *_activities(chosen)],
        "-24h",
    )


def _indicators(chosen: Selection) -> Iterator[Panel]:
    ask, text = chosen.queries, chosen.text
    yield chosen.number(
        text("企业", "Enterprises"),
        text(
            "所选时间内有边缘上报的企业数 = 标签 enterprise 的不同取值数。来源：边缘状态 qilu_gateway。"
            "省内规划规模：10,000 家。",
            "Enterprises of which an edge reported in the time shown = values of the tag enterprise. "
            "Source: status of edges, qilu_gateway. Planned in the province: 10,000.",
        ),
        ask.distinct(_STATUS, "enterprise"),
    )
    yield chosen.number(
        text("设备", "Machines"),
        text(
            "所选时间内上报过的边缘所采集的设备数 = 各边缘最近的状态 devices 之和。"
            "来源：边缘状态 qilu_gateway。省内规划规模：500,000 台。",
            "Machines of the edges that reported in the time shown = sum of the last devices of each status. "
            "Source: status of edges, qilu_gateway. Planned in the province: 500,000.",
        ),
        ask.total("devices", window=SHOWN_TIME),
        "locale",
    )
    yield chosen.number(
        text("联网企业", "Networked enterprises"),
        text(
            "最近 150 秒有边缘上报的企业数。来源：边缘状态 qilu_gateway。省内规划规模：8,000 家。",
            "Enterprises of which an edge reported in the last 150 s. Source: status of edges, "
            "qilu_gateway. Planned in the province: 8,000.",
        ),
        ask.distinct(_STATUS, "enterprise", NOW),
    )
    yield chosen.number(
        text("边缘云", "Edge clouds"),
        text(
            "所选时间内上报过的边缘数 = 标签 edge 的不同取值数。来源：边缘状态 qilu_gateway。"
            "省内规划规模：2,000 个。",
            "Edges that reported in the time shown = values of the tag edge. Source: status of edges, "
            "qilu_gateway. Planned in the province: 2,000.",
        ),
        ask.distinct(_STATUS, "edge"),
    )
    yield completeness_number(chosen)
    yield chosen.number(
        chosen.text("在采产线", "Lines collected"),
        chosen.text(
            "最近 26 小时有采集计划的产线数 = 标签 line 的不同取值数。"
            "来源：每天上报的采集计划 qilu_collection。",
            "Production lines with a schedule in the last 26 h = values of the tag line. Source: schedules, "
            "which are reported once a day, qilu_collection.",
        ),
        ask.distinct(_SCHEDULE, "line", TEXTS_AGE),
    )


def _activities(chosen: Selection) -> Iterator[Panel]:
    ask, text, language = chosen.queries, chosen.text, chosen.language
    for title, about, source in _RATES:
        yield chosen.lines(
            title.text(language),
            about.text(language),
            ask.total_rate(source),
            "cps",
            width=GRID // 3,
            min=0,
            displayName=title.text(language),
        )
    yield chosen.lines(
        text("数据管理", "Management"),
        text(
            "采集完整率 = 好值 / 应采值，按边缘；来源：采集账目 qilu_collection。最多 10 个边缘。",
            "Completeness = good values / values due, by edge; source: accounts, qilu_collection. At most 10 "
            "edges.",
        ),
        ask.completeness_over_time(),
        "percentunit",
        interval_s=300,
        max=1,
    )
    yield chosen.lines(
        text("数据应用", "Application"),
        text(
            "各边缘在采的设备数 = 状态 devices；这些设备有看板、查询和对账。"
            "来源：边缘状态 qilu_gateway。最多 10 个边缘。",
            "Machines that each edge collects = devices of its status; they have dashboards, queries and "
            "audits. Source: status of edges, qilu_gateway. At most 10 edges.",
        ),
        ask.status("devices"),
        "none",
        min=0,
    )
