"""The report of a day as one HTML page for A4 paper, with its styles inside: no server is needed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from pathlib import Path
from typing import Any

from gateway.history.gaps import GapReason
from qilu.contract.display.durations import duration_text
from qilu.contract.display.palette import STATE_COLORS
from qilu.contract.display.states import STATES
from qilu.contract.display.vocabulary import REASONS, Language
from qilu.contract.profile import Label
from qilu.web import page

STYLES = ("colors.css", "frame.css", "parts.css", "paper.css")
"""Files of the page's styles that the report uses."""
_HOUR_MS = 3_600_000
_BAR = 120
_COUNTS = ("due", "good", "uncertain", "bad")
_NUMBERS = frozenset((*_COUNTS, "complete", "running"))
_GAPS: Mapping[str, Label] = {
    GapReason.GATEWAY_DOWN.value: Label(zh="网关停运", en="gateway down"),
    GapReason.ENDPOINT_BUSY.value: Label(zh="连接点繁忙", en="endpoint busy"),
    GapReason.SPOOL_BLOCKED.value: Label(zh="缓存写不进", en="spool blocked"),
}
_TEXTS: Mapping[str, Label] = {
    "title": Label(zh="日报", en="Day report"),
    "device": Label(zh="设备", en="Device"),
    "due": Label(zh="应采", en="Due"),
    "good": Label(zh="好", en="Good"),
    "uncertain": Label(zh="存疑", en="Uncertain"),
    "bad": Label(zh="坏", en="Bad"),
    "missing": Label(zh="缺数", en="Missing"),
    "complete": Label(zh="完整率", en="Complete"),
    "running": Label(zh="运行 h", en="Running h"),
    "hours": Label(zh="各状态时长", en="Hours by state"),
    "total": Label(zh="合计", en="Total"),
    "outages": Label(zh="中断", en="Outages"),
    "no_outage": Label(zh="当天没有中断。", en="No outage on this day."),
    "version": Label(zh="软件版本", en="Software version"),
    "h": Label(zh="小时", en="h"),
    "join": Label(zh="、", en=", "),
}


def day_page(
    report: Mapping[str, Any], heading: Sequence[str], zone: tzinfo | None, language: Language
) -> str:
    """The page. `report`: as the API has it; `heading`: enterprise, site and name of the edge.

    `zone`: of the clock times; None: that of this machine.
    """
    return _Page(report, heading, zone, language).html()


class _Page:
    def __init__(
        self, report: Mapping[str, Any], heading: Sequence[str], zone: tzinfo | None, language: Language
    ) -> None:
        self._report = report
        self._heading = heading
        self._zone = zone
        self._language = language

    def html(self) -> str:
        report = self._report
        title = f"{self._text('title')} · {report['day']}"
        heading = " · ".join([*filter(None, self._heading), report["edge"], self._zone_name()])
        lang = "zh-CN" if self._language == "zh" else "en"
        styles = "\n".join(
            (Path(page.__file__).with_name("style") / name).read_text(encoding="utf-8") for name in STYLES
        )
        return (
            f'<!doctype html>\n<html lang="{lang}" data-scheme="light"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title>\n<style>\n{styles}\n</style></head>\n"
            f'<body><main class="view"><article class="paper"><header class="paper-head">'
            f"<h2>{escape(title)}</h2><p>{escape(heading)}</p></header>\n"
            f"{self._table(report['devices'])}\n{self._legend(report['devices'])}\n"
            f"{self._outages(report['outages'])}\n"
            f'<footer class="paper-foot">{self._text("version")} {escape(report["version"])}</footer>'
            f"</article></main></body></html>\n"
        )

    def _table(self, devices: Sequence[Mapping[str, Any]]) -> str:
        keys = ("device", *_COUNTS, "missing", "complete", "running", "hours")
        heads = "".join(
            _cell("th", self._text(key), number=key in _NUMBERS, attributes=' scope="col"') for key in keys
        )
        rows = "\n".join(map(self._row, devices))
        total = {key: sum(device[key] for device in devices) for key in (*_COUNTS, "suppressed")}
        missing = sum(sum(device["missing"].values()) for device in devices)
        cells = [
            _cell("th", self._text("total"), attributes=' scope="row"'),
            *(_cell("td", _number(total[key]), number=True) for key in _COUNTS),
            _cell("td", _number(missing)),
            _cell("td", completeness_text(total), number=True),
            "<td></td><td></td>",
        ]
        return (
            f'<table class="grid figures day-table"><thead><tr>{heads}</tr></thead>\n'
            f"<tbody>{rows}</tbody>\n<tfoot><tr>{''.join(cells)}</tr></tfoot></table>"
        )

    def _row(self, device: Mapping[str, Any]) -> str:
        name, label = device["device"], device["label"][self._language]
        beside = f" <small>{escape(name)}</small>" if label else ""
        missing = self._text("join").join(
            f"{self._reason(reason)} {_number(count)}" for reason, count in device["missing"].items()
        )
        hours = device["running_ms"]
        running = f"{hours.get('running', 0) / _HOUR_MS:.1f}" if hours else "–"
        shown = f'<span class="name"><b>{escape(label or name)}</b>{beside}</span>'
        cells = [
            _cell("th", shown, attributes=' scope="row"'),
            *(
                _cell("td", _number(device[key]), number=True, counted=key == "bad" and device[key] > 0)
                for key in _COUNTS
            ),
            _cell("td", missing or "0", counted=bool(missing)),
            _cell("td", completeness_text(device), number=True),
            _cell("td", running, number=True),
            _cell("td", self._bar(hours)),
        ]
        return f"<tr>{''.join(cells)}</tr>"

    def _bar(self, hours: Mapping[str, int]) -> str:
        total = sum(hours.values())
        if not total:
            return "–"
        x, parts, texts = 0.0, [], []
        for state in _present(hours):
            width = hours[state] / total * _BAR
            place = f'x="{x:.2f}" y="0" width="{width:.2f}" height="10"'
            parts.append(f'<rect {place} fill="{STATE_COLORS[state]}"/>')
            texts.append(self._hours_text(state, hours))
            x += width
        text = escape(self._text("join").join(texts))
        box = f'viewBox="0 0 {_BAR} 10" width="{_BAR}" height="10" preserveAspectRatio="none"'
        return (
            f'<svg class="day-bar" {box} role="img" aria-label="{text}">'
            f"<title>{text}</title>{''.join(parts)}</svg>"
        )

    def _legend(self, devices: Sequence[Mapping[str, Any]]) -> str:
        hours: Counter[str] = Counter()
        for device in devices:
            hours.update(device["running_ms"])
        box = '<svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">'
        entries = "".join(
            f'<li>{box}<rect width="14" height="14" fill="{STATE_COLORS[state]}"/></svg>'
            f" {self._hours_text(state, hours)}</li>"
            for state in _present(hours)
        )
        return f'<ul class="legend figures">{entries}</ul>'

    def _outages(self, outages: Sequence[Mapping[str, Any]]) -> str:
        title = f"<h2>{self._text('outages')}</h2>"
        if not outages:
            return f"<section>{title}<p>{self._text('no_outage')}</p></section>"
        entries = "".join(map(self._outage, outages))
        return f'<section>{title}<ul class="outages figures">{entries}</ul></section>'

    def _outage(self, outage: Mapping[str, Any]) -> str:
        from_ms, to_ms = outage["from_ms"], outage["to_ms"]
        return (
            f"<li><b>{escape(outage['device'])}</b> {self._clock(from_ms)}–{self._clock(to_ms)}"
            f" ({duration_text((to_ms - from_ms) / 1000, self._language)})"
            f" {self._reason(outage['reason'])}</li>"
        )

    def _hours_text(self, state: str, hours: Mapping[str, int]) -> str:
        text = STATES[state].text(self._language)
        return f"{text} {hours[state] / _HOUR_MS:.1f} {self._text('h')}"

    def _text(self, key: str) -> str:
        return _TEXTS[key].text(self._language)

    def _reason(self, name: str) -> str:
        known = {**_GAPS, **{reason.value: label for reason, label in REASONS.items()}}
        return escape(known[name].text(self._language) if name in known else name.replace("_", " "))

    def _clock(self, time_ms: int) -> str:
        return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(self._zone).strftime("%H:%M:%S")

    def _zone_name(self) -> str:
        start = datetime.fromisoformat(self._report["day"])
        local = start.astimezone() if self._zone is None else start.replace(tzinfo=self._zone)
        return f"UTC{local.isoformat()[19:]}"


def completeness_text(counts: Mapping[str, int]) -> str:
    """Good and uncertain values of those due, never rounded up to 100 %."""
    wanted = counts["due"] - counts["suppressed"]
    if wanted <= 0:
        return "–"
    share = (counts["good"] + counts["uncertain"]) * 10_000 // wanted / 100
    return f"{min(share, 100):.2f} %"


def _cell(tag: str, text: str, *, number: bool = False, counted: bool = False, attributes: str = "") -> str:
    """A cell of the table; `text` is HTML."""
    names = " ".join(name for name, wanted in (("n", number), ("counted", counted)) if wanted)
    return f"<{tag}{attributes}{f' class={chr(34)}{names}{chr(34)}' if names else ''}>{text}</{tag}>"


def _present(hours: Mapping[str, int]) -> Iterable[str]:
    return [state for state in STATES if hours.get(state, 0) > 0]


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")
