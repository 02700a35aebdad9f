"""Reads a list of points in a CSV text; what is wrong is told with line and column. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qilu.command.profile.cells import OPTIONAL, Cell, address, number, orders, slug
from qilu.command.profile.columns import FUNCTIONS, columns_of, plain, table_of, type_of
from qilu.command.profile.writing import Line, unique
from qilu.contract.errors import ConfigError
from qilu.contract.modicon import parse_modicon

Addressing = Literal["auto", "zero_based", "one_based", "modicon"]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of points says: points for a profile, and the line of the list that each is from."""

    addressing: Literal["zero_based", "modicon"]
    points: tuple[Line, ...]
    lines: tuple[int, ...]
    headings: Mapping[str, str]
    """Key -> the heading that was taken for it."""
    ignored: tuple[str, ...]
    """Headings that mean nothing here."""


def read_list(text: str, addressing: Addressing = "auto") -> Listed:
    """ConfigError with all that is wrong; `line` and `key` are those of the list."""
    rows = _rows(text)
    first, *others = rows
    columns = columns_of(first[1])
    headings = {key: first[1][index].strip() for key, index in columns.items()}
    if "address" not in columns:
        raise ConfigError(
            f"no column is an address; the headings are: {', '.join(first[1])}",
            line=first[0],
            remedy="the first line names the columns: name, table, address, type, scale, unit, ...",
        )
    if not others:
        raise ConfigError(
            "there are headings and no points", line=first[0], remedy="add a line for each point"
        )
    cells = [
        {
            key: Cell(row[index].strip(), line, first[1][index].strip(), index)
            for key, index in columns.items()
            if index < len(row) and row[index].strip()
        }
        for line, row in others
    ]
    in_modicon = addressing == "modicon" or (addressing == "auto" and _are_modicon(cells))
    points, errors = [], []
    for row, (line, _) in zip(cells, others, strict=True):
        try:
            points.append(_point(row, line, in_modicon, addressing == "one_based"))
        except ConfigError as error:
            errors.append(error)
    if errors:
        errors[0].others = tuple(errors[1:])
        raise errors[0]
    names = unique(str(point["name"]) for point in points)
    return Listed(
        "modicon" if in_modicon else "zero_based",
        tuple(Line({**point, "name": name}) for point, name in zip(points, names, strict=True)),
        tuple(line for line, _ in others),
        headings,
        tuple(
            heading.strip()
            for index, heading in enumerate(first[1])
            if index not in columns.values() and heading.strip()
        ),
    )


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, with the line where each ends; separated by comma, semicolon or tab."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    if not head:
        raise ConfigError("the list is empty", line=1, remedy="the first line names the columns")
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ConfigError(f"not CSV: {error}", line=reader.line_num, remedy="save the sheet as CSV") from None
    return [(line, row) for line, row in rows if any(map(str.strip, row)) and not row[0].startswith("#")]


def _are_modicon(rows: Sequence[Mapping[str, Cell]]) -> bool:
    """Whether every address may well be meant in Modicon's notation; what is none at all is told later."""
    addressed = [row for row in rows if "address" in row and _is_address(row["address"])]
    return bool(addressed) and all(map(_is_modicon, addressed))


def _is_address(cell: Cell) -> bool:
    try:
        address(cell)
    except ConfigError:
        return False
    return True


def _is_modicon(row: Mapping[str, Cell]) -> bool:
    try:
        place = parse_modicon(row["address"].text)
    except ValueError:
        return False
    table = _table(row)
    return len(row["address"].text) >= 5 and (table is None or table == place.table)


def _point(row: Mapping[str, Cell], line: int, in_modicon: bool, one_based: bool) -> dict[str, Any]:
    if "address" not in row:
        raise ConfigError("has no address", line=line, remedy="write one, or remove the line")
    point: dict[str, Any] = {"name": "", **_place(row, in_modicon, one_based)}
    table = parse_modicon(str(point["address"])).table if in_modicon else point["table"]
    kind = _type(row, table)
    point["type"] = kind
    for key, read in OPTIONAL.items():
        if key in row and (value := read(row[key], kind)) is not None:
            point[key] = value
    point |= orders(row)
    if limits := {end: number(row[end]) for end in ("min", "max") if end in row}:
        point["limits"] = limits
    label = {key: row[name].text for key, name in (("en", "label"), ("zh", "label_zh")) if name in row}
    if "en" in label and not label["en"].isascii() and "zh" not in label:
        label = {"zh": label["en"]}
    given = row["name"].text if "name" in row else label.get("en", "")
    point["name"] = slug(given) or f"{table}_{row['address'].text}".lower()
    if "name" in row and slug(given) != given and not label:
        label = {"en" if given.isascii() else "zh": given}
    if label:
        point = {"name": point.pop("name"), "label": label, **point}
    if point["access"] == "read" if "access" in point else False:
        del point["access"]
    return point


def _table(row: Mapping[str, Cell]) -> str | None:
    """The table that the row names, by its word or by the function that reads it."""
    if "table" in row:
        return table_of(row["table"].text)
    if "function" in row and (digits := re.findall(r"\d+", row["function"].text)):
        return FUNCTIONS.get(int(digits[0]))
    return None


def _place(row: Mapping[str, Cell], in_modicon: bool, one_based: bool) -> dict[str, Any]:
    cell, table = row["address"], _table(row)
    if table is None and (named := row.get("table") or row.get("function")):
        raise named.wrong(
            f"{named.text!r} is no table", "write coil, discrete, input, holding, or the function 1 to 4"
        )
    if in_modicon:
        try:
            named_table = parse_modicon(cell.text).table
        except ValueError as error:
            raise cell.wrong(str(error), "write 40001 for the first holding register") from None
        if table not in (None, named_table):
            raise cell.wrong(f"{cell.text} is in table {named_table}, not {table}", "correct one of them")
        # The digits as they are: as a number 00001 would lose its meaning.
        return {"address": cell.text if cell.text.startswith("0") else int(cell.text)}
    if table is None:
        raise cell.wrong(
            f"{cell.text!r} does not say its table",
            "add a column table or function, or write 40001 for holding 0",
        )
    place = address(cell) - one_based
    if not 0 <= place <= 65535:
        raise cell.wrong(f"address {cell.text} does not exist", "addresses are 0 to 65535")
    return {"table": table, "address": place}


def _type(row: Mapping[str, Cell], table: object) -> str:
    if "type" not in row:
        if "bit" in row or table in ("coil", "discrete"):
            return "bool"
        raise row["address"].wrong(
            f"the type of what stands at {row['address'].text} is not told",
            "add a column type: uint16, int16, uint32, int32, float32, ...",
        )
    kind = type_of(row["type"].text)
    if kind is None:
        known = "bool, uint16, int16, uint32, int32, uint64, int64, float32, float64, string"
        raise row["type"].wrong(f"{row['type'].text!r} is no type", f"known are: {known}")
    registers = row["length"].text if "length" in row else ""
    if (
        registers in ("2", "4")
        and kind in ("uint16", "int16")
        and plain(row["type"].text) not in ("uint16", "int16")
    ):
        kind = f"{kind.removesuffix('16')}{16 * int(registers)}"  # "int" of two registers
    return kind
