"""What the number of the worst cause of an edge means: docs/console.md has the causes."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.grafana.edge_queries import NOT_REPORTING
from cloud.grafana.panels import texts_of_codes
from cloud.grafana.queries import Json
from qilu.contract.display import Language
from qilu.contract.display.palette import LEVEL_COLORS
from qilu.contract.profile.point import Label

CAUSES: Mapping[int, tuple[str, Label]] = {
    0: ("normal", Label(zh="正常", en="normal")),
    1: ("fault", Label(zh="磁盘写不进去", en="disk refuses writes")),
    2: ("fault", Label(zh="缓存不收记录", en="spool takes no records")),
    3: ("fault", Label(zh="缓存已满，正在丢弃", en="spool drops records")),
    4: ("fault", Label(zh="设备和消息服务器都连不上", en="neither devices nor broker")),
    5: ("fault", Label(zh="消息服务器拒绝登录", en="broker refuses access")),
    6: ("fault", Label(zh="消息服务器已断开", en="broker disconnected")),
    7: ("warning", Label(zh="缓存快满", en="spool nearly full")),
    8: ("fault", Label(zh="全部设备离线", en="all devices offline")),
    9: ("fault", Label(zh="没有入库服务", en="no ingester")),
    10: ("fault", Label(zh="存储没有确认", en="store does not acknowledge")),
    11: ("fault", Label(zh="一个接入端口离线", en="an endpoint is offline")),
    12: ("fault", Label(zh="多台设备离线", en="several devices offline")),
    13: ("fault", Label(zh="一台设备离线", en="a device is offline")),
    14: ("warning", Label(zh="时钟存疑", en="clock in doubt")),
    15: ("warning", Label(zh="存储暂缓入库", en="records deferred")),
    16: ("warning", Label(zh="有记录被拒收", en="records quarantined")),
    17: ("warning", Label(zh="有其他边缘的记录待处理", en="records of another edge held")),
    18: ("warning", Label(zh="有采集被跳过", en="polls skipped")),
    19: ("warning", Label(zh="数值超出量程", en="values out of limits")),
    20: ("warning", Label(zh="设备拒绝部分地址", en="addresses refused")),
    21: ("unknown", Label(zh="正在启动", en="starting")),
}
"""Number -> level and text."""
NO_REPORT = Label(zh="无上报", en="not reporting")
NEVER_REPORTED = Label(zh="所选时间内从未上报", en="never reported in the time shown")


def cause_mappings(language: Language) -> list[Json]:
    """Texts and colours of the numbers; a row without a number is an edge that was never reported."""
    red = LEVEL_COLORS["fault"]
    texts = {number: (text.text(language), LEVEL_COLORS[level]) for number, (level, text) in CAUSES.items()}
    never = {"text": NEVER_REPORTED.text(language), "color": red, "index": len(texts) + 1}
    return [
        *texts_of_codes({NOT_REPORTING: (NO_REPORT.text(language), red), **texts}),
        {"type": "special", "options": {"match": "null+nan", "result": never}},
    ]
