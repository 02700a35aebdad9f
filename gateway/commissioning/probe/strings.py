"""Finds where registers may hold a text, such as the name of a model or a serial number. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.commissioning.probe.range_dump import Dump

_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_./:+#")
_SHORTEST = 5
"""Characters: the bytes of two registers with numbers may well be four of them."""


@dataclass(frozen=True)
class TextView:
    """So many registers of text, the first character in the high byte of the first one."""

    registers: int

    @property
    def name(self) -> str:
        return "string"

    @property
    def keys(self) -> dict[str, str | int]:
        return {"type": "string", "length": self.registers}


class Text(NamedTuple):
    """The length of a text, and the text."""

    view: TextView
    display: str


def texts_at(dump: Dump, first: int, last: int) -> Iterator[Text]:
    """Those that begin at `first`, longer and longer: the next number may look like a character as well."""
    characters = b""
    for address in range(first, last + 1):
        high, low = divmod(dump.values[address], 256)
        if high not in _CHARACTERS or not (low in _CHARACTERS or low == 0):
            return
        characters += bytes((high, low)) if low else bytes((high,))
        if len(characters.strip()) >= _SHORTEST:
            yield Text(TextView(address - first + 1), characters.decode("ascii").strip())
        if low == 0:
            return
