"""`qilu report`: reports of what was collected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.command_line.shared_options import Profiles
from qilu_cli.runner import run

app = typer.Typer(help="Report what was collected, for people and for paper.")


@app.callback()
def report() -> None:
    """Report what was collected, for people and for paper."""


@app.command()
def day(
    source: Annotated[
        Path, typer.Argument(help="Gateway settings (.yaml), or the folder of a local history.")
    ] = Path("var/demo/history"),
    date: Annotated[
        str | None, typer.Argument(help="The day, such as 2026-11-30; default: yesterday.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page for A4 paper to this file.")] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="The language of the page.")] = "zh",
    profiles: Profiles = None,
) -> None:
    """Report a day of a local history: due, good, bad and missing values by reason, outages, hours by state.

    Without --html it is printed as JSON.

    Example: qilu report day configs/gateway.yaml 2026-11-30 --html day.html
    """
    from qilu_cli.commands.report.day import DayOptions, report_day

    run(lambda: report_day(DayOptions(source, date, html, lang, profiles)), "warning", False)
