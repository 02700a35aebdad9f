"""The characters of a file that look like YAML's, named in the errors about their lines."""

from __future__ import annotations

from qilu.contract.errors import ConfigError
from qilu.contract.lookalikes import describe_lookalike, find_lookalike


def name_lookalikes(error: ConfigError, text: str) -> None:
    """Add to the remedy of an error, and of those with it, which character of its lines is not YAML's."""
    lines = text.splitlines()
    for single in error.each():
        if single.line is None or not 0 < single.line <= len(lines):
            continue
        around = lines[max(single.line - 2, 0) : single.line]  # a parser notices it in the line after
        candidates = (find_lookalike(line.partition(" #")[0]) for line in reversed(around))
        lookalike = next((char for char in candidates if char is not None), None)
        if lookalike is not None:
            hint = describe_lookalike(lookalike)
            single.remedy = hint if single.remedy is None else f"{single.remedy}; {hint}"
