"""Shows the running plant: a live table in a terminal, plain lines anywhere else."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from qilu.contract.profile import DeviceProfile
from qilu.contract.text_escaping import plain
from qilu_cli.commands.demo.latest_values import SHOWN, LatestValues, format_value, shown, state_of
from qilu_cli.terminal import console

_LIVE_EVERY = 0.5
_LINES_EVERY = 2.0
_NARROW, _PER_POINT = 32, 29
"""Columns of the terminal that a device needs without its points, and for each of them."""
_STOPPING = "stopping: the last readings are being delivered; Ctrl-C once more leaves at once"


@dataclass(frozen=True, slots=True)
class Flow:
    """How far the readings have come, for the line below the table."""

    seconds: float
    polls_per_s: float
    polled_points: int
    bad_points: int
    spooled_records: int
    durable_records: int
    p50_ms: float | None
    p99_ms: float | None

    def __str__(self) -> str:
        took = (
            ""
            if self.p50_ms is None
            else f", durable after {self.p50_ms:.0f} ms (99 %: {self.p99_ms:.0f} ms)"
        )
        return (
            f"{self.seconds:4.0f} s  {self.polls_per_s:5.1f} polls/s, {self.polled_points} points read, "
            f"{self.bad_points} bad; {self.spooled_records} records in the spool, "
            f"{self.durable_records} durable{took}"
        )


@dataclass(frozen=True, slots=True)
class Plant:
    """What is shown: the devices with their profiles, their latest values, and the flow."""

    profiles: Mapping[str, DeviceProfile]
    latest_values: LatestValues
    now_ms: Callable[[], int]
    flow: Callable[[], Flow]
    stopping: Callable[[], bool]
    caption: Callable[[], Sequence[str]] = tuple
    """Lines of a story about what happens, below the table."""


async def show(plant: Plant, headless: bool) -> None:
    """Show until cancelled. `headless`: one line about the flow now and then, nothing per device."""
    out = console()
    if not is_live(headless):
        await _lines(plant, headless)
        return
    with Live(console=out, auto_refresh=False, transient=False) as live:
        while True:
            live.update(picture(plant, out.width, out.height), refresh=True)
            await asyncio.sleep(_LIVE_EVERY)


def is_live(headless: bool) -> bool:
    """Whether there is a terminal for a live table."""
    return not headless and console().is_terminal


async def _lines(plant: Plant, headless: bool) -> None:
    while not plant.stopping():
        await asyncio.sleep(_LINES_EVERY)
        if not headless:
            for device, profile in plant.profiles.items():
                print_line(
                    f"{device:16} " + "  ".join(part for part in _cells(plant, device, profile) if part)
                )
        print_line(str(plant.flow()))
    print_line(_STOPPING)


def print_line(line: str) -> None:
    sys.stdout.write(plain(line) + "\n")
    sys.stdout.flush()


def picture(plant: Plant, width: int, height: int) -> Group:
    """What fits into a terminal: the line about the flow always, and devices in trouble first."""
    room = max(1, (width - _NARROW) // _PER_POINT)
    below = [
        *(Text(line, style="bold") for line in plant.caption()),
        Text(str(plant.flow()), style="bold"),
        Text(_STOPPING if plant.stopping() else "Ctrl-C stops it.", style="dim"),
    ]
    rows = height - 1 - sum(math.ceil(line.cell_len / width) for line in below)
    devices = list(plant.profiles)
    if len(devices) > rows:
        devices = _select_urgent(plant, max(rows - 1, 0))
        below.insert(
            0, Text(f"and {len(plant.profiles) - len(devices)} more, in a higher terminal", style="dim")
        )
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for title in ("device", "state", *[""] * min(room, SHOWN), "age"):
        table.add_column(title, no_wrap=True)
    for device in devices:
        profile, latest = plant.profiles[device], plant.latest_values.latest.get(device)
        style = "red" if latest is not None and latest.bad is not None else ""
        state, *points, age = _cells(plant, device, profile)
        table.add_row(device, state, *points[:room], age, style=style)
    return Group(table, *below)


def _select_urgent(plant: Plant, count: int) -> list[str]:
    """So many devices, in their order: those that are bad or silent, and then the first ones."""

    def is_well(device: str) -> bool:
        latest = plant.latest_values.latest.get(device)
        return latest is not None and latest.bad is None

    chosen = set(sorted(plant.profiles, key=is_well)[:count])
    return [device for device in plant.profiles if device in chosen]


def _cells(plant: Plant, device: str, profile: DeviceProfile) -> list[str]:
    """State, three points and the age of the latest reading."""
    latest = plant.latest_values.latest.get(device)
    if latest is None:
        return ["", "", "", "", "no reading yet"]
    points = [
        f"{point.name} {format_value(point, latest.values.get(point.name))}" for point in shown(profile)
    ]
    age = f"{max(0, plant.now_ms() - latest.time_ms) / 1000:.1f} s"
    state = str(latest.bad) if latest.bad is not None else state_of(profile, latest.values)
    return [state, *points, *[""] * (SHOWN - len(points)), age]
