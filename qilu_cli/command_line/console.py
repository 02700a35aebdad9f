"""`qilu console`: the views of a store, and the tokens of web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.command_line.shared_options import Profiles
from qilu_cli.runner import run, run_sync

app = typer.Typer(
    help="Show a store in a browser, or make tokens for the web pages of a gateway, an ingester or a plant."
)


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(help="A store file, the folder of a local history, or ingester settings: its views."),
    ] = None,
    listen: Annotated[str, typer.Option(help="Address and port on loopback.")] = "127.0.0.1:8081",
    profiles: Profiles = None,
) -> None:
    """Show a store in a browser, or make tokens for web pages.

    Example: qilu console --store var/demo/store.db
    """
    if context.invoked_subcommand is not None:
        return
    if store is None:
        typer.echo(context.get_help())
        raise typer.Exit
    from qilu_cli.commands.console.store import show_store as command

    run(lambda: command(store, listen, profiles), "warning", False, survives_hangup=True)


@app.command()
def token(
    role: Annotated[
        Literal["viewer", "operator", "wall"],
        typer.Argument(
            help="viewer: sees and exports; operator: also changes; wall: one view on a screen, whose session"
            " does not end."
        ),
    ],
    file: Annotated[
        Path, typer.Argument(help="The settings (.yaml) of the gateway, ingester or plant.")
    ] = Path("gateway.yaml"),
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take back all tokens of this role in place of making one.")
    ] = False,
) -> None:
    """Print a new token; only its hash is kept. A running process takes it at once.

    Example: qilu console token viewer configs/gateway.yaml
    """
    from qilu_cli.commands.console import tokens as command

    run_sync(lambda: command.revoke(file, role) if revoke else command.add_token(file, role))
