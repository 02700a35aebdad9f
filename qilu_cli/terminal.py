"""What commands print through: the texts of devices and files come out as they are, and order nothing."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from qilu.contract.text_escaping import plain, plain_json

_WIDE = 1000
"""Columns of a pipe or a file: nothing is cut off there."""


class PlainConsole(Console):
    """A console that knows no markup: a `[/red]` or a `:warning:` in a device's text is only text.

    Every string takes the way through `render_str`, whether it is printed or in the cell of a table.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(plain(text), **how)


def console(*, stderr: bool = False) -> PlainConsole:
    """The terminal as wide as it is, or a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return PlainConsole(stderr=stderr, width=None if stream.isatty() else _WIDE)


def json_text(document: object) -> str:
    """A JSON document; characters that a terminal obeys stand there as escapes, which mean the same."""
    return plain_json(json.dumps(document, ensure_ascii=False, indent=1))
