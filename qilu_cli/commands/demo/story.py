"""The story of `qilu demo --story`: its steps with captions, and the audit at its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from qilu.contract.errors import QiluError
from qilu.contract.profile import Label

TOPIC = "story"
"""Live topic of the caption, and the view by which a page knows of it."""
AUDIT_TIMEOUT_S = 90.0
"""How long the last step waits until the store has everything."""
_AUDIT_INTERVAL_S = 2.0


class StepName(StrEnum):
    """The steps, in their order."""

    NORMAL = "normal"
    BROKER_STOPPED = "broker_stopped"
    PUMP_FAULT = "pump_fault"
    BROKER_STARTED = "broker_started"
    AUDIT = "audit"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Step:
    """One step and its time at speed 1. The audit lasts until it has its result."""

    name: StepName
    seconds: float
    caption: Label


STEPS: Sequence[Step] = (
    Step(
        StepName.NORMAL, 30.0,
        Label(
            zh="一切正常：设备在采，数据入库；每条记录等入库得到确认，本机才删除。",
            en="Normal: machines are polled, readings are stored; a record is deleted here only when the"
            " store has confirmed it.",
        ),
    ),
    Step(
        StepName.BROKER_STOPPED, 30.0,
        Label(
            zh="消息服务器断开。采集照常，数据缓存在本机磁盘：看第一行的提示和缓存条数。",
            en="The broker is away. Polling goes on, records are kept on disk: see the first line, and the"
            " number of records kept.",
        ),
    ),
    Step(
        StepName.PUMP_FAULT, 50.0,
        Label(
            zh="断网期间水泵轴承磨损：振动升高，水泵跳停。这段数据同样不会丢。",
            en="Bearing wear of the pump during the outage: the vibration rises and the pump trips. These"
            " readings are kept as well.",
        ),
    ),
    Step(
        StepName.BROKER_STARTED, 30.0,
        Label(
            zh="消息服务器恢复。实时数据立即上送，缓存的数据同时续传。",
            en="The broker is back. Live readings are sent at once, and the backlog beside them.",
        ),
    ),
    Step(
        StepName.AUDIT, 0.0,
        Label(
            zh="正在对账：逐台核对应采的值和库里的值。",
            en="Audit: the values that were due are compared with those of the store, device by device.",
        ),
    ),
    Step(StepName.RESULT, 30.0, Label()),
)  # fmt: skip


class StoryError(QiluError):
    """The audit of the story is not clean."""


@dataclass(frozen=True, slots=True)
class Account:
    """Sums of an audit.

    `skipped`: values that were not polled, because the poll before was not over; on a busy machine there are
    some. `missing`: all others that the store does not have. `complete`: nothing is without a cause.
    `until_ms`: where the audit ends.
    """

    devices: int
    expected: int
    skipped: int
    missing: int
    duplicates: int
    complete: bool
    until_ms: int

    @property
    def clean(self) -> bool:
        """Nothing is missing, nothing is stored twice, and nothing is in doubt."""
        return self.complete and not self.missing and not self.duplicates

    def caption(self) -> Label:
        zh, en = ("", "") if self.complete else ("；对账不完整", "; the audit is not complete")
        if self.skipped:
            zh += f"（这台电脑忙，漏采 {self.skipped} 个值）"
            en += f" ({self.skipped} values were not polled, this computer is busy)"
        return Label(
            zh=f"对账结果：{self.devices} 台设备，应采 {self.expected} 个值，"
            f"缺数 {self.missing}，重复 {self.duplicates}{zh}。",
            en=f"Result of the audit: {self.devices} devices, {self.expected} values due,"
            f" missing {self.missing}, stored twice {self.duplicates}{en}.",
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story acts upon. `audit` is given the time (ms) up to which it has to reach."""

    actions: Mapping[StepName, Callable[[], Awaitable[None]]]
    audit: Callable[[int], Awaitable[Account]]
    now_ms: Callable[[], int]
    show: Callable[[str], None]


class Story:
    """Runs the steps; `speed` divides their times. A page follows it by the topic `story`.

    `timeout_s`: how long the audit waits until the store has everything.
    """

    def __init__(self, speed: float = 1.0, timeout_s: float = AUDIT_TIMEOUT_S) -> None:
        self.caption = Label()
        self._speed = speed
        self._timeout_s = timeout_s
        self._step = 0
        self._since_ms = 0
        self._account: Account | None = None

    def snapshot(self) -> Mapping[str, Any]:
        """The topic: number of the step, its caption, and the result of the audit once there is one."""
        account = self._account
        return {
            "step": self._step,
            "steps": len(STEPS),
            "since_ms": self._since_ms,
            "zh": self.caption.zh,
            "en": self.caption.en,
            "result": None
            if account is None
            else {
                "expected": account.expected,
                "skipped": account.skipped,
                "missing": account.missing,
                "duplicates": account.duplicates,
                "clean": account.clean,
            },
        }

    def lines(self) -> Sequence[str]:
        """The caption for a terminal, in both languages; empty before the first step."""
        if not self._step:
            return ()
        number = f"[{self._step}/{len(STEPS)}]"
        return (f"{number} {self.caption.en}", f"{number} {self.caption.zh}")

    def raise_if_unclean(self) -> None:
        """StoryError where the audit found something, or was not reached."""
        if self._account is None:
            raise StoryError("the story was stopped before its audit; let it run to its end")
        if not self._account.clean:
            raise StoryError(f"{self._account.caption().en} Ask why with `qilu audit`.")

    async def run(self, stage: Stage, stop: asyncio.Event) -> None:
        """All steps, or until `stop`."""
        for number, step in enumerate(STEPS, start=1):
            self._step, self._since_ms, self.caption = number, stage.now_ms(), step.caption
            if step.name is StepName.RESULT and self._account is not None:
                self.caption = self._account.caption()
            for line in self.lines():
                stage.show(line)
            if (act := stage.actions.get(step.name)) is not None:
                await act()
            if step.name is StepName.AUDIT:
                self._account = await _audit(stage, self._since_ms, self._timeout_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), step.seconds / self._speed)
            if stop.is_set():
                return


async def _audit(stage: Stage, step_ms: int, timeout_s: float) -> Account:
    """Until the store has all of the time before this step, or for `timeout_s`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        account = await stage.audit(step_ms)
        if (account.clean and account.until_ms >= step_ms) or loop.time() >= end:
            return account
        await asyncio.sleep(_AUDIT_INTERVAL_S)
