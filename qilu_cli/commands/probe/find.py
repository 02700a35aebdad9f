"""`qilu probe find`: where a known value stands in the registers of a device."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from gateway.commissioning.probe.arguments import Range, parse_range
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.value_search import SHOWN, Match, find, parse_tolerance
from qilu.contract.errors import ConfigError
from qilu_cli.commands.probe.output import match_grid, match_json, print_json
from qilu_cli.commands.probe.session import Access, dump, prober
from qilu_cli.terminal import console


async def find_value(
    access: Access, ranges: Sequence[str], value: float, tolerance: str, unit: int, form: str
) -> None:
    """Print the likeliest matches. Neighbours of the ranges are read too: addresses are often off by one."""
    allowed = parse_tolerance(tolerance)
    searched = _with_registers(value, [parse_range(text) for text in ranges])
    matches: list[tuple[Dump, Match, Range]] = []
    async with prober(access) as client:
        for entry in searched:
            content = await dump(client, unit, entry.widened(1, 3))
            near = [match for match in find(content, value, allowed) if match.near(entry)]
            matches += [(content, match, entry) for match in near]
    shown = sorted(matches, key=lambda row: row[1].cost)[:SHOWN]
    if form == "json":
        print_json([match_json(*entry) for entry in shown])
    elif shown:
        console().print(match_grid(shown))
    else:
        console().print(
            f"nothing there shows {value:g} within {tolerance}: try more addresses, the other table"
            " (holding, input) or a larger --tolerance"
        )


def _with_registers(value: float, ranges: Sequence[Range]) -> list[Range]:
    """Those of the ranges in which a number can be; ConfigError where there is none."""
    registers = [addresses for addresses in ranges if not addresses.table.holds_bits]
    if not registers or not value or not isfinite(value):
        raise ConfigError(
            "a number other than 0 in registers is searched", key="--value", remedy="read holding or input"
        )
    return registers
