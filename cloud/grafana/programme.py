"""The dashboard *programme*: the four indicators of the programme 云行齐鲁 and its five activities."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.grafana.board import Board, Selection
from cloud.grafana.completeness import completeness_number
from cloud.grafana.edge_queries import Source
from cloud.grafana.panels import GRID, Panel
from cloud.grafana.queries import VARIABLES
from qilu.contract.accounting import COLLECTION, GATEWAY, INGESTER
from qilu.contract.profile.point import Label

NAME = "programme"
_STATUS = Source(GATEWAY, "uptime_s")
_ACCOUNT = Source(COLLECTION, "expected", VARIABLES)
_INDICATORS: tuple[tuple[Label, Label, Source, tuple[str, ...], bool], ...] = (
    (Label(zh="企业", en="Enterprises"),
     Label(zh="所选时间内有边缘上报的企业数 = 标签 enterprise 的不同取值数。来源：边缘状态 qilu_gateway。"
              "省内规划规模：10,000 家。",
           en="Enterprises of which an edge reported in the time shown = values of the tag enterprise. "
              "Source: status of edges, qilu_gateway. Planned in the province: 10,000."),
     _STATUS, ("enterprise",), False),
    (Label(zh="设备", en="Machines"),
     Label(zh="所选时间内有采集账目的设备数 = 标签 edge 与 device 的不同组合数。"
              "来源：采集账目 qilu_collection。省内规划规模：500,000 台。",
           en="Machines with an account of their collection in the time shown = pairs of the tags edge and "
              "device. Source: accounts, qilu_collection. Planned in the province: 500,000."),
     _ACCOUNT, ("edge", "device"), False),
    (Label(zh="联网企业", en="Networked enterprises"),
     Label(zh="最近 150 秒有边缘上报的企业数。来源：边缘状态 qilu_gateway。省内规划规模：8,000 家。",
           en="Enterprises of which an edge reported in the last 150 s. Source: status of edges, "
              "qilu_gateway. Planned in the province: 8,000."),
     _STATUS, ("enterprise",), True),
    (Label(zh="边缘云", en="Edge clouds"),
     Label(zh="所选时间内上报过的边缘数 = 标签 edge 的不同取值数。来源：边缘状态 qilu_gateway。"
              "省内规划规模：2,000 个。",
           en="Edges that reported in the time shown = values of the tag edge. Source: status of edges, "
              "qilu_gateway. Planned in the province: 2,000."),
     _STATUS, ("edge",), False),
)  # fmt: skip
"""Title, description, what is counted, by which tags, and whether of now."""
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
    language = chosen.language
    for title, about, source, tags, now in _INDICATORS:
        target = chosen.queries.distinct(source, tags, now=now)
        yield chosen.number(title.text(language), about.text(language), target)
    yield completeness_number(chosen)
    yield chosen.number(
        chosen.text("在采产线", "Lines collected"),
        chosen.text(
            "所选时间内有采集账目的产线数 = 标签 line 的不同取值数。来源：采集账目 qilu_collection。",
            "Production lines with accounts in the time shown = values of the tag line. Source: accounts, "
            "qilu_collection.",
        ),
        chosen.queries.distinct(_ACCOUNT, ("line",)),
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
    )
