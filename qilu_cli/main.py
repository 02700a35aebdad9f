"""The `qilu` command: a table of its commands and groups, which `qilu_cli.command_line` describes."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from qilu_cli.command_group import CommandGroup
from qilu_cli.command_line import (
    console,
    files,
    grafana,
    plant,
    probe,
    profile,
    reload,
    report,
    run,
    schema,
    spool,
    status,
    stores,
)

app = typer.Typer(
    name="qilu",
    cls=CommandGroup,
    help="Connects factory machines to the cloud and loses nothing on the way.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for commands in (run, files, reload, stores, status, schema):
    app.add_typer(commands.app)

for name, group in {
    "probe": probe,
    "profile": profile,
    "plant": plant,
    "spool": spool,
    "console": console,
    "grafana": grafana,
    "report": report,
}.items():
    app.add_typer(group.app, name=name, cls=CommandGroup, no_args_is_help=True)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while imports run, Ctrl-C is an end and no traceback
    try:
        app()
    except ModuleNotFoundError as error:
        from qilu.runtime.extras import missing_extra
        from qilu.runtime.process import report

        if (missing := missing_extra(error)) is None:
            raise
        sys.exit(report(missing))


def _version(show_version: bool) -> None:
    if show_version:
        from importlib.metadata import version

        typer.echo(f"qilu {version('qilu')}")
        raise typer.Exit


@app.callback()
def qilu(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What comes before a subcommand."""
