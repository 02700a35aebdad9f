"""Ages and times left, as the sentence has them: "3 分钟" and "3 min"."""

from __future__ import annotations

from qilu.contract.display.durations import duration_text

_TENTHS_BELOW_S = 10.0


def in_words(seconds: float) -> tuple[str, str]:
    """In Chinese and in English; below 10 s with tenths, as the age of the latest record is."""
    if seconds < _TENTHS_BELOW_S:
        return f"{seconds:.1f} 秒", f"{seconds:.1f} s"
    return duration_text(seconds, "zh"), duration_text(seconds, "en")
