"""Durations and sizes as people write them in files: "200ms", "5m", "2GB"."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from qilu.contract.validation import display, validation_error

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {
    "B": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_BYTES_BY_LOWER = {unit.lower(): size for unit, size in _BYTES.items()}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)")


def parse_duration(text: object) -> float:
    """Seconds of `text`: a number is seconds, a text is one or more numbers with ms, s, m, h or d ("1h30m").

    Raises PydanticCustomError (a ValueError) for anything else, for negative and for endless durations.
    """
    remedy = "write a number with a unit, such as 200ms, 1s, 5m, 2h or 30d; a bare number is seconds"
    if isinstance(text, str):
        try:
            seconds = float(text)
        except ValueError:
            seconds = _sum_of_parts(text) / 1000
    elif isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(text)
    else:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise validation_error(f"{display(text)} is not a duration", remedy)
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest spelling that `parse_duration` reads back to the same number of milliseconds."""
    left = round(seconds * 1000)
    if left == 0:
        return "0ms"
    parts = []
    for unit, size in reversed(_MILLISECONDS.items()):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_bytes(text: object) -> int:
    """Bytes of `text`: a whole number is bytes; kB, MB, GB, TB are powers of 1000, KiB ... TiB of 1024.

    Upper and lower case are the same. Raises PydanticCustomError (a ValueError) for anything else.
    """
    remedy = "write a number with a unit, such as 512MB, 2GB or 64KiB; a bare number is bytes"
    size = math.nan
    if isinstance(text, str):
        match = _PART.fullmatch(text.strip())
        if text.strip().isdecimal():
            size = int(text)
        elif match and match[2].lower() in _BYTES_BY_LOWER:
            size = float(match[1]) * _BYTES_BY_LOWER[match[2].lower()]
    elif isinstance(text, int) and not isinstance(text, bool):
        size = text
    if not 0 <= size < math.inf:
        raise validation_error(f"{display(text)} is not a size", remedy)
    return round(size)


def format_bytes(size: int) -> str:
    """An exact spelling where one is short ("64KiB", "2GB"), else four digits of the decimal unit."""
    for unit, unit_size in sorted(_BYTES.items(), key=lambda item: -item[1]):
        if size >= unit_size and size % unit_size == 0 and (unit_size > 1 or size < 1000):
            return f"{size // unit_size}{unit}"
    for unit in ("TB", "GB", "MB", "kB"):
        if size >= _BYTES[unit]:
            return f"{size / _BYTES[unit]:.4g}{unit}"
    return f"{size}B"


def _sum_of_parts(text: str) -> float:
    """Milliseconds of "1h30m"; NaN when `text` is anything else."""
    total, end = 0.0, 0
    while match := _PART.match(text, end):
        if match[2] not in _MILLISECONDS:
            return math.nan
        total += float(match[1]) * _MILLISECONDS[match[2]]
        end = match.end()
    return total if end and not text[end:].strip() else math.nan


_AS_TEXT: Any = PlainSerializer(format_duration, return_type=str, when_used="json")

_IN_FILES: Any = WithJsonSchema({"type": ["string", "number"], "examples": ["200ms", "1s", "5m", "2h"]})

Duration = Annotated[float, BeforeValidator(parse_duration), _AS_TEXT, _IN_FILES]
"""Seconds, 0 allowed; written as parse_duration reads it."""

Period = Annotated[float, BeforeValidator(parse_duration), Field(gt=0), _AS_TEXT, _IN_FILES]
"""Seconds, more than 0."""

ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(format_bytes, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["512MB", "2GB", "64KiB"]}),
]
"""Bytes; written as parse_bytes reads it."""
