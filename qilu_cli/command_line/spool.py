"""`qilu spool`: what a gateway keeps on disk, and what may be done about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.command_line.shared_options import TableOrJson, TimeZone
from qilu_cli.runner import run_sync

app = typer.Typer(help="Inspect the spool of a gateway, and resend what it keeps.")

Place = Annotated[
    Path, typer.Argument(help="The spool's directory, or the gateway settings (.yaml) that name it.")
]


@app.command()
def show(place: Place, tz: TimeZone = "utc", form: TableOrJson = "table") -> None:
    """Show what waits, what is held or set aside, what was dropped, and how long an outage may last.

    It changes nothing, and a gateway may be running.

    Example: qilu spool show configs/gateway.yaml
    """
    from qilu_cli.commands.spool import show as command

    run_sync(lambda: command.show_spool(place, form, tz))


@app.command()
def adopt(
    place: Place, edge: Annotated[str, typer.Argument(help="The name under which the records were made.")]
) -> None:
    """Send the records of an edge that was renamed, on the topics of its old name.

    The gateway must be stopped. The broker has to let it publish and subscribe on these topics.

    Example: qilu spool adopt configs/gateway.yaml edge-1
    """
    from qilu_cli.commands.spool import change as command

    run_sync(lambda: command.adopt(place, edge))


@app.command()
def replay(
    place: Place,
    since: Annotated[
        str | None, typer.Option(help="How far back, such as 2h; default: all that is there.")
    ] = None,
    tz: TimeZone = "utc",
) -> None:
    """Send again what `acked_retention` kept, to fill a lost store. The gateway must be stopped.

    Example: qilu spool replay configs/gateway.yaml --since 24h
    """
    from qilu_cli.commands.spool import change as command

    run_sync(lambda: command.replay(place, since, tz))


@app.command()
def resend(place: Place) -> None:
    """Let a running gateway send the deferred records again now.

    Records are deferred by a clock, a limit, a proxy, a setting or a permission that is wrong; without this
    command the gateway sends them again after one minute, later every hour.

    Example: qilu spool resend configs/gateway.yaml
    """
    from qilu_cli.commands.spool import change as command

    run_sync(lambda: command.resend(place))


@app.command()
def quarantine(
    place: Place,
    tz: TimeZone = "utc",
    form: TableOrJson = "table",
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Each record with its body, as a line of JSON.")
    ] = False,
) -> None:
    """List the records that the store rejected, by device and reason. A gateway may be running.

    Example: qilu spool quarantine configs/gateway.yaml
    """
    from qilu_cli.commands.spool import quarantine as command

    run_sync(lambda: command.quarantine(place, form, tz, bodies=bodies))


@app.command()
def requeue(place: Place) -> None:
    """Send again what the store rejected, when its cause was removed. The gateway must be stopped.

    What the store rejects once more is set aside once more.

    Example: qilu spool requeue configs/gateway.yaml
    """
    from qilu_cli.commands.spool import quarantine as command

    run_sync(lambda: command.requeue(place))
