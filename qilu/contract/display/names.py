"""Names of things for people: the label with the id beside it."""

from __future__ import annotations

from qilu.contract.display.vocabulary import Language
from qilu.contract.profile.point import Label


def named(label: Label, language: Language, name: str) -> str:
    """The label and the id, as in "循环泵（pump-1）" and "Pump (pump-1)"; the id alone without a label."""
    text = label.text(language)
    if not text or text == name:
        return name
    return f"{text}（{name}）" if language == "zh" else f"{text} ({name})"


def numbered(label: Label, number: int) -> Label:
    """The label of one of several of the same: with its number behind it."""
    return Label(zh=label.zh and f"{label.zh} {number}", en=label.en and f"{label.en} {number}")
