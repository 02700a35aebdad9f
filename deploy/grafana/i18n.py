"""Terms of the dashboards in two languages: units, states, reasons, and what the gateway says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.grafana.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Text, words
from gateway.health import POINTS
from qilu.contract.reading import Reason

UNITS = {
    "": "none",
    "bar": "pressurebar",
    "°C": "celsius",
    "%": "percent",
    "kW": "kwatt",
    "kWh": "kwatth",
    "V": "volt",
    "A": "amp",
    "rpm": "rotrpm",
    "Hz": "hertz",
    "kVA": "kvoltamp",
    "kvar": "kvoltampreact",
    "h": "h",
    "s": "s",
    "1/min": "cpm",
}
"""Units of the profiles as Grafana calls them; others follow the number as they are."""

STATES = {
    0: (Text("停机", "off"), GREY),
    1: (Text("待机", "idle"), BLUE),
    2: (Text("换型", "setup"), YELLOW),
    3: (Text("运行", "running"), GREEN),
    4: (Text("故障", "fault"), RED),
    5: (Text("维护", "maintenance"), ORANGE),
}
"""What the codes of `state` mean in every shipped profile."""

REASONS: Mapping[Reason, Text] = {
    Reason.TIMEOUT: Text("超时", "timeout"),
    Reason.UNREACHABLE: Text("连接不上", "unreachable"),
    Reason.ILLEGAL_ADDRESS: Text("地址非法", "illegal address"),
    Reason.ILLEGAL_FUNCTION: Text("功能码非法", "illegal function"),
    Reason.DEVICE_FAILURE: Text("设备故障", "device failure"),
    Reason.DEVICE_BUSY: Text("设备忙", "device busy"),
    Reason.GATEWAY_PATH: Text("网关路径不可用", "gateway path unavailable"),
    Reason.PROTOCOL_ERROR: Text("报文错误", "protocol error"),
    Reason.SENTINEL: Text("无效标记值", "sentinel"),
    Reason.OUT_OF_LIMITS: Text("超出量程", "out of limits"),
    Reason.NOT_A_NUMBER: Text("非数值", "not a number"),
    Reason.UNDECODABLE: Text("无法解码", "undecodable"),
    Reason.INTERNAL_ERROR: Text("内部错误", "internal error"),
    Reason.NOT_POLLED: Text("未采集", "not polled"),
    Reason.CLOCK_UNCERTAIN: Text("时钟不可信", "clock uncertain"),
    Reason.RESTARTED: Text("设备刚恢复", "restarted"),
    Reason.STALE: Text("数值长时间不变", "stale"),
}

DESCRIPTIONS_ZH: Mapping[str, str] = {
    "offline_devices": "当前没有应答的设备数。",
    "spool_records": "尚未落库、保存在网关上的记录数。",
    "spool_bytes": "缓存占用的磁盘空间。",
    "durable_records": "已由存储确认落库的记录。",
    "skipped_polls": "上一次采集耗时过长而跳过的采集次数。",
    "timeouts": "在规定时间内没有应答的请求。",
    "reconnects": "与设备重新建立的连接。",
    "resent_records": "重复发送的记录。",
    "broker_connected": "网关与消息服务器的连接状态。",
}
"""What the gateway's own points say; in English gateway.health says it."""


def point_description(point: str) -> Text:
    """What a point of the profile `gateway` says, as a sentence."""
    english = POINTS[point]
    return Text(DESCRIPTIONS_ZH[point], f"{english[0].upper()}{english[1:]}.")


STATE_WORDS = words(STATES)
REASON_WORDS = words({reason.code: (text, ORANGE) for reason, text in REASONS.items()})
LINK_WORDS = words({0: (Text("断开", "down"), RED), 1: (Text("在线", "up"), GREEN)})
