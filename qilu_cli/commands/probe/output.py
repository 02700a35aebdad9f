"""What a probe found, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid
from rich.text import Text

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.interpretations import VIEWS, View, plausible_views
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.type_inference import summary, tiles
from gateway.commissioning.probe.value_search import Match, notes
from qilu.contract.modicon import TableAddress, format_modicon
from qilu_cli.terminal import console

_NOT_LIKELY = "·"
_CELL = 13  # a column of numbers with the space before it


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while something takes its time; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


def modicon(dump: Dump, address: int) -> str:
    return format_modicon(TableAddress(dump.table, address))


def dump_grid(dump: Dump, width: int, changed: frozenset[int] = frozenset()) -> Grid:
    """One row for each address: its words, and every plausible number that begins there."""
    if dump.table.holds_bits:
        return _bit_grid(dump, changed)
    views = plausible_views(dump)
    columns = _likely_first(dump, views)[: _room(width)]
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("address", "Modicon", "hex", "text"):
        grid.add_column(name, no_wrap=True)
    for view in columns:
        grid.add_column(view.name, justify="right", no_wrap=True)
    for address, last in _rows(dump):
        head = _head(dump, address, last)
        if address not in dump.values:
            grid.add_row(*head, "", Text(dump.missing[address], style="red"))
            continue
        word = dump.values[address]
        cells = [_shown(views[view].get(address), view, dump, address) for view in columns]
        style = "reverse" if address in changed else ""
        grid.add_row(*head, f"{word:04X}", _characters(word), *cells, style=style)
    return grid


def _likely_first(dump: Dump, views: Iterable[View]) -> list[View]:
    guessed = Counter(tile.view for tile in tiles(dump))
    return sorted(views, key=lambda view: (view.registers > 1, -guessed[view]))


def _room(width: int) -> int:
    return max(2, (width - 34) // _CELL)


def _shown(likely: float | None, view: View, dump: Dump, address: int) -> str:
    if likely is not None:
        return f"{likely:.7g}" if view.type.is_float else str(likely)
    return "0" if view.at(dump, address) == 0 and view.registers == 1 and not view.signed else _NOT_LIKELY


def _bit_grid(dump: Dump, changed: frozenset[int]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("address", "Modicon", "value"):
        grid.add_column(name, no_wrap=True)
    for address, last in _rows(dump):
        value = dump.values.get(address)
        shown = Text(dump.missing[address], style="red") if value is None else Text(str(value))
        style = "reverse" if address in changed else ""
        grid.add_row(*_head(dump, address, last), shown, style=style)
    return grid


def _rows(dump: Dump) -> Iterator[tuple[int, int]]:
    """First and last address of each row: one address, or all that are missing for one reason."""
    first = dump.span.first
    while first <= dump.span.last:
        last, why = first, dump.missing.get(first)
        while why is not None and dump.missing.get(last + 1) == why:
            last += 1
        yield first, last
        first = last + 1


def _head(dump: Dump, first: int, last: int) -> list[str]:
    if first == last:
        return [str(first), modicon(dump, first)]
    return [f"{first}-{last}", f"{modicon(dump, first)}-{modicon(dump, last)}"]


def dump_lines(dump: Dump, width: int) -> Iterator[str]:
    """The notes on the dump as a whole, shown in so many columns."""
    if not dump.values:
        yield "nothing in this range can be read"
        return
    if not dump.table.holds_bits and (sentence := summary(tiles(dump))):
        yield sentence
    if not dump.table.holds_bits and (left_out := _likely_first(dump, plausible_views(dump))[_room(width) :]):
        names = ", ".join(view.name for view in left_out)
        yield f"no room for {names}: widen the terminal, or see --format json"
    if dump.missing:
        yield f"{len(dump.missing)} of {dump.span.size} addresses cannot be read; the others can"


def match_grid(matches: Sequence[tuple[Dump, Match, Range]]) -> Grid:
    """The matches, the likeliest first, with hints."""
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "address", "Modicon", "read as", "raw", "scale", "shows", "note"):
        grid.add_column(name, overflow="fold")
    for dump, match, read in matches:
        note = "; ".join(hint for hint in notes(dump, match, read) if not hint.startswith("scale"))
        grid.add_row(
            dump.table, str(match.address), modicon(dump, match.address), match.view.name,
            f"{match.raw:.7g}" if match.view.type.is_float else str(match.raw),
            f"{match.scale:g}", f"{match.number:.7g}", note,
        )  # fmt: skip
    return grid


def match_json(dump: Dump, match: Match, read: Range) -> Mapping[str, Any]:
    return {
        "table": dump.table.value,
        "address": match.address,
        "modicon": modicon(dump, match.address),
        **match.view.keys,
        "order": match.view.letters,
        "scale": match.scale,
        "raw": match.raw,
        "value": match.number,
        "hints": notes(dump, match, read),
    }


def dump_json(dump: Dump) -> Mapping[str, Any]:
    """Everything, also what is not plausible."""
    rows: list[Mapping[str, Any]] = []
    for address in range(dump.span.first, dump.span.last + 1):
        row: dict[str, Any] = {"address": address, "modicon": modicon(dump, address)}
        if address not in dump.values:
            row["missing"] = dump.missing[address]
        elif dump.table.holds_bits:
            row["value"] = bool(dump.values[address])
        else:
            row["hex"] = f"{dump.values[address]:04X}"
            row["read_as"] = _read_as(dump, address, VIEWS)
        rows.append(row)
    return {"table": dump.table.value, "first": dump.span.first, "last": dump.span.last, "addresses": rows}


def _read_as(dump: Dump, address: int, views: Iterable[View]) -> Mapping[str, float | int]:
    numbers = ((view.name, view.at(dump, address)) for view in views)
    return {name: number for name, number in numbers if number is not None}


def print_json(value: object) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def _characters(word: int) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in word.to_bytes(2))
