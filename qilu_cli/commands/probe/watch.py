"""Reads the same ranges again and again and marks what changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Group
from rich.live import Live

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, read_range
from qilu.contract.errors import UnreachableError
from qilu_cli.commands.probe.output import dump_grid
from qilu_cli.terminal import console


def changes(before: Dump, after: Dump) -> dict[int, tuple[int | None, int | None]]:
    """Address -> value before and after, where they differ; None where there was none. Pure."""
    addresses = range(after.span.first, after.span.last + 1)
    pairs = {address: (before.values.get(address), after.values.get(address)) for address in addresses}
    return {address: pair for address, pair in pairs.items() if pair[0] != pair[1]}


async def watch(prober: Prober, unit: int, ranges: Sequence[Range], period: float) -> None:
    """Until it is cancelled: a table that moves, or in a pipe one line for each change."""
    out, clock = console(), asyncio.get_running_loop().time
    live = Live(console=out, auto_refresh=False) if sys.stdout.isatty() else None
    before: list[Dump] = []
    due = clock()
    if live is not None:
        live.start()
    try:
        while True:
            try:
                dumps = [await read_range(prober, unit, span) for span in ranges]
            except UnreachableError as error:
                out.print(f"{_now()} {error}")
            else:
                changed = [changes(*pair) for pair in zip(before, dumps, strict=True)] if before else []
                if live is not None:
                    marks = [frozenset(addresses) for addresses in changed] or [frozenset()] * len(dumps)
                    grids = [dump_grid(d, out.width, m) for d, m in zip(dumps, marks, strict=True)]
                    live.update(Group(f"{_now()}  unit {unit}, every {period:g} s", *grids), refresh=True)
                elif not before:
                    for dump in dumps:
                        out.print(dump_grid(dump, out.width))
                else:
                    for dump, difference in zip(dumps, changed, strict=True):
                        for address, (old, new) in difference.items():
                            print(
                                f"{_now()} {dump.table}:{address} {_texts(old)} -> {_texts(new)}", flush=True
                            )
                before = dumps
            # A turn that took too long moves the next one, it is not made up for.
            due = max(due + period, clock())
            await asyncio.sleep(due - clock())
    finally:
        if live is not None:
            live.stop()


def _texts(value: int | None) -> str:
    return "none" if value is None else str(value)


def _now() -> str:
    """The time of this machine, with its offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds").partition("T")[2]
