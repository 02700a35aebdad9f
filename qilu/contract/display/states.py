"""The states of machines that every page knows, and which codes of a profile mean them."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.profile.point import Label, Point

STATES: Mapping[str, Label] = {
    "running": Label(zh="运行", en="running"),
    "idle": Label(zh="待机", en="idle"),
    "setup": Label(zh="换型", en="setup"),
    "fault": Label(zh="故障", en="fault"),
    "maintenance": Label(zh="维护", en="maintenance"),
    "off": Label(zh="停机", en="off"),
    "offline": Label(zh="离线", en="offline"),
    "unknown": Label(zh="未知", en="unknown"),
}
"""Name of a state -> its text. `offline` and `unknown` are no codes of a machine: the gateway knows them."""

_SPELLINGS: Mapping[str, str] = {
    **{name: name for name in STATES},
    **{label.zh: name for name, label in STATES.items()},
    "run": "running", "standby": "idle", "waiting": "idle", "ready": "idle", "stopped": "off", "stop": "off",
    "alarm": "fault", "error": "fault", "service": "maintenance", "changeover": "setup", "set-up": "setup",
    "调整": "setup", "停止": "off", "待料": "idle", "报警": "fault", "检修": "maintenance",
    "保养": "maintenance",
}  # fmt: skip
"""What profiles call these states; English words in lower case."""


def machine_state(label: Label) -> str:
    """The state that the text of a code means; `unknown` where it is none of them."""
    for text in (label.en.strip().lower(), label.zh.strip()):
        if text in _SPELLINGS:
            return _SPELLINGS[text]
    return "unknown"


def machine_states(point: Point) -> Mapping[int, str]:
    """Code -> state, for every code of the point's enum."""
    return {code: machine_state(label) for code, label in point.enum.items()}
