"""Texts from outside as one line without control characters, line breaks or changes of direction."""

from __future__ import annotations

import json
from unicodedata import category

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of Unicode that a terminal obeys instead of showing them, or that cannot be encoded."""

_FORMULA = ("=", "+", "-", "@")


def plain(text: str) -> str:
    r"""The text in one line, with `\n` or `\x1b` written out where a terminal would obey the character."""
    if text.isprintable():
        return text
    return "".join(ascii(char)[1:-1] if category(char) in _INVISIBLE else char for char in text)


def plain_cell(text: str) -> str:
    """The same for a cell of CSV: a text that a spreadsheet would run begins with an apostrophe."""
    shown = plain(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def plain_lines(text: str) -> str:
    """The same for a text of several lines, which stay: for tracebacks and lists of errors of our own."""
    return "\n".join(map(plain, text.split("\n")))


def plain_json(document: str) -> str:
    """A JSON document with the same meaning, in which such characters stand as escapes; its lines stay."""
    return "".join(
        json.dumps(char)[1:-1] if category(char) in _INVISIBLE and char != "\n" else char for char in document
    )
