"""Causes between the spool and the store: what keeps records from being delivered, or costs them."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.diagnosis.causes import Cause, CauseCode
from gateway.diagnosis.durations import in_words
from gateway.diagnosis.view import GatewayView
from gateway.interfaces import Blockage

CONNECT_GRACE_S = 5.0
"""After a start, so long the broker may not be connected yet."""
NEARLY_FULL = 0.8
"""Of `max_bytes`."""
FEW_HOURS = 4.0
"""Room for less than this while nothing is delivered is little."""


def broker_causes(view: GatewayView) -> Iterator[Cause]:
    broker = view.broker
    if broker.connected or view.uptime_s < CONNECT_GRACE_S:
        return
    zh, en = in_words(_age_s(view, broker.since_ms))
    room_zh, room_en = _room(view)
    if broker.access_refused:
        yield Cause(
            CauseCode.ACCESS_REFUSED,
            f"消息服务器 {broker.address} 拒绝登录已 {zh}；{room_zh}；"
            "请检查 mqtt.username、密码和服务器上的用户表",
            f"Broker {broker.address} has refused the login for {en}; {room_en};"
            " check mqtt.username, the password and the broker's list of users",
            broker.since_ms,
        )
        return
    yield Cause(
        CauseCode.BROKER_DISCONNECTED,
        f"消息服务器断开 {zh}；{room_zh}；请检查 {broker.address} 的网络",
        f"Broker disconnected for {en}; {room_en}; check the network to {broker.address}",
        broker.since_ms,
    )


def store_causes(view: GatewayView) -> Iterator[Cause]:
    yield from _missing_ack(view)
    for code, records in view.spool.deferred.items():
        yield Cause(
            CauseCode.RECORDS_DEFERRED,
            f"存储暂不接收 {records} 条记录（{code}）；数据已缓存在本机，稍后自动重发；请查看入库服务日志",
            f"{records} records are deferred ({code}: {code.summary}); they are kept here and sent again;"
            f" {code.remedy}",
            subject=code,
        )


def _missing_ack(view: GatewayView) -> Iterator[Cause]:
    waited_s = _age_s(view, view.waiting_since_ms)
    if not view.waiting_since_ms or not view.broker.connected:
        return
    if waited_s < 2 * view.ack_timeout_s:
        return
    zh, en = in_words(waited_s)
    room_zh, room_en = _room(view)
    if view.frees_on_broker:
        yield Cause(
            CauseCode.NO_INGESTER,
            f"已连上消息服务器，但 {zh}没有任何订阅者接收数据；{room_zh}；"
            "请启动接收数据的程序，并核对订阅的主题",
            f"The broker is connected, but nobody has received the records for {en}; {room_en}; start what"
            " subscribes to them, and compare its topics",
            view.waiting_since_ms,
        )
        return
    names = "、".join(store.store for store in view.stores), ", ".join(store.store for store in view.stores)
    if not any(store.announced or store.last_ack_ms for store in view.stores):
        yield Cause(
            CauseCode.NO_INGESTER,
            f"已连上消息服务器，但已 {zh}没有收到存储 {names[0]} 的任何确认；{room_zh}；"
            "请启动它的入库服务，并核对两边的存储名和 mqtt.topic_prefix",
            f"The broker is connected, but no ingester of store {names[1]} acknowledged for {en}; {room_en};"
            " start its ingester, and compare the store's name and mqtt.topic_prefix on both sides",
            view.waiting_since_ms,
        )
        return
    yield Cause(
        CauseCode.STORE_NOT_ACKNOWLEDGING,
        f"存储 {names[0]} 已 {zh}没有确认入库；{room_zh}；请检查入库服务和数据库",
        f"Store {names[1]} has not acknowledged for {en}; {room_en}; check the ingester and its database",
        view.waiting_since_ms,
    )


def spool_causes(view: GatewayView) -> Iterator[Cause]:
    """The room on disk, and records that do not leave it."""
    spool = view.spool
    if spool.blocked is not None:
        yield _blocked(view, spool.blocked)
    elif spool.dropped_recently:
        zh_do, en_do = "请恢复上送，或调大 spool.max_bytes", "restore delivery, or raise spool.max_bytes"
        yield Cause(
            CauseCode.RECORDS_DROPPED,
            f"本机缓存已满，最近 10 分钟丢弃了最旧的 {spool.dropped_recently} 条记录；{zh_do}",
            f"The spool is full: the oldest {spool.dropped_recently} records were dropped in the last 10 min;"
            f" {en_do}",
        )
    elif _nearly_full(view):
        percent, (room_zh, room_en) = f"{spool.used_share:.0%}", _room(view)
        zh_then, en_then = (
            ("满后丢弃最旧的记录", "then the oldest records are dropped")
            if spool.drops_oldest
            else ("满后停止采集", "then collection waits")
        )
        yield Cause(
            CauseCode.SPOOL_NEARLY_FULL,
            f"本机缓存已用 {percent}；{room_zh}，{zh_then}；请恢复上送，或调大 spool.max_bytes",
            f"The spool is {percent} full; {room_en}, {en_then}; restore delivery, or raise spool.max_bytes",
        )
    yield from _set_aside(view)


def _nearly_full(view: GatewayView) -> bool:
    spool, hours = view.spool, view.spool.hours_left
    delivering = view.broker.connected and not view.waiting_since_ms
    return spool.used_share >= NEARLY_FULL or (hours is not None and hours < FEW_HOURS and not delivering)


_BLOCKED = {
    Blockage.DISK: (
        "磁盘写不进去或已满",
        "the disk is full or refuses to write",
        "请清理磁盘",
        "free disk space",
    ),
    Blockage.FREE_SPACE: (
        *("磁盘剩余空间低于 spool.min_free_disk", "less than spool.min_free_disk is free"),
        *("请清理磁盘", "free disk space"),
    ),
    Blockage.BOUND: (
        *("本机缓存已满（when_full: block）", "the spool is full (when_full: block)"),
        *("请恢复上送，或调大 spool.max_bytes", "restore delivery, or raise spool.max_bytes"),
    ),
    Blockage.DIRECTORY: (
        *("缓存目录被删除或替换", "the spool directory was removed or replaced"),
        *("请恢复 spool.directory", "restore spool.directory"),
    ),
}


def _blocked(view: GatewayView, blockage: Blockage) -> Cause:
    spool = view.spool
    zh, en = in_words(_age_s(view, spool.blocked_since_ms))
    why_zh, why_en, do_zh, do_en = _BLOCKED[blockage]
    code = CauseCode.DISK_FULL if blockage is Blockage.DISK else CauseCode.SPOOL_BLOCKED
    return Cause(
        code,
        f"{why_zh}，采集已暂停 {zh}，这段数据会缺失；{do_zh}",
        f"Collection has waited for {en}, because {why_en}; values of this time are missing; {do_en}",
        spool.blocked_since_ms,
    )


def _set_aside(view: GatewayView) -> Iterator[Cause]:
    spool = view.spool
    if spool.quarantined_recently:
        lost = spool.quarantine_dropped
        yield Cause(
            CauseCode.RECORDS_QUARANTINED,
            f"最近 10 分钟有 {spool.quarantined_recently} 条记录被存储拒收，隔离区现有 {spool.quarantined} 条"
            + (f"，已丢弃 {lost} 条" if lost else "")
            + "；用 qilu spool 查看原因，处理后重发",
            f"{spool.quarantined_recently} records were rejected in the last 10 min, {spool.quarantined} are"
            " in quarantine"
            + (f" and {lost} were dropped" if lost else "")
            + "; see the reasons with qilu spool, then requeue them",
        )
    if spool.held:
        yield Cause(
            CauseCode.RECORDS_HELD,
            f"本机留有其他边缘的 {spool.held} 条记录，认领之前不发送；请用 qilu spool adopt 认领或删除",
            f"{spool.held} records of another edge are held here and not sent;"
            " adopt them with qilu spool adopt",
        )


def _room(view: GatewayView) -> tuple[str, str]:
    """What is kept, and for how long there is room."""
    hours = view.spool.hours_left
    if hours is None:
        return "数据已缓存在本机", "readings are kept here"
    zh, en = in_words(hours * 3600)
    return f"数据已缓存在本机，还能存 {zh}", f"readings are kept here, room for {en}"


def _age_s(view: GatewayView, since_ms: int) -> float:
    return max(view.now_ms - since_ms, 0) / 1000 if since_ms else view.uptime_s
