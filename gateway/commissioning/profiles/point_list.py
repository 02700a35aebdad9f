"""Reads a list of points in a CSV text; errors name line and column. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.commissioning.profiles.addressing import Addressing, Row, access, are_modicon, place
from gateway.commissioning.profiles.cell_parsers import (
    OPTIONAL,
    Cell,
    UnusedContent,
    bits,
    letter,
    number,
    orders,
    slug,
)
from gateway.commissioning.profiles.column_names import TYPES, columns_of, plain, type_of
from gateway.commissioning.profiles.yaml_writer import PointEntry, unique
from qilu.contract.errors import ConfigError, combined
from qilu.contract.profile import DataType


@dataclass(frozen=True, slots=True)
class PointList:
    """The content of a list of points: points for a profile, and the line of the list that each is from."""

    addressing: Literal["zero_based", "modicon"]
    points: tuple[PointEntry, ...]
    lines: tuple[int, ...]
    headings: Mapping[str, str]
    """Key -> the heading that was taken for it."""
    unused_columns: tuple[str, ...]
    """Headings that mean nothing here."""
    unused: tuple[str, ...]
    """What else of the list is not used, a sentence each."""


def read_list(text: str, addressing: Addressing = "auto") -> PointList:
    """ConfigError with all that is wrong; `line` and `key` are those of the list."""
    unused = UnusedContent()
    heading_row, *data_rows = _rows(text, unused)
    headings = [heading.strip() for heading in heading_row[1]]
    columns = _columns(heading_row, data_rows)
    _note_unnamed(headings, data_rows, unused)
    cells = [
        {
            key: Cell(row[index].strip(), line, headings[index], index, unused)
            for key, index in columns.items()
            if index < len(row) and row[index].strip()
        }
        for line, row in data_rows
    ]
    in_modicon = addressing == "modicon" or (addressing == "auto" and are_modicon(cells))
    lines = tuple(line for line, _ in data_rows)
    points = _points(cells, lines, in_modicon, addressing == "one_based")
    used = columns.values()
    return PointList(
        "modicon" if in_modicon else "zero_based",
        points,
        lines,
        {key: headings[index] for key, index in columns.items()},
        tuple(heading for index, heading in enumerate(headings) if index not in used and heading),
        unused.texts(),
    )


def _columns(
    heading_row: tuple[int, Sequence[str]], data_rows: Sequence[tuple[int, Sequence[str]]]
) -> Mapping[str, int]:
    """Key -> its column; ConfigError where the list has no addresses or no points."""
    line, headings = heading_row
    columns = columns_of(headings)
    if "address" not in columns:
        raise ConfigError(
            f"no column is an address; the headings are: {', '.join(headings)}",
            line=line,
            remedy="the first line names the columns: name, table, address, type, scale, unit, ...",
        )
    if not data_rows:
        raise ConfigError("there are headings and no points", line=line, remedy="add a line for each point")
    return columns


def _points(
    rows: Sequence[Row], lines: Sequence[int], in_modicon: bool, one_based: bool
) -> tuple[PointEntry, ...]:
    """The point of each row under a name of its own; ConfigError with the errors of all rows."""
    points, errors = [], []
    for row, line in zip(rows, lines, strict=True):
        try:
            points.append(_point(row, line, in_modicon, one_based))
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise combined(errors)
    names = unique(str(point["name"]) for point in points)
    return tuple(
        PointEntry({**point, "name": name}, _renamed(row, point, name))
        for row, point, name in zip(rows, points, names, strict=True)
    )


def _renamed(row: Row, point: Mapping[str, Any], name: str) -> str:
    """A comment with the name in the list, where it is lost."""
    text = row["name"].text if "name" in row else name
    kept = text == name or text in point.get("label", {}).values()
    return "" if kept else f"{text!r} in the list"


def _note_unnamed(
    headings: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], unused: UnusedContent
) -> None:
    """Cells without a heading."""
    for line, row in rows:
        for index, text in enumerate(row):
            if text.strip() and (index >= len(headings) or not headings[index].strip()):
                unused.add(f"{text.strip()!r} in column {letter(index)}, which has no heading", line)


def _rows(text: str, unused: UnusedContent) -> list[tuple[int, list[str]]]:
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
    filled = [(line, row) for line, row in rows if any(map(str.strip, row))]
    for line, row in filled:
        if row[0].startswith("#"):
            unused.add("a line that begins with #", line)
    return [(line, row) for line, row in filled if not row[0].startswith("#")]


def _point(row: Row, line: int, in_modicon: bool, one_based: bool) -> dict[str, Any]:
    """The keys of a point in the order of a profile."""
    if "address" not in row:
        raise ConfigError("has no address", line=line, remedy="write one, or remove the line")
    table, where = place(row, in_modicon, one_based)
    kind = _type(row, table)
    chosen = bits(row["bit"]) if "bit" in row and DataType(kind).is_integer else None
    if chosen is not None and chosen[0] == chosen[1]:  # one bit has no sign
        kind = kind.replace("uint", "int").replace("int", "uint")
    optional = {
        key: read(row[key], kind)
        for key, read in OPTIONAL.items()
        if key in row and not (key == "bit" and chosen)
    }
    optional["bits"] = chosen
    point = {**where, "type": kind, **{key: value for key, value in optional.items() if value is not None}}
    point |= orders(row)
    if limits := {end: number(row[end]) for end in ("min", "max") if end in row}:
        point["limits"] = limits
    point["access"] = access(row) or point.get("access", "read")
    if point["access"] == "read":
        del point["access"]
    return {**_naming(row, f"{table}_{row['address'].text}".lower()), **point}


def _naming(row: Row, default: str) -> dict[str, Any]:
    """The name of a point, and its label where it has one; a name that is no identifier is a label, too."""
    label = {key: row[name].text for key, name in (("en", "label"), ("zh", "label_zh")) if name in row}
    if "en" in label and not label["en"].isascii() and "zh" not in label:
        label = {"zh": label["en"]}
    text = row["name"].text if "name" in row else label.get("en", "")
    if "name" in row and slug(text) != text:
        label.setdefault("en" if text.isascii() else "zh", text)
    name = {"name": slug(text) or default}
    return {**name, "label": label} if label else name


def _type(row: Row, table: object) -> str:
    if "type" not in row:
        if "bit" in row or table in ("coil", "discrete"):
            return "bool"
        raise row["address"].error(
            f"the point at {row['address'].text} has no type",
            "add a column type: uint16, int16, uint32, int32, float32, ...",
        )
    kind = type_of(row["type"].text)
    if kind is None:
        known = ", ".join(TYPES)
        raise row["type"].error(f"{row['type'].text!r} is no type", f"known are: {known}")
    registers = row["length"].text if "length" in row else ""
    if not any(map(str.isdigit, plain(row["type"].text))):
        kind = _LONGER.get((kind, registers), kind)
    return kind


_LONGER = {
    ("uint16", "2"): "uint32",
    ("uint16", "4"): "uint64",
    ("int16", "2"): "int32",
    ("int16", "4"): "int64",
    ("float32", "4"): "float64",
    ("bcd16", "2"): "bcd32",
}
"""An INT of two registers is one of 32 bits."""
