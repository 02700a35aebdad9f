"""Durations for people, in one unit: 52 小时, 52 h."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.display.vocabulary import Language

_STEPS = ((0.001, 1.0), (1.0, 120.0), (60.0, 7_200.0), (3_600.0, 259_200.0))
"""Seconds of a unit, and the duration from which on the next one is used: 119 s, 119 min, 71 h, 3 d."""
_DAY = 86_400.0
_UNITS: Mapping[Language, tuple[str, ...]] = {
    "zh": ("毫秒", "秒", "分钟", "小时", "天"),
    "en": ("ms", "s", "min", "h", "d"),
}


def duration_text(seconds: float, language: Language) -> str:
    """A duration in whole numbers of one unit, never rounded up: "52 小时", "52 h"; below 0 it is 0."""
    seconds = max(seconds, 0.0)
    for unit, (size, end) in zip(_UNITS[language], _STEPS, strict=False):
        if seconds < end:
            return f"{int(seconds / size + 1e-9)} {unit}"
    return f"{int(seconds / _DAY)} {_UNITS[language][-1]}"
