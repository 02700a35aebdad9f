"""`qilu console`: the tokens of web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.runner import run_sync

app = typer.Typer(help="Make tokens for the web pages of a gateway, an ingester or a plant.")


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
