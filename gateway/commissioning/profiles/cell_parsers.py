"""Reads one cell of a list of points: a ConfigError names its line, column and heading. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.commissioning.profiles.column_names import access_of, plain
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DataType

_ORDERS = {
    "abcd": ("big", "big"),
    "cdab": ("big", "little"),
    "badc": ("little", "big"),
    "dcba": ("little", "little"),
}
_BIG = "big bigendian msb msw be no false 0 high 大端 高字在前"
_LITTLE = "little littleendian lsb lsw le yes true 1 low swap swapped 小端 低字在前"
_ENDS = {**dict.fromkeys(_BIG.split(), "big"), **dict.fromkeys(_LITTLE.split(), "little")}

MAX_LINES = 5
"""Lines of a list that one sentence names."""

_UNIT = r"(?!x\d)[^\W\d].*|[%°/].*"
"""What may stand behind a number: no operator, which would change it, and no second point or comma."""


class UnusedContent:
    """What a list has and its profile has not, each with the lines where it stands."""

    def __init__(self) -> None:
        self._lines: dict[str, list[int]] = {}

    def add(self, content: str, line: int) -> None:
        self._lines.setdefault(content, []).append(line)

    def texts(self) -> tuple[str, ...]:
        """One sentence for each content."""
        return tuple(f"{content} (line {_lines(lines)}) is ignored" for content, lines in self._lines.items())


def _lines(lines: Sequence[int]) -> str:
    more = f", and {len(lines) - MAX_LINES} more" if len(lines) > MAX_LINES else ""
    return f"{', '.join(map(str, lines[:MAX_LINES]))}{more}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, with where it stands."""

    text: str
    line: int
    heading: str
    column: int
    unused: UnusedContent
    """Where what is not used of the list is noted."""

    def ignore(self, text: str) -> None:
        """Note that a part of this cell is not used."""
        self.unused.add(f"{text!r} in column {letter(self.column)} ({self.heading})", self.line)

    def error(self, problem: str, remedy: str | None = None) -> ConfigError:
        return ConfigError(
            problem, line=self.line, key=f"column {letter(self.column)} ({self.heading})", remedy=remedy
        )


def slug(text: str) -> str:
    """A name for a point out of any text; "" where nothing of it can be used."""
    word = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")
    if word and not word[0].isalpha():
        word = f"p_{word}"
    return word[:60].rstrip("_")


def is_hex(cell: Cell) -> bool:
    """Whether an address is hexadecimal, by itself or by its heading."""
    text, heading = cell.text.lower(), cell.heading.lower()
    headed = any(word in heading for word in ("hex", "十六进制", "16进制"))
    return headed or text.startswith("0x") or text.endswith("h")


def address(cell: Cell) -> int:
    digits = cell.text.lower().removeprefix("0x").removesuffix("h")
    try:
        return int(digits, 16 if is_hex(cell) else 10)
    except ValueError:
        raise cell.error(f"{cell.text!r} is no address", "write 10, 0x0A, 000AH or 40011") from None


def orders(row: Mapping[str, Cell]) -> dict[str, str]:
    orders: dict[str, str] = {}
    # "float (CDAB)": what stands in brackets is no part of the type
    for bracket in re.findall(r"[(\[（【](.*?)[)\]）】]", row["type"].text if "type" in row else ""):
        if (letters := plain(bracket)) in _ORDERS:
            orders |= dict(zip(("byte_order", "word_order"), _ORDERS[letters], strict=True))
        else:
            row["type"].ignore(bracket)
    of_type = dict(orders)
    for key in ("byte_order", "word_order"):
        if key not in row:
            continue
        word = plain(row[key].text)
        if word in _ORDERS:
            orders |= dict(zip(("byte_order", "word_order"), _ORDERS[word], strict=True))
        elif word in _ENDS:
            orders[key] = _ENDS[word]
        else:
            raise row[key].error(
                f"{row[key].text!r} is no order", "write big, little, ABCD, CDAB, BADC or DCBA"
            )
        if any(orders[name] != order for name, order in of_type.items()):
            problem = f"{row[key].text!r} and {row['type'].text!r} contradict"
            raise row[key].error(problem, "correct one of them")
    return {key: order for key, order in orders.items() if order != "big"}


def number(cell: Cell) -> float | int:
    text = cell.text.replace(" ", "")
    if re.fullmatch(r"\d+/\d+", text) and (divisor := int(text.split("/")[1])):
        return int(text.split("/")[0]) / divisor
    if power := re.fullmatch(r"10(?:\^|\*\*)([-+]?\d{1,2})", text):
        return float(f"1e{power[1]}")
    match = re.fullmatch(rf"[x×*]?(-?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?)({_UNIT})?", text)
    if match is None:
        raise cell.error(f"{cell.text!r} is no number", "write 0.1, with a point")
    if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+", match[1]):
        point = match[1].replace(",", ".", 1)
        raise cell.error(f"{cell.text!r} may be thousands or a decimal comma", f"write {point} or without it")
    if match[2]:
        cell.ignore(match[2])
    parsed = float(match[1].replace(",", "."))
    return int(parsed) if parsed.is_integer() and abs(parsed) < 1e15 else parsed


def whole(cell: Cell) -> int:
    try:
        return int(cell.text, 0)
    except ValueError:
        raise cell.error(f"{cell.text!r} is no whole number", "write 0, 1, 2, ...") from None


def _scale(cell: Cell, kind: str) -> float | int | None:
    factor = number(cell)
    if factor != 1 and kind in ("bool", "string"):
        raise cell.error(f"a {kind} has no scale", "write 1, or correct the type")
    return None if factor == 1 else factor


def _offset(cell: Cell, kind: str) -> float | int | None:
    offset = number(cell)
    if offset and kind in ("bool", "string"):
        raise cell.error(f"a {kind} has no offset", "write 0, or correct the type")
    return offset or None


def _length(cell: Cell, kind: str) -> int | None:
    length = whole(cell)
    if kind == "string":
        return length
    if length != DataType(kind).registers:
        raise cell.error(
            f"the length of a {kind} is {DataType(kind).registers}, not {length}",
            "correct the length, which is in registers, or the type",
        )
    return None


def _bit(cell: Cell, kind: str) -> int:
    match = re.fullmatch(r"(?:bits?|位)?\s*(\d+)", cell.text.lower())
    if match is None or kind != "bool":
        raise cell.error(f"{cell.text!r} is no number of a bit", "write 0 for the least significant, to 15")
    return int(match[1])


def bits(cell: Cell) -> list[int]:
    """The bits of an integer: "4-7", or one."""
    match = re.fullmatch(r"(?:bits?|位)?\s*(\d+)\s*(?:(?:-|~|\.\.|:)\s*(\d+))?", cell.text.lower())
    if match is None:
        raise cell.error(f"{cell.text!r} are no bits", "write 4-7, where 0 is the least significant")
    return sorted((int(match[1]), int(match[2] or match[1])))


def _group(cell: Cell, _: str) -> str:
    name = slug(cell.text)
    if not name:
        raise cell.error(f"{cell.text!r} makes no name of a poll group", "use letters, such as fast")
    return name


def _sentinels(cell: Cell, kind: str) -> list[int | float]:
    read = number if kind.startswith("float") else whole
    return [read(replace(cell, text=part.strip())) for part in re.split(r"[,;|/ ]+", cell.text)]


def _enum(cell: Cell, _: str) -> dict[int, str]:
    """ "0: off, 1: on" or "0=停止;1=运行"."""
    texts = {}
    for part in re.split(r"[,;|\n，；]", cell.text):
        match = re.fullmatch(r"\s*(-?\d+|0x[0-9a-fA-F]+)\s*[:=：\-]\s*(.+?)\s*", part)
        if match is None:
            raise cell.error(f"{part.strip()!r} is no code with its text", "write 0=off; 1=on")
        texts[int(match[1], 0)] = match[2]
    return texts


def _access(cell: Cell, _: str) -> str:
    access = access_of(cell.text)
    if access is None:
        raise cell.error(f"{cell.text!r} is no access", "write R, W or RW")
    return access


OPTIONAL: Mapping[str, Callable[[Cell, str], Any]] = {
    "length": _length,
    "bit": _bit,
    "scale": _scale,
    "offset": _offset,
    "unit": lambda cell, _: cell.text,
    "sentinels": _sentinels,
    "enum": _enum,
    "access": _access,
    "group": _group,
    "kind": lambda cell, _: cell.text.lower(),
}


def letter(column: int) -> str:
    """A, B, ... Z, AA, as sheets name their columns."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
