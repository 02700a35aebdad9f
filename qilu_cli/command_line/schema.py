"""`qilu schema`: JSON schemas of the files that people write."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from qilu_cli.runner import run_sync

app = typer.Typer()


@app.command()
def schema(
    kind: Annotated[
        Literal["gateway", "ingester", "plant", "profile"], typer.Argument(help="The kind of file.")
    ],
) -> None:
    """Print the JSON schema of a kind of file, with which an editor completes and checks.

    Example: qilu schema gateway
    """
    from qilu_cli.commands.schema import print_schema

    run_sync(lambda: print_schema(kind))
