"""`qilu schema`: JSON schemas of the files that people write."""

from __future__ import annotations

from typing import Literal

import typer

from qilu_cli.runner import run_sync

app = typer.Typer(help="Print the JSON schema of a kind of file, with which an editor completes and checks.")


@app.command()
def gateway() -> None:
    """Print the schema of gateway settings.

    Example: qilu schema gateway
    """
    _print("gateway")


@app.command()
def ingester() -> None:
    """Print the schema of ingester settings.

    Example: qilu schema ingester
    """
    _print("ingester")


@app.command()
def plant() -> None:
    """Print the schema of a plant.

    Example: qilu schema plant
    """
    _print("plant")


@app.command()
def profile() -> None:
    """Print the schema of a device profile.

    Example: qilu schema profile
    """
    _print("profile")


def _print(kind: Literal["gateway", "ingester", "plant", "profile"]) -> None:
    from qilu_cli.commands.schema import print_schema

    run_sync(lambda: print_schema(kind))
