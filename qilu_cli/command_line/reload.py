"""Commands about other settings for a running gateway: `plan`, `reload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.command_line.shared_options import GatewayFile, TableOrJson
from qilu_cli.runner import run_sync

app = typer.Typer()


@app.command()
def plan(
    file: GatewayFile,
    against: Annotated[
        Path | None,
        typer.Option(help="Other gateway settings to compare with; default: those that ran last."),
    ] = None,
    form: TableOrJson = "table",
) -> None:
    """Print what the settings in FILE would change in the gateway that runs on their spool.

    Exits with 0 where `qilu reload` would take them or nothing differs, 1 where a restart is needed, and 2
    where they are wrong.

    Example: qilu plan configs/gateway.yaml
    """
    from qilu_cli.commands import reload as command

    run_sync(lambda: command.plan(file, against, as_json=form == "json"))


@app.command()
def reload(
    file: GatewayFile,
    last_good: Annotated[
        bool, typer.Option("--last-good", help="Take the settings that ran before the present ones.")
    ] = False,
    form: TableOrJson = "table",
) -> None:
    """Let the running gateway take its settings file anew, as a whole or not at all.

    Devices that do not change keep their connection and miss no poll. Exits with 0 where the settings were
    taken, 1 where the old ones run on, such as for a key that needs a restart, and 2 where the new ones are
    wrong.

    Example: qilu reload configs/gateway.yaml
    """
    from qilu_cli.commands import reload as command

    run_sync(lambda: command.reload(file, last_good=last_good, as_json=form == "json"))
