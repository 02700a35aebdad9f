"""`qilu probe watch`: reads the same ranges again and again and marks what changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Group
from rich.live import Live

from gateway.commissioning.probe.arguments import Range, parse_range
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, read_range
from qilu.contract.errors import UnreachableError
from qilu_cli.commands.probe.output import dump_grid
from qilu_cli.commands.probe.session import Access, prober, seconds
from qilu_cli.terminal import console


async def watch(access: Access, ranges: Sequence[str], every: str, unit: int) -> None:
    """Until it is cancelled: a table that moves, or in a pipe one line for each change."""
    period = seconds("--every", every)
    parsed = [parse_range(text) for text in ranges]
    async with prober(access) as client:
        if sys.stdout.isatty():
            with Live(console=console(), auto_refresh=False) as live:
                display = _MovingTable(live, f"unit {unit}, every {period:g} s")
                await _repeat(client, unit, parsed, period, display)
        else:
            await _repeat(client, unit, parsed, period, _Lines())


def changes(before: Dump, after: Dump) -> dict[int, tuple[int | None, int | None]]:
    """Address -> value before and after, where they differ; None where there was none. Pure."""
    addresses = range(after.span.first, after.span.last + 1)
    pairs = {address: (before.values.get(address), after.values.get(address)) for address in addresses}
    return {address: pair for address, pair in pairs.items() if pair[0] != pair[1]}


class _MovingTable:
    """The grids of the ranges on a terminal, changes in reverse."""

    def __init__(self, live: Live, title: str) -> None:
        self.out = live.console
        self._live = live
        self._title = title

    def show(self, before: Sequence[Dump], dumps: Sequence[Dump]) -> None:
        width = self.out.width
        grids = [
            dump_grid(dump, width, frozenset(changes(old, dump)))
            for old, dump in zip(before or dumps, dumps, strict=True)
        ]
        self._live.update(Group(f"{_now()}  {self._title}", *grids), refresh=True)


class _Lines:
    """The grids once, then a line for each change."""

    def __init__(self) -> None:
        self.out = console()

    def show(self, before: Sequence[Dump], dumps: Sequence[Dump]) -> None:
        if not before:
            for dump in dumps:
                self.out.print(dump_grid(dump, self.out.width))
        for old_dump, dump in zip(before, dumps, strict=False):
            for address, (old, new) in changes(old_dump, dump).items():
                print(f"{_now()} {dump.table}:{address} {_text(old)} -> {_text(new)}", flush=True)


async def _repeat(
    client: Prober, unit: int, ranges: Sequence[Range], period: float, display: _MovingTable | _Lines
) -> None:
    """Read and show, without an end. A read that took too long moves the next one, it is not made up for."""
    clock = asyncio.get_running_loop().time
    before: list[Dump] = []
    due = clock()
    while True:
        try:
            dumps = [await read_range(client, unit, addresses) for addresses in ranges]
        except UnreachableError as error:
            display.out.print(f"{_now()} {error}")
        else:
            display.show(before, dumps)
            before = dumps
        due = max(due + period, clock())
        await asyncio.sleep(due - clock())


def _text(value: int | None) -> str:
    return "none" if value is None else str(value)


def _now() -> str:
    """The time of this machine, with its offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds").partition("T")[2]
