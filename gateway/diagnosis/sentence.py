"""The sentence: the worst cause first, or that all is well. One pure function from the view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.diagnosis.causes import Cause, CauseCode
from gateway.diagnosis.delivery_causes import broker_causes, spool_causes, store_causes
from gateway.diagnosis.device_causes import offline_causes, value_causes
from gateway.diagnosis.durations import in_words
from gateway.diagnosis.view import GatewayView
from qilu.contract.reading import TimeTrust

STARTING_S = 60.0
"""So long after a start some devices may not have been polled yet."""
_ORDER = {code: place for place, code in enumerate(CauseCode)}


@dataclass(frozen=True, slots=True)
class Sentence:
    """The worst cause, and the others in their order."""

    worst: Cause
    more: Sequence[Cause] = ()

    @property
    def problems(self) -> int:
        """How many causes there are, other than the states NORMAL and STARTING."""
        return sum(cause.code not in _STATES for cause in (self.worst, *self.more))


_STATES = (CauseCode.NORMAL, CauseCode.STARTING)


def sentence(view: GatewayView) -> Sentence:
    """What is to be read first about this gateway."""
    causes = sorted(_causes(view), key=lambda cause: (_ORDER[cause.code], cause.since_ms))
    if any(cause.code is CauseCode.NETWORK_DOWN for cause in causes):  # one cause is one sentence
        causes = [cause for cause in causes if cause.code is not CauseCode.BROKER_DISCONNECTED]
    worst, *more = causes or [_no_problem(view)]
    return Sentence(worst, more)


def _causes(view: GatewayView) -> Iterator[Cause]:
    yield from broker_causes(view)
    yield from spool_causes(view)
    yield from store_causes(view)
    yield from offline_causes(view)
    yield from _clock_causes(view)
    yield from value_causes(view)


def _clock_causes(view: GatewayView) -> Iterator[Cause]:
    if view.clock is TimeTrust.KNOWN:
        return
    zh, en = in_words((view.now_ms - view.clock_since_ms) / 1000 if view.clock_since_ms else view.uptime_s)
    cost_zh, cost_en = (
        ("记录先存在本机，对时后再发", "records are kept here and sent once it is known")
        if view.clock is TimeTrust.HELD
        else ("数据按“时间存疑”上送", "values are sent as uncertain")
    )
    yield Cause(
        CauseCode.CLOCK_IN_DOUBT,
        f"本机时钟已 {zh}未对准；{cost_zh}；请检查 NTP 对时服务",
        f"The clock of this box has been in doubt for {en}; {cost_en}; check the time service (NTP)",
        view.clock_since_ms,
    )


def _no_problem(view: GatewayView) -> Cause:
    replying = sum(device.online is True for device in view.devices)
    if replying < len(view.devices) and view.uptime_s < STARTING_S:
        return Cause(
            CauseCode.STARTING,
            f"正在启动：{len(view.devices)} 台设备中已有 {replying} 台应答；请稍候",
            f"Starting: {replying} of {len(view.devices)} devices have replied; please wait",
            view.started_ms,
        )
    if not view.last_durable_ms:
        return Cause(
            CauseCode.NORMAL,
            f"一切正常：{replying} 台设备在采",
            f"All is well: {replying} devices are collected",
            view.started_ms,
        )
    zh, en = in_words(max(view.now_ms - view.last_durable_ms, 0) / 1000)
    return Cause(
        CauseCode.NORMAL,
        f"一切正常：{replying} 台设备在采，最近一条 {zh}前入库",
        f"All is well: {replying} devices are collected, the latest record was stored {en} ago",
        view.started_ms,
    )
