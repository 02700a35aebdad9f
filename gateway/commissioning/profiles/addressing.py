"""Where the addresses of a list of points are: in which table, and counted from where. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gateway.commissioning.profiles.cell_parsers import Cell, address, is_hex
from gateway.commissioning.profiles.column_names import table_of
from qilu.contract.errors import ConfigError
from qilu.contract.modicon import parse_modicon
from qilu.contract.profile import TABLES_BY_FUNCTION

Addressing = Literal["auto", "zero_based", "one_based", "modicon"]
Row = Mapping[str, Cell]
"""The cells of one line that are not empty, by the key that their heading means."""


def are_modicon(rows: Sequence[Row]) -> bool:
    """Whether every address may well be meant in Modicon's notation; what is none at all is told later.

    ConfigError where only hexadecimal ones speak against it: they would move all others by 40001.
    """
    addressed = [row for row in rows if "address" in row and _is_address(row["address"])]
    remaining = [row for row in addressed if not is_hex(row["address"])]
    if not remaining or not all(map(_may_be_modicon, remaining)):
        return False
    if len(remaining) < len(addressed):
        odd = next(row["address"] for row in addressed if is_hex(row["address"]))
        raise odd.error(
            f"{odd.text} counts from 0, and {remaining[0]['address'].text} may be in Modicon's notation",
            "write all addresses in one way, or say --addressing zero_based",
        )
    return True


def _is_address(cell: Cell) -> bool:
    try:
        address(cell)
    except ConfigError:
        return False
    return True


def _may_be_modicon(row: Row) -> bool:
    try:
        place = parse_modicon(row["address"].text)
    except ValueError:
        return False
    table = named_table(row)
    return len(row["address"].text) >= 5 and (table is None or table == place.table)


def named_table(row: Row) -> str | None:
    """The table that the row names, by its word or by the function that reads it."""
    if "table" in row:
        return table_of(row["table"].text)
    if "function" in row and (digits := re.findall(r"\d+", row["function"].text)):
        table = TABLES_BY_FUNCTION.get(int(digits[0]))
        return None if table is None else table.value
    return None


def place(row: Row, in_modicon: bool, one_based: bool) -> tuple[str, dict[str, Any]]:
    """The table of a point, and the keys that say in a profile where it is; ConfigError for no place."""
    cell, table = row["address"], named_table(row)
    if table is None and (named := row.get("table") or row.get("function")):
        raise named.error(
            f"{named.text!r} is no table", "write coil, discrete, input, holding, or the function 1 to 4"
        )
    if in_modicon:
        return _in_modicon(cell, table)
    if table is None:
        raise cell.error(
            f"{cell.text!r} does not say its table",
            "add a column table or function, or write 40001 for holding 0",
        )
    zero_based = address(cell) - one_based
    if not 0 <= zero_based <= 65535:
        raise cell.error(f"address {cell.text} does not exist", "addresses are 0 to 65535")
    return table, {"table": table, "address": zero_based}


def _in_modicon(cell: Cell, table: str | None) -> tuple[str, dict[str, Any]]:
    try:
        named = parse_modicon(cell.text).table
    except ValueError as error:
        raise cell.error(str(error), "write 40001 for the first holding register") from None
    if table not in (None, named):
        raise cell.error(f"{cell.text} is in table {named}, not {table}", "correct one of them")
    # The digits as they are: as a number 00001 would lose its meaning.
    return named, {"address": cell.text if cell.text.startswith("0") else int(cell.text)}
