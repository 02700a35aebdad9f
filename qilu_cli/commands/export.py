"""`qilu plant export`: a data set as fast as it goes, with a bar on a terminal and lines in a pipe."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from qilu.contract.errors import ConfigError
from qilu.contract.units import format_duration
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.store_access import duration
from qilu_cli.terminal import console
from simulator.app import load
from simulator.ground_truth.export import ExportPlan, export, plan_export
from simulator.ground_truth.intervals import Take
from simulator.ground_truth.tables import Form
from simulator.plant.plant_file import MAX_STEP

STEP = 1.0
"""The least simulated seconds of a tick: a data set does not need the pace of a socket."""
ESTIMATE_AFTER = 5.0
"""Seconds after which it is known how long the rest will take."""
_YIELD_INTERVAL_S = 0.1  # seconds between which signals and the bar get their turn

Show = Callable[[int], None]


@dataclass(frozen=True)
class ExportOptions:
    """What was asked for, as it was written."""

    folder: Path
    span: str
    every: str
    step: str | None
    form: Form
    take: Take = "last"


async def export_to(file: Path, options: ExportOptions) -> None:
    """Write the data set; ConfigError when plant, folder or times are wrong."""
    every, span = duration("--every", options.every), duration("--span", options.span)
    step = None if options.step is None else duration("--step", options.step)
    if step is not None and step > MAX_STEP:
        remedy = f"give {format_duration(MAX_STEP)} or less"
        raise ConfigError("machines cannot be stepped so far at once", key="--step", remedy=remedy)
    with expected(Kind.PLANT, file):
        plant = load(file, step=step, minimum_step=STEP)
    what = plan_export(plant, span, every, options.form, options.take)
    started_at = time.monotonic()
    with ExitStack() as stack:
        show = _shown(stack, what, every)
        last_yield = started_at
        for done in export(plant, options.folder, what):
            if time.monotonic() - last_yield >= _YIELD_INTERVAL_S or 10 * done % what.rows < 10:
                show(done)
                await asyncio.sleep(0)
                last_yield = time.monotonic()
    took = time.monotonic() - started_at
    print(
        f"{len(plant.devices)} devices, {what.rows} rows each, {format_duration(what.rows * every)} "
        f"in {took:.1f} s: {options.folder}"
    )


def _shown(stack: ExitStack, what: ExportPlan, every: float) -> Show:
    """How far it is, on stderr: a bar where somebody watches, else a line at each tenth."""
    if sys.stderr.isatty():
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=console(stderr=True),
        )
        stack.enter_context(bar)
        task = bar.add_task("exporting", total=what.rows)
        return lambda done: bar.update(task, completed=done)
    tenth, estimated, started_at = 0, False, time.monotonic()

    def line(done: int) -> None:
        nonlocal tenth, estimated
        took = time.monotonic() - started_at
        left = f"{format_duration(round(took * (what.rows - done) / done))} left"
        if 10 * done // what.rows > tenth:
            tenth = 10 * done // what.rows
            text = f"{10 * tenth} % ({format_duration(done * every)}), {left}"
            print(text, file=sys.stderr, flush=True)
        elif not estimated and took > ESTIMATE_AFTER:
            print(f"about {left}", file=sys.stderr, flush=True)
        estimated = estimated or took > ESTIMATE_AFTER

    return line
