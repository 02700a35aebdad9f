"""Causes on the side of the machines: devices without a reply, and values that are not good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gateway.diagnosis.causes import Cause, CauseCode
from gateway.diagnosis.durations import in_words
from gateway.diagnosis.view import DeviceView, GatewayView
from qilu.contract.display.names import named
from qilu.contract.reading import Reason

NAMED = 3
"""Devices that a sentence names, at most."""
_REASONS = {
    Reason.TIMEOUT: ("超时", "timeout"),
    Reason.UNREACHABLE: ("连接不上", "cannot be connected to"),
    Reason.GATEWAY_PATH: ("转换器报告无应答", "the gateway before it reports no reply"),
}


def offline_causes(view: GatewayView) -> Iterator[Cause]:
    """Devices that do not reply: of all, of one endpoint, several, one."""
    offline = [device for device in view.devices if device.online is False]
    if not offline:
        return
    if len(offline) == len(view.devices) > 1:
        yield _all_devices(view, offline)
        return
    behind: dict[str, list[DeviceView]] = defaultdict(list)
    of_endpoint: dict[str, int] = defaultdict(int)
    for device in view.devices:
        of_endpoint[device.endpoint] += 1
    for device in offline:
        behind[device.endpoint].append(device)
    apart: list[DeviceView] = []
    for devices in sorted(behind.values(), key=len, reverse=True):
        if len(devices) > 1 and len(devices) == of_endpoint[devices[0].endpoint]:
            yield _endpoint(view, devices)
        else:
            apart += devices
    if len(apart) > NAMED:
        yield _several(view, apart)
    else:
        for device in sorted(apart, key=lambda device: device.since_ms):
            yield _device(view, device)


def _all_devices(view: GatewayView, devices: Sequence[DeviceView]) -> Cause:
    zh, en, since_ms = _since(view, devices)
    if not view.broker.connected and all(device.reason is Reason.UNREACHABLE for device in devices):
        return Cause(
            CauseCode.NETWORK_DOWN,
            f"全部 {len(devices)} 台设备和消息服务器都连接不上，已 {zh}；没有采到数据；"
            "请先检查本机网线、交换机和 IP 设置",
            f"All {len(devices)} devices and the broker cannot be connected to for {en}; nothing is"
            " collected; check the network cable, the switch and the IP address of this box first",
            since_ms,
        )
    return Cause(
        CauseCode.ALL_DEVICES_OFFLINE,
        f"全部 {len(devices)} 台设备无应答，已 {zh}；没有采到数据；请先检查设备侧的网络和供电",
        f"All {len(devices)} devices have not replied for {en}; nothing is collected;"
        " check the network and the power on the machine side first",
        since_ms,
    )


def _endpoint(view: GatewayView, devices: Sequence[DeviceView]) -> Cause:
    zh, en, since_ms = _since(view, devices)
    first = devices[0]
    lines = {device.line for device in devices}
    line_zh, line_en = (
        (first.line_label.zh or first.line, first.line_label.en or first.line)
        if len(lines) == 1
        else ("", "")
    )
    count = len(devices)
    do_zh, do_en = (
        (
            f"先查串口 {first.endpoint} 的接线和转换器",
            f"check the wiring and the adapter of {first.endpoint} first",
        )
        if first.serial
        else ("先查这台串口服务器", "check that serial device server first")
    )
    return Cause(
        CauseCode.ENDPOINT_OFFLINE,
        f"{line_zh and f'{line_zh} '}{count} 台设备无应答，已 {zh}，都在 {first.endpoint} 后面；{do_zh}",
        f"{count} devices{line_en and f' of {line_en}'} have not replied for {en}, all behind"
        f" {first.endpoint}; {do_en}",
        since_ms,
        first.endpoint,
    )


def _several(view: GatewayView, devices: Sequence[DeviceView]) -> Cause:
    zh, en, since_ms = _since(view, devices)
    names_zh = "、".join(named(device.label, "zh", device.device) for device in devices[:NAMED])
    names_en = ", ".join(named(device.label, "en", device.device) for device in devices[:NAMED])
    return Cause(
        CauseCode.DEVICES_OFFLINE,
        f"{len(devices)} 台设备无应答，已 {zh}：{names_zh} 等；其余设备正常；请检查这些设备的供电和网络",
        f"{len(devices)} devices have not replied for {en}: {names_en} and others; all others are collected;"
        " check their power and network",
        since_ms,
    )


def _device(view: GatewayView, device: DeviceView) -> Cause:
    zh, en, since_ms = _since(view, [device])
    why = _REASONS.get(device.reason) if device.reason is not None else None
    why_zh, why_en = why or (("", "") if device.reason is None else (str(device.reason), str(device.reason)))
    unit = device.unit_id
    return Cause(
        CauseCode.DEVICE_OFFLINE,
        f"{_zh(device)}无应答，已 {zh}{why_zh and f'（{why_zh}）'}；"
        f"它的 {device.points} 个点位没有数据；请检查它的供电、{device.endpoint} 的连接和站号 {unit}",
        f"{named(device.label, 'en', device.device)} has not replied for {en}{why_en and f' ({why_en})'};"
        f" its {device.points} points have no values; check its power, the connection to {device.endpoint}"
        f" and unit id {unit}",
        since_ms,
        device.device,
    )


def value_causes(view: GatewayView) -> Iterator[Cause]:
    """Values that are collected and not good, and those that are not polled."""
    if view.skipped_recently:
        where = view.busiest_endpoint
        yield Cause(
            CauseCode.POLLS_SKIPPED,
            f"最近 10 分钟有 {view.skipped_recently} 次采集因上一轮未完成而跳过"
            f"{where and f'，多在 {where}'}；请放宽采集周期，或查慢的设备",
            f"{view.skipped_recently} polls were skipped in the last 10 min, because the one before was not"
            f" over{where and f', mostly at {where}'}; use longer periods, or look for the slow device",
            subject=where,
        )
    if strange := [device for device in view.devices if device.out_of_limits]:
        device, points = strange[0], len(strange[0].out_of_limits)
        more = len(strange) - 1
        yield Cause(
            CauseCode.VALUES_OUT_OF_LIMITS,
            f"{_zh(device)}的 {points} 个点位超出量程（如 {device.out_of_limits[0]}）"
            + (f"，另有 {more} 台设备也有" if more else "")
            + "；这些值记为坏值；请检查传感器，或核对设备模板的 limits",
            f"{_points(points)} of {named(device.label, 'en', device.device)} out of limits"
            f" (such as {device.out_of_limits[0]})"
            + (f", and {more} more devices have such" if more else "")
            + "; these values are marked bad; check the sensor, or the limits in the device profile",
            subject=device.device,
        )
    if refusing := [device for device in view.devices if device.refused_points]:
        device, points = refusing[0], sum(device.refused_points for device in refusing)
        yield Cause(
            CauseCode.ADDRESSES_REFUSED,
            _zh(device)
            + (f"等 {len(refusing)} 台设备" if len(refusing) > 1 else "")
            + f"拒绝读取 {points} 个点位，其余照常采集；请核对设备模板的地址",
            f"{named(device.label, 'en', device.device)}"
            + (f" and {len(refusing) - 1} more devices refuse" if len(refusing) > 1 else " refuses")
            + f" {_points(points)}, the others are collected; compare the addresses of the device profile"
            " with the manual",
            subject=device.device,
        )


def _zh(device: DeviceView) -> str:
    """The device at the begin of a Chinese sentence: a space only between Latin and Chinese."""
    name = named(device.label, "zh", device.device)
    return name if name.endswith("）") else f"{name} "


def _points(count: int) -> str:
    return f"{count} point" if count == 1 else f"{count} points"


def _since(view: GatewayView, devices: Sequence[DeviceView]) -> tuple[str, str, int]:
    """Since the first of them: in words, and in ms (UTC)."""
    known = [device.since_ms for device in devices if device.since_ms]
    since_ms = min(known, default=0)
    return *in_words((view.now_ms - since_ms) / 1000 if since_ms else view.uptime_s), since_ms
