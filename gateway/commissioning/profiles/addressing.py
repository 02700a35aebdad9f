"""Where the addresses of a list of points are: in which table, and counted from where. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gateway.commissioning.profiles.cell_parsers import Cell, address, is_hex
from gateway.commissioning.profiles.column_names import access_of, table_of
from qilu.contract.errors import ConfigError
from qilu.contract.modicon import parse_modicon
from qilu.contract.profile import TABLES_BY_FUNCTION, Table

Addressing = Literal["auto", "zero_based", "one_based", "modicon"]
Row = Mapping[str, Cell]
"""The cells of one line that are not empty, by the key that their heading means."""


def are_modicon(rows: Sequence[Row]) -> bool:
    """Whether every address may well be meant in Modicon's notation; what is no address at all is reported
    later.

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
    """The table that the row names, by its word or by its functions."""
    if "table" in row:
        return table_of(row["table"].text)
    return next((str(table) for _, table in _functions(row) if table), None)


def _functions(row: Row) -> list[tuple[int, str | None]]:
    """The functions of the row, "03" or "3/16", with their tables."""
    text = row["function"].text.lower() if "function" in row else ""
    numbers = [int(digits, 16 if prefix else 10) for prefix, digits in re.findall(r"(0x)?([0-9]+)", text)]
    return [(number, _TABLE_OF.get(number)) for number in numbers]


_WRITES: Mapping[int, Table] = {
    **dict.fromkeys((5, 15), Table.COIL),
    **dict.fromkeys((6, 16, 22, 23), Table.HOLDING),
}
_TABLE_OF = {**TABLES_BY_FUNCTION, **_WRITES}


def access(row: Row) -> str | None:
    """What the functions of the row allow; None where it has none. ConfigError where they contradict."""
    functions = _functions(row)
    if not functions:
        return None
    reads, writes = (
        any(number in known for number, _ in functions) for known in (TABLES_BY_FUNCTION, _WRITES)
    )
    allowed = "read_write" if reads and writes else "write" if writes else "read"
    named = access_of(row["access"].text) if "access" in row else None
    if named is not None and named != allowed and (writes or named == "write"):
        cell = row["function"]
        raise cell.error(
            f"function {cell.text} means {allowed}, and the access is {named}", "correct one of them"
        )
    return named or allowed


def place(row: Row, in_modicon: bool, one_based: bool) -> tuple[str, dict[str, Any]]:
    """The table of a point, and the keys for it in a profile; ConfigError for no place."""
    cell, table = row["address"], named_table(row)
    if table is None and (named := row.get("table") or row.get("function")):
        raise named.error(
            f"{named.text!r} is no table", "write coil, discrete, input, holding, or the function 1 to 4"
        )
    for number, its_table in _functions(row):
        if its_table != table:
            problem = (
                f"function {number} is for table {its_table}" if its_table else f"{number} is no function"
            )
            raise row["function"].error(f"{problem}, not for {table}", "correct the function or the table")
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
