"""The one vocabulary in Chinese and English: qualities, reasons and the terms of pages and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from qilu.contract.profile.point import Label
from qilu.contract.reading import Quality, Reason

Language = Literal["zh", "en"]

QUALITIES: Mapping[Quality, Label] = {
    Quality.GOOD: Label(zh="好", en="good"),
    Quality.UNCERTAIN: Label(zh="存疑", en="uncertain"),
    Quality.BAD: Label(zh="坏", en="bad"),
}

REASONS: Mapping[Reason, Label] = {
    Reason.TIMEOUT: Label(zh="超时", en="timed out"),
    Reason.UNREACHABLE: Label(zh="连接不上", en="unreachable"),
    Reason.ILLEGAL_ADDRESS: Label(zh="地址非法", en="illegal address"),
    Reason.ILLEGAL_FUNCTION: Label(zh="功能码非法", en="illegal function"),
    Reason.DEVICE_FAILURE: Label(zh="设备内部故障", en="device failure"),
    Reason.DEVICE_BUSY: Label(zh="设备忙", en="device busy"),
    Reason.GATEWAY_PATH: Label(zh="网关通道不可用", en="gateway path unavailable"),
    Reason.PROTOCOL_ERROR: Label(zh="报文错误", en="protocol error"),
    Reason.SENTINEL: Label(zh="设备报无效值", en="no value (sentinel)"),
    Reason.OUT_OF_LIMITS: Label(zh="超出量程", en="out of limits"),
    Reason.NOT_A_NUMBER: Label(zh="非数值", en="not a number"),
    Reason.UNDECODABLE: Label(zh="无法解码", en="undecodable"),
    Reason.INTERNAL_ERROR: Label(zh="网关内部错误", en="internal error"),
    Reason.NOT_POLLED: Label(zh="未采集", en="not polled"),
    Reason.CLOCK_UNCERTAIN: Label(zh="时钟存疑", en="clock uncertain"),
    Reason.RESTARTED: Label(zh="设备刚恢复", en="restarted"),
    Reason.STALE: Label(zh="数值长时间不变", en="stale"),
}

TERMS: Mapping[str, Label] = {
    # the road of a value
    "edge": Label(zh="边缘", en="edge"),
    "gateway": Label(zh="网关", en="gateway"),
    "enterprise": Label(zh="企业", en="enterprise"),
    "site": Label(zh="厂区", en="site"),
    "line": Label(zh="产线", en="line"),
    "device": Label(zh="设备", en="device"),
    "machines": Label(zh="设备", en="machines"),
    "point": Label(zh="点位", en="point"),
    "profile": Label(zh="设备模板", en="profile"),
    "broker": Label(zh="消息服务器", en="broker"),
    "store": Label(zh="存储", en="store"),
    "stored": Label(zh="入库", en="stored"),
    "spool": Label(zh="缓存", en="spool"),
    "store_and_forward": Label(zh="断网续传", en="store and forward"),
    "backlog": Label(zh="积压", en="backlog"),
    "quarantine": Label(zh="隔离区", en="quarantine"),
    "ingester": Label(zh="入库服务", en="ingester"),
    # values and their data
    "value": Label(zh="数值", en="value"),
    "unit": Label(zh="单位", en="unit"),
    "state": Label(zh="运行状态", en="state"),
    "quality": Label(zh="质量", en="quality"),
    "reason": Label(zh="原因", en="reason"),
    "missing": Label(zh="缺数", en="missing"),
    "no_data": Label(zh="无数据", en="no data"),
    "data_state": Label(zh="数据状态", en="data state"),
    "completeness": Label(zh="完整率", en="completeness"),
    "suppressed": Label(zh="按规则不上送", en="suppressed"),
    "last_reported": Label(zh="最近上报", en="last report"),
    "interval": Label(zh="统计周期", en="interval"),
    "period": Label(zh="采集周期", en="poll period"),
    "event": Label(zh="事件", en="event"),
    "normal_band": Label(zh="正常范围", en="normal range"),
    # pages
    "dashboard": Label(zh="仪表板", en="dashboard"),
    "panel": Label(zh="面板", en="panel"),
    "data_source": Label(zh="数据源", en="data source"),
    "all": Label(zh="全部", en="all"),
    "today": Label(zh="今日", en="today"),
    # levels
    "normal": Label(zh="正常", en="normal"),
    "warning": Label(zh="注意", en="warning"),
    "fault": Label(zh="故障", en="fault"),
    "unknown": Label(zh="未知", en="unknown"),
    "connected": Label(zh="已连接", en="connected"),
    "disconnected": Label(zh="已断开", en="disconnected"),
}
"""Terms by a name that code uses; GLOSSARY.md explains them."""
