"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def _duration(text: str) -> float:
    """Seconds, at least 1, of a duration as in settings files."""
    from qilu.contract.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if seconds < 1:
        raise typer.BadParameter(f"{text!r} is not a duration of 1s or more; write 30s, 5m or 2h")
    return seconds


LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="How much to log, to stderr."),
]
LogJson = Annotated[bool, typer.Option("--log-json", help="One JSON object per log line.")]
Duration = Annotated[
    float | None,
    typer.Option(
        parser=_duration, metavar="DURATION", help="Run time, such as 30s or 5m; default: until Ctrl-C."
    ),
]
Table = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="Format of the output.")]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", help="Format of the output.")]
TimeZone = Annotated[
    str, typer.Option("--tz", help="Zone of all times: utc, local, or a name such as Asia/Shanghai.")
]
Store = Annotated[str, typer.Option(help="A store file, or ingester settings (.yaml) that name a server.")]
Profiles = Annotated[
    Path | None, typer.Option(help="A folder of device profiles, beside those that come with Qilu.")
]
PlantFile = Annotated[Path, typer.Argument(help="A plant file, such as configs/plant.yaml.")]
GatewayFile = Annotated[Path, typer.Argument(help="Gateway settings, such as configs/gateway.yaml.")]
