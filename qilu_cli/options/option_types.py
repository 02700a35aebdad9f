"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="How much to log, to stderr."),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="One JSON object per log line.")]
Duration = Annotated[float | None, typer.Option(min=1, help="Seconds; default: until Ctrl-C.")]
Table = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="Format of the output.")]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", help="Format of the output.")]
TimeZone = Annotated[
    str, typer.Option("--tz", help="Zone of all times: utc, local, or a name such as Asia/Shanghai.")
]
Store = Annotated[str, typer.Option(help="A store file, or ingester settings (.yaml) that name a server.")]
PlantFile = Annotated[Path, typer.Argument(help="A plant file, such as configs/plant.yaml.")]
GatewayFile = Annotated[Path, typer.Argument(help="Gateway settings, such as configs/gateway.yaml.")]
