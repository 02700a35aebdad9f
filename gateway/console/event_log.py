"""The events that pages follow: devices, causes that begin and end, and changes that somebody made here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.diagnosis.causes import Cause, CauseCode
from gateway.diagnosis.sentence import Sentence
from gateway.diagnosis.view import Level
from gateway.interfaces import Event
from qilu.contract.display.names import named
from qilu.contract.display.vocabulary import REASONS
from qilu.contract.profile import Label
from qilu.web.exchange import Change

MAX_EVENTS = 1000
SHOWN = 200
"""Events of a snapshot, and of one page of the API."""
_DEVICE_EVENTS = {
    "offline": (Level.FAULT, "无应答", "does not reply"),
    "online": (Level.NORMAL, "有应答", "replies"),
    "limits_learned": (Level.WARNING, "拒绝部分地址", "refuses addresses"),
}


class EventLog:
    """The last MAX_EVENTS events. `label_of` gives what people call a device.

    `unsaved` has the events since somebody emptied it, to be kept over a restart.
    """

    def __init__(self, label_of: Callable[[str], Label], now_ms: Callable[[], int]) -> None:
        self._label_of = label_of
        self._now_ms = now_ms
        self._events: deque[Mapping[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._next = 1
        self.unsaved: deque[Mapping[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._offline: set[str] = set()
        self._causes: dict[tuple[CauseCode, str], Cause] = {}

    def restore(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take the events of runs before this one, the oldest first; call it before any other."""
        self._events.extend(events)
        self._next = max((event["id"] for event in self._events), default=0) + 1

    def record_start(self, version: str) -> None:
        zh, en = f"网关启动，版本 {version}", f"Gateway started, version {version}"
        self._add(self._now_ms(), "", "started", Level.NORMAL, zh, en)

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """All that are kept, the oldest first."""
        return list(self._events)

    def record_device(self, event: Event) -> None:
        if event.kind == "offline":
            self._offline.add(event.device)
        elif event.kind == "online":
            if event.device not in self._offline:
                return  # its first reply after the start is no news
            self._offline.discard(event.device)
        level, zh, en = _DEVICE_EVENTS[event.kind]
        label = self._label_of(event.device)
        if event.reason is not None:
            reason = REASONS[event.reason]
            zh, en = f"{zh}（{reason.zh}）", f"{en} ({reason.en})"
        if event.kind == "limits_learned":
            zh, en = f"{zh}：{event.text}", f"{en}: {event.text}"
        self._add(
            event.time_ms, event.device, event.kind, level,
            f"{named(label, 'zh', event.device)}{zh}", f"{named(label, 'en', event.device)} {en}",
        )  # fmt: skip

    def record_sentence(self, result: Sentence) -> None:
        """What the sentence has now: causes that are new, and those that are over."""
        present: dict[tuple[CauseCode, str], Cause] = {
            (cause.code, cause.subject): cause
            for cause in (result.worst, *result.more)
            if cause.code not in (CauseCode.NORMAL, CauseCode.STARTING)
        }
        now_ms = self._now_ms()
        for key, cause in present.items():
            if key not in self._causes:
                self._add(now_ms, cause.subject, cause.code.value, cause.level, cause.zh, cause.en)
        for key, cause in self._causes.items():
            if key not in present:
                zh, en = f"已恢复：{cause.zh.split('；')[0]}", f"Over: {cause.en.split(';')[0]}"
                self._add(now_ms, cause.subject, "over", Level.NORMAL, zh, en)
        self._causes = present

    def record_command(self, kind: str, zh: str, en: str) -> None:
        """An operator changed the settings, or had records sent again."""
        self._add(self._now_ms(), "", kind, Level.NORMAL, zh, en)

    def record_change(self, change: Change) -> None:
        """Somebody changed something over HTTP."""
        level = Level.NORMAL if change.status < 400 else Level.WARNING
        what = f"{change.method} {change.path}"
        self._add(
            change.time_ms, "", "change", level,
            f"{change.caller.name}（{change.caller.address}）执行了 {what}，结果 {change.status}",
            f"{change.caller.name} ({change.caller.address}) called {what}, status {change.status}",
        )  # fmt: skip

    def _add(self, time_ms: int, device: str, kind: str, level: Level, zh: str, en: str) -> None:
        text = {"zh": zh, "en": en}
        event = {
            "id": self._next,
            "time_ms": time_ms,
            "device": device,
            "kind": kind,
            "level": level.value,
            "text": text,
        }
        self._events.append(event)
        self.unsaved.append(event)
        self._next += 1

    def page(self, before: int | None = None, limit: int = SHOWN) -> Sequence[Mapping[str, Any]]:
        """The newest events, or those before an id; the newest first."""
        limit = max(1, min(limit, SHOWN))
        older = [event for event in self._events if before is None or event["id"] < before]
        return older[-limit:][::-1]

    def snapshot(self) -> Mapping[str, Any]:
        """The topic `events`."""
        return {"events": self.page()}

    @staticmethod
    def changes(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The events that are new, the newest first."""
        last = previous["events"][0]["id"] if previous["events"] else 0
        fresh = [event for event in current["events"] if event["id"] > last]
        return {"append": fresh} if fresh else None
