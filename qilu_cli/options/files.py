"""Commands about settings files and one reading: `check`, `read`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.options.option_types import GatewayFile, Table
from qilu_cli.runner import run, run_sync

app = typer.Typer()


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Files of any kind that Qilu reads.")]) -> None:
    """Validate files; for a gateway print its read plan, for a plant its devices.

    Example: qilu check configs/gateway.yaml configs/plant.yaml
    """
    from qilu_cli.commands import check as command

    run_sync(lambda: command.check(files))


@app.command()
def read(
    file: GatewayFile,
    device: Annotated[str, typer.Argument(help="The name of the device.")],
    trace: Annotated[bool, typer.Option("--trace", help="Print the frames, as hexadecimal bytes.")] = False,
    form: Table = "table",
) -> None:
    """Read a device once by its profile and print its values; needs no broker and no store.

    Example: qilu read configs/gateway.yaml compressor-1
    """
    from qilu_cli.commands import read as command

    run(lambda: command.read(command.ReadOptions(file, device, form, trace)), "error", False)
