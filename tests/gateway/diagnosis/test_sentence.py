"""The sentence names the worst cause first: what, since when, what it costs, what to do. A table of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from gateway.diagnosis.causes import CauseCode
from gateway.diagnosis.sentence import sentence
from gateway.diagnosis.view import (
    BrokerView,
    DeviceView,
    GatewayView,
    Level,
    SpoolView,
    StoreView,
)
from gateway.interfaces import Blockage
from qilu.contract.ack_codes import AckCode
from qilu.contract.profile import Label
from qilu.contract.reading import Reason, TimeTrust

NOW = 1_780_000_000_000
HOUR = 3_600_000
BROKER = "10.0.0.9:8883"


def device(number: int, **changes: Any) -> DeviceView:
    plain = DeviceView(
        f"m-{number}", line="3号线", endpoint=f"10.0.0.{100 + number}:502", points=52, unit_id=number
    )
    return replace(plain, **changes)


def out(number: int, minutes: float = 3, **changes: Any) -> DeviceView:
    since = NOW - int(minutes * 60_000)
    return device(number, **{"online": False, "since_ms": since, "reason": Reason.TIMEOUT} | changes)


def view(**changes: Any) -> GatewayView:
    """A gateway of 22 devices on which all is well, with these changes."""
    plain = GatewayView(
        "edge-1",
        NOW,
        started_ms=NOW - 30 * HOUR,
        devices=[device(number) for number in range(22)],
        broker=BrokerView(True, BROKER, NOW - HOUR),
        stores=[StoreView("plant-store", NOW - 200, True)],
        spool=SpoolView(records=3, size_bytes=10**6, max_bytes=10**9, hours_left=52.0),
        last_durable_ms=NOW - 200,
    )
    return replace(plain, **changes)


def spool(**changes: Any) -> SpoolView:
    return replace(view().spool, **changes)


def disconnected(minutes: float = 3, **changes: Any) -> BrokerView:
    return replace(BrokerView(False, BROKER, NOW - int(minutes * 60_000)), **changes)


def some_out(*offline: DeviceView) -> list[DeviceView]:
    """22 devices, of which these are offline."""
    return [*offline, *(device(number) for number in range(100, 122 - len(offline)))]


class Case(NamedTuple):
    name: str
    view: GatewayView
    codes: list[CauseCode]
    """All of them, the worst first."""
    zh: str
    en: str
    """Of the worst one."""


C = CauseCode
BEHIND = [out(number, endpoint="10.0.0.5:502") for number in range(16)]
CASES = [
    Case(
        "all is well",
        view(),
        [C.NORMAL],
        "一切正常：22 台设备在采，最近一条 0.2 秒前入库",
        "All is well: 22 devices are collected, the latest record was stored 0.2 s ago",
    ),
    Case(
        "nothing is stored yet",
        view(last_durable_ms=0),
        [C.NORMAL],
        "一切正常：22 台设备在采",
        "All is well: 22 devices are collected",
    ),
    Case(
        "it starts",
        view(started_ms=NOW - 2000, devices=[device(0), device(1, online=None)], last_durable_ms=0),
        [C.STARTING],
        "正在启动：2 台设备中已有 1 台应答；请稍候",
        "Starting: 1 of 2 devices have replied; please wait",
    ),
    Case(
        "a broker that is not connected two seconds after the start is no cause yet",
        view(started_ms=NOW - 2000, broker=disconnected(), devices=[device(0, online=None)]),
        [C.STARTING],
        "正在启动：1 台设备中已有 0 台应答；请稍候",
        "Starting: 0 of 1 devices have replied; please wait",
    ),
    Case(
        "the broker is disconnected",
        view(broker=disconnected()),
        [C.BROKER_DISCONNECTED],
        "消息服务器断开 3 分钟；数据已缓存在本机，还能存 52 小时；请检查 10.0.0.9:8883 的网络",
        "Broker disconnected for 3 min; readings are kept here, room for 52 h;"
        " check the network to 10.0.0.9:8883",
    ),
    Case(
        "the broker is disconnected, and the room is not known yet",
        view(broker=disconnected(), spool=spool(hours_left=None)),
        [C.BROKER_DISCONNECTED],
        "消息服务器断开 3 分钟；数据已缓存在本机；请检查 10.0.0.9:8883 的网络",
        "Broker disconnected for 3 min; readings are kept here; check the network to 10.0.0.9:8883",
    ),
    Case(
        "the broker was never connected since the start",
        view(broker=BrokerView(False, BROKER, 0)),
        [C.BROKER_DISCONNECTED],
        "消息服务器断开 30 小时；数据已缓存在本机，还能存 52 小时；请检查 10.0.0.9:8883 的网络",
        "Broker disconnected for 30 h; readings are kept here, room for 52 h;"
        " check the network to 10.0.0.9:8883",
    ),
    Case(
        "the broker refuses the login",
        view(broker=disconnected(10, access_refused=True)),
        [C.ACCESS_REFUSED],
        "消息服务器 10.0.0.9:8883 拒绝登录已 10 分钟；数据已缓存在本机，还能存 52 小时；"
        "请检查 mqtt.username、密码和服务器上的用户表",
        "Broker 10.0.0.9:8883 has refused the login for 10 min; readings are kept here, room for 52 h;"
        " check mqtt.username, the password and the broker's list of users",
    ),
    Case(
        "no ingester ever acknowledged",
        view(stores=[StoreView("plant-store")], waiting_since_ms=NOW - 120_000, last_durable_ms=0),
        [C.NO_INGESTER],
        "已连上消息服务器，但已 2 分钟没有收到存储 plant-store 的任何确认；数据已缓存在本机，还能存 52 小时；"
        "请启动它的入库服务，并核对两边的存储名和 mqtt.topic_prefix",
        "The broker is connected, but no ingester of store plant-store acknowledged for 2 min;"
        " readings are kept here, room for 52 h; start its ingester, and compare the store's name and"
        " mqtt.topic_prefix on both sides",
    ),
    Case(
        "nobody subscribes, with `free_on: broker`",
        view(frees_on_broker=True, waiting_since_ms=NOW - 120_000),
        [C.NO_INGESTER],
        "已连上消息服务器，但 2 分钟没有任何订阅者接收数据；数据已缓存在本机，还能存 52 小时；"
        "请启动接收数据的程序，并核对订阅的主题",
        "The broker is connected, but nobody has received the records for 2 min; readings are kept here,"
        " room for 52 h; start what subscribes to them, and compare its topics",
    ),
    Case(
        "a wait shorter than the time of acknowledgements is no cause",
        view(waiting_since_ms=NOW - 20_000),
        [C.NORMAL],
        "一切正常：22 台设备在采，最近一条 0.2 秒前入库",
        "All is well: 22 devices are collected, the latest record was stored 0.2 s ago",
    ),
    Case(
        "the store stopped acknowledging",
        view(waiting_since_ms=NOW - 300_000, last_durable_ms=NOW - 300_000),
        [C.STORE_NOT_ACKNOWLEDGING],
        "存储 plant-store 已 5 分钟没有确认入库；数据已缓存在本机，还能存 52 小时；请检查入库服务和数据库",
        "Store plant-store has not acknowledged for 5 min; readings are kept here, room for 52 h;"
        " check the ingester and its database",
    ),
    Case(
        "a store that defers",
        view(spool=spool(deferred={AckCode.STORE_LIMIT: 40})),
        [C.RECORDS_DEFERRED],
        "存储暂不接收 40 条记录（store_limit）；数据已缓存在本机，稍后自动重发；请查看入库服务日志",
        "40 records are deferred (store_limit: a limit of the store is reached); they are kept here and sent"
        " again; raise the limit of the store that the log of the ingester names",
    ),
    Case(
        "the spool is nearly full",
        view(spool=spool(size_bytes=850_000_000, hours_left=6.0)),
        [C.SPOOL_NEARLY_FULL],
        "本机缓存已用 85%；数据已缓存在本机，还能存 6 小时，满后丢弃最旧的记录；"
        "请恢复上送，或调大 spool.max_bytes",
        "The spool is 85% full; readings are kept here, room for 6 h, then the oldest records are dropped;"
        " restore delivery, or raise spool.max_bytes",
    ),
    Case(
        "little room while the broker is disconnected: the cause is first",
        view(broker=disconnected(), spool=spool(size_bytes=100, hours_left=3.0, drops_oldest=False)),
        [C.BROKER_DISCONNECTED, C.SPOOL_NEARLY_FULL],
        "消息服务器断开 3 分钟；数据已缓存在本机，还能存 3 小时；请检查 10.0.0.9:8883 的网络",
        "Broker disconnected for 3 min; readings are kept here, room for 3 h;"
        " check the network to 10.0.0.9:8883",
    ),
    Case(
        "the spool drops its oldest records: that is worse than the link",
        view(broker=disconnected(), spool=spool(dropped=900, dropped_recently=120)),
        [C.RECORDS_DROPPED, C.BROKER_DISCONNECTED],
        "本机缓存已满，最近 10 分钟丢弃了最旧的 120 条记录；请恢复上送，或调大 spool.max_bytes",
        "The spool is full: the oldest 120 records were dropped in the last 10 min; restore delivery,"
        " or raise spool.max_bytes",
    ),
    Case(
        "the spool blocks at its bound",
        view(spool=spool(blocked=Blockage.BOUND, blocked_since_ms=NOW - 120_000)),
        [C.SPOOL_BLOCKED],
        "本机缓存已满（when_full: block），采集已暂停 2 分钟，这段数据会缺失；"
        "请恢复上送，或调大 spool.max_bytes",
        "Collection has waited for 2 min, because the spool is full (when_full: block); values of this time"
        " are missing; restore delivery, or raise spool.max_bytes",
    ),
    Case(
        "the disk is full",
        view(spool=spool(blocked=Blockage.DISK, blocked_since_ms=NOW - 15_000)),
        [C.DISK_FULL],
        "磁盘写不进去或已满，采集已暂停 15 秒，这段数据会缺失；请清理磁盘",
        "Collection has waited for 15 s, because the disk is full or refuses to write; values of this time"
        " are missing; free disk space",
    ),
    Case(
        "too little of the disk is free",
        view(spool=spool(blocked=Blockage.FREE_SPACE, blocked_since_ms=NOW - 15_000)),
        [C.SPOOL_BLOCKED],
        "磁盘剩余空间低于 spool.min_free_disk，采集已暂停 15 秒，这段数据会缺失；请清理磁盘",
        "Collection has waited for 15 s, because less than spool.min_free_disk is free; values of this time"
        " are missing; free disk space",
    ),
    Case(
        "somebody removed the directory of the spool",
        view(spool=spool(blocked=Blockage.DIRECTORY, blocked_since_ms=NOW - 15_000)),
        [C.SPOOL_BLOCKED],
        "缓存目录被删除或替换，采集已暂停 15 秒，这段数据会缺失；请恢复 spool.directory",
        "Collection has waited for 15 s, because the spool directory was removed or replaced; values of this"
        " time are missing; restore spool.directory",
    ),
    Case(
        "the quarantine grows",
        view(spool=spool(quarantined=12, quarantined_recently=4)),
        [C.RECORDS_QUARANTINED],
        "最近 10 分钟有 4 条记录被存储拒收，隔离区现有 12 条；用 qilu spool 查看原因，处理后重发",
        "4 records were rejected in the last 10 min, 12 are in quarantine; see the reasons with qilu spool,"
        " then requeue them",
    ),
    Case(
        "the quarantine grows, and drops",
        view(spool=spool(quarantined=12, quarantined_recently=4, quarantine_dropped=2)),
        [C.RECORDS_QUARANTINED],
        "最近 10 分钟有 4 条记录被存储拒收，隔离区现有 12 条，已丢弃 2 条；"
        "用 qilu spool 查看原因，处理后重发",
        "4 records were rejected in the last 10 min, 12 are in quarantine and 2 were dropped; see the reasons"
        " with qilu spool, then requeue them",
    ),
    Case(
        "old records in quarantine are no news",
        view(spool=spool(quarantined=12)),
        [C.NORMAL],
        "一切正常：22 台设备在采，最近一条 0.2 秒前入库",
        "All is well: 22 devices are collected, the latest record was stored 0.2 s ago",
    ),
    Case(
        "records of another edge are held",
        view(spool=spool(held=500)),
        [C.RECORDS_HELD],
        "本机留有其他边缘的 500 条记录，认领之前不发送；请用 qilu spool adopt 认领或删除",
        "500 records of another edge are held here and not sent; adopt them with qilu spool adopt",
    ),
    Case(
        "the clock is in doubt",
        view(clock=TimeTrust.HELD, clock_since_ms=NOW - 240_000),
        [C.CLOCK_IN_DOUBT],
        "本机时钟已 4 分钟未对准；记录先存在本机，对时后再发；请检查 NTP 对时服务",
        "The clock of this box has been in doubt for 4 min; records are kept here and sent once it is known;"
        " check the time service (NTP)",
    ),
    Case(
        "the clock is in doubt for so long that values are uncertain",
        view(clock=TimeTrust.UNCERTAIN, clock_since_ms=NOW - 4 * HOUR),
        [C.CLOCK_IN_DOUBT],
        "本机时钟已 4 小时未对准；数据按“时间存疑”上送；请检查 NTP 对时服务",
        "The clock of this box has been in doubt for 4 h; values are sent as uncertain;"
        " check the time service (NTP)",
    ),
    Case(
        "one device does not reply",
        view(devices=some_out(out(7, 4, label=Label(zh="循环泵", en="Pump"), endpoint="10.0.0.7:502"))),
        [C.DEVICE_OFFLINE],
        "循环泵（m-7）无应答，已 4 分钟（超时）；它的 52 个点位没有数据；"
        "请检查它的供电、10.0.0.7:502 的连接和站号 7",
        "Pump (m-7) has not replied for 4 min (timeout); its 52 points have no values; check its power,"
        " the connection to 10.0.0.7:502 and unit id 7",
    ),
    Case(
        "two devices apart are two sentences, the longer outage first",
        view(devices=some_out(out(7, 4), out(8, 40, reason=Reason.UNREACHABLE))),
        [C.DEVICE_OFFLINE, C.DEVICE_OFFLINE],
        "m-8 无应答，已 40 分钟（连接不上）；它的 52 个点位没有数据；"
        "请检查它的供电、10.0.0.108:502 的连接和站号 8",
        "m-8 has not replied for 40 min (cannot be connected to); its 52 points have no values; check its"
        " power, the connection to 10.0.0.108:502 and unit id 8",
    ),
    Case(
        "many devices apart are one sentence",
        view(devices=some_out(*(out(number) for number in range(5)))),
        [C.DEVICES_OFFLINE],
        "5 台设备无应答，已 3 分钟：m-0、m-1、m-2 等；其余设备正常；请检查这些设备的供电和网络",
        "5 devices have not replied for 3 min: m-0, m-1, m-2 and others; all others are collected;"
        " check their power and network",
    ),
    Case(
        "all devices of one endpoint are one cause",
        view(devices=some_out(*BEHIND)),
        [C.ENDPOINT_OFFLINE],
        "3号线 16 台设备无应答，已 3 分钟，都在 10.0.0.5:502 后面；先查这台串口服务器",
        "16 devices of 3号线 have not replied for 3 min, all behind 10.0.0.5:502; check that serial device"
        " server first",
    ),
    Case(
        "a line has its label in each language",
        view(
            devices=some_out(
                *(replace(each, line="l3", line_label=Label(zh="3号线", en="line 3")) for each in BEHIND)
            )
        ),
        [C.ENDPOINT_OFFLINE],
        "3号线 16 台设备无应答，已 3 分钟，都在 10.0.0.5:502 后面；先查这台串口服务器",
        "16 devices of line 3 have not replied for 3 min, all behind 10.0.0.5:502; check that serial device"
        " server first",
    ),
    Case(
        "a serial line is checked at its wires",
        view(devices=some_out(*(out(n, endpoint="/dev/ttyUSB0", serial=True, line="") for n in range(2)))),
        [C.ENDPOINT_OFFLINE],
        "2 台设备无应答，已 3 分钟，都在 /dev/ttyUSB0 后面；先查串口 /dev/ttyUSB0 的接线和转换器",
        "2 devices have not replied for 3 min, all behind /dev/ttyUSB0; check the wiring and the adapter of"
        " /dev/ttyUSB0 first",
    ),
    Case(
        "an endpoint, a device apart and the broker: the broker first",
        view(broker=disconnected(), devices=some_out(*BEHIND, out(50))),
        [C.BROKER_DISCONNECTED, C.ENDPOINT_OFFLINE, C.DEVICE_OFFLINE],
        "消息服务器断开 3 分钟；数据已缓存在本机，还能存 52 小时；请检查 10.0.0.9:8883 的网络",
        "Broker disconnected for 3 min; readings are kept here, room for 52 h;"
        " check the network to 10.0.0.9:8883",
    ),
    Case(
        "no device replies",
        view(devices=[out(number, 10) for number in range(22)]),
        [C.ALL_DEVICES_OFFLINE],
        "全部 22 台设备无应答，已 10 分钟；没有采到数据；请先检查设备侧的网络和供电",
        "All 22 devices have not replied for 10 min; nothing is collected; check the network and the power on"
        " the machine side first",
    ),
    Case(
        "the only device does not reply",
        view(devices=[out(1, 10)]),
        [C.DEVICE_OFFLINE],
        "m-1 无应答，已 10 分钟（超时）；它的 52 个点位没有数据；"
        "请检查它的供电、10.0.0.101:502 的连接和站号 1",
        "m-1 has not replied for 10 min (timeout); its 52 points have no values; check its power,"
        " the connection to 10.0.0.101:502 and unit id 1",
    ),
    Case(
        "neither devices nor broker are reached: the network of the box",
        view(
            broker=disconnected(10),
            devices=[out(number, 10, reason=Reason.UNREACHABLE) for number in range(22)],
        ),
        [C.NETWORK_DOWN],
        "全部 22 台设备和消息服务器都连接不上，已 10 分钟；没有采到数据；请先检查本机网线、交换机和 IP 设置",
        "All 22 devices and the broker cannot be connected to for 10 min; nothing is collected; check the"
        " network cable, the switch and the IP address of this box first",
    ),
    Case(
        "polls are skipped",
        view(skipped_recently=30, busiest_endpoint="10.0.0.5:502"),
        [C.POLLS_SKIPPED],
        "最近 10 分钟有 30 次采集因上一轮未完成而跳过，多在 10.0.0.5:502；请放宽采集周期，或查慢的设备",
        "30 polls were skipped in the last 10 min, because the one before was not over, mostly at"
        " 10.0.0.5:502; use longer periods, or look for the slow device",
    ),
    Case(
        "values are out of limits",
        view(devices=[device(1, out_of_limits=("pressure", "flow")), device(2)]),
        [C.VALUES_OUT_OF_LIMITS],
        "m-1 的 2 个点位超出量程（如 pressure）；这些值记为坏值；请检查传感器，或核对设备模板的 limits",
        "2 points of m-1 out of limits (such as pressure); these values are marked bad; check the sensor,"
        " or the limits in the device profile",
    ),
    Case(
        "values of several devices are out of limits",
        view(devices=[device(n, out_of_limits=("flow",)) for n in range(3)]),
        [C.VALUES_OUT_OF_LIMITS],
        "m-0 的 1 个点位超出量程（如 flow），另有 2 台设备也有；这些值记为坏值；"
        "请检查传感器，或核对设备模板的 limits",
        "1 point of m-0 out of limits (such as flow), and 2 more devices have such; these values are"
        " marked bad; check the sensor, or the limits in the device profile",
    ),
    Case(
        "a device refuses addresses",
        view(devices=[device(1, refused_points=4), device(2)]),
        [C.ADDRESSES_REFUSED],
        "m-1 拒绝读取 4 个点位，其余照常采集；请核对设备模板的地址",
        "m-1 refuses 4 points, the others are collected; compare the addresses of the device profile with the"
        " manual",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_sentence_names(case: Case) -> None:
    result = sentence(case.view)
    assert [cause.code for cause in (result.worst, *result.more)] == case.codes
    assert result.worst.zh == case.zh
    assert result.worst.en == case.en


def test_every_cause_has_a_case_and_a_number_of_its_own() -> None:
    assert {code for case in CASES for code in case.codes} == set(CauseCode)
    assert len({code.number for code in CauseCode}) == len(CauseCode)


def test_numbers_of_causes_never_change() -> None:
    """A store keeps them for years: a new cause is a new number."""
    assert {code.number: code.value for code in CauseCode} == {
        0: "normal",
        1: "disk_full",
        2: "spool_blocked",
        3: "records_dropped",
        4: "network_down",
        5: "access_refused",
        6: "broker_disconnected",
        7: "spool_nearly_full",
        8: "all_devices_offline",
        9: "no_ingester",
        10: "store_not_acknowledging",
        11: "endpoint_offline",
        12: "devices_offline",
        13: "device_offline",
        14: "clock_in_doubt",
        15: "records_deferred",
        16: "records_quarantined",
        17: "records_held",
        18: "polls_skipped",
        19: "values_out_of_limits",
        20: "addresses_refused",
        21: "starting",
    }


def test_normal_and_starting_are_no_problems() -> None:
    assert sentence(view()).problems == 0
    assert sentence(view(broker=disconnected(), devices=some_out(*BEHIND))).problems == 2
    assert sentence(view()).worst.level is Level.NORMAL
