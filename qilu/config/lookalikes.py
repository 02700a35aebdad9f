"""Punctuation that looks like YAML's and is not: of Chinese input methods, word processors and web pages."""

from __future__ import annotations

from qilu.contract.errors import ConfigError

_MEANT = {
    "：": ":", "，": ",", "｛": "{", "｝": "}", "［": "[", "］": "]", "＃": "#", "－": "-", "．": ".",
    "＂": '"', "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "−": "-",
    "　": " ", "\xa0": " ",
}  # fmt: skip


def name_lookalikes(error: ConfigError, text: str) -> None:
    """Add to the remedy of an error, and of those with it, which character of its lines is not YAML's."""
    lines = text.splitlines()
    for single in (error, *error.others):
        if single.line is None or not 0 < single.line <= len(lines):
            continue
        around = lines[max(single.line - 2, 0) : single.line]  # a parser notices it in the line after
        lookalike = next((char for line in reversed(around) for char in line if char in _MEANT), None)
        if lookalike is not None:
            meant = "a plain space" if _MEANT[lookalike] == " " else _MEANT[lookalike]
            hint = f"there stands {lookalike!r} (U+{ord(lookalike):04X}): type {meant} in its place"
            single.remedy = hint if single.remedy is None else f"{single.remedy}; {hint}"
