"""One line about a change of settings, in English for logs and in Chinese and English for pages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.reload.comparison import Fate, SettingsChange, Verdict
from qilu.contract.display.vocabulary import Language

_NAMED = 5
"""Devices of one fate, and endpoints, that a line names."""

_FATES_ZH = {Fate.ADDED: "新增", Fate.REMOVED: "移除", Fate.CHANGED: "重新开始采集", Fate.RELABELLED: "改名"}


def summary(change: SettingsChange, language: Language = "en") -> str:
    """What a gateway does for this change, or why it does not."""
    if change.verdict is Verdict.RESTART:
        keys = ", ".join(change.restart)
        if language == "zh":
            return f"{keys}：需要重启网关；重启前仍按原来的整套配置运行"
        return f"{keys}: this needs a restart of the gateway; until then all of the old settings run on"
    if change.verdict is Verdict.NOTHING:
        return (
            "与正在运行的配置没有差别" if language == "zh" else "nothing differs from the settings that run"
        )
    if language == "zh":
        return "；".join(_parts_zh(change))
    return "; ".join(_parts_en(change))


def _parts_en(change: SettingsChange) -> Iterator[str]:
    for fate, names in _devices(change):
        noun = "device" if len(names) == 1 else "devices"
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{noun} {', '.join(names[:_NAMED])}{more} {fate}"
    yield from (f"endpoint {endpoint.url} {endpoint.fate}" for endpoint in change.endpoints[:_NAMED])
    if len(change.endpoints) > _NAMED:
        yield f"{len(change.endpoints) - _NAMED} more endpoints"
    yield from (f"{key} changed" for key in change.edge)
    if change.reordered:
        yield "the order of devices changed"


def _parts_zh(change: SettingsChange) -> Iterator[str]:
    for fate, names in _devices(change):
        more = f" 等 {len(names)} 台" if len(names) > _NAMED else ""
        yield (
            f"{_FATES_ZH[fate]}设备 {'、'.join(names[:_NAMED])}{more}"
            if fate is not Fate.CHANGED
            else (f"设备 {'、'.join(names[:_NAMED])}{more}{_FATES_ZH[fate]}")
        )
    for endpoint in change.endpoints[:_NAMED]:
        what = "重新连接" if endpoint.fate is Fate.CHANGED else _FATES_ZH[endpoint.fate]
        yield f"{what}连接点 {endpoint.url}"
    if len(change.endpoints) > _NAMED:
        yield f"另有 {len(change.endpoints) - _NAMED} 个连接点"
    yield from (f"{key} 已修改" for key in change.edge)
    if change.reordered:
        yield "设备顺序已调整"


def _devices(change: SettingsChange) -> Iterator[tuple[Fate, Sequence[str]]]:
    """The names of the devices of each fate, where there are such."""
    for fate in Fate:
        names = [entry.device for entry in change.devices if entry.fate is fate]
        if names:
            yield fate, names
