"""Commands about settings files and readings without a gateway: `check`, `read`, `record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.command_line.shared_options import GatewayFile, Table
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


@app.command()
def record(
    source: Annotated[
        str, typer.Argument(help="HOST[:PORT], an address such as rtu:///dev/ttyUSB0, or GATEWAY.yaml.")
    ],
    file: Annotated[Path, typer.Argument(help="The new .csv file.")],
    profile: Annotated[str | None, typer.Option(help="A device profile, or its file.")] = None,
    device: Annotated[str | None, typer.Option(help="The device of a gateway's file.")] = None,
    unit_id: Annotated[int, typer.Option("--unit", min=0, max=255, help="The unit id.")] = 1,
    every: Annotated[str, typer.Option(help="Time between two rows.")] = "1s",
    span: Annotated[str, typer.Option(help="Time until it ends; Ctrl-C ends it too.")] = "10m",
) -> None:
    """Record a device in a table that the simulator plays back.

    Example: qilu record 192.168.1.20 pump.csv --profile eastron-sdm630 --span 1h
    """
    from qilu_cli.commands import record as command

    options = command.RecordOptions(source, file, profile, device, unit_id, every, span)
    run(lambda: command.record(options), "error", False, survives_hangup=True)
