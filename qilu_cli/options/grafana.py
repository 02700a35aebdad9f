"""`qilu grafana`: dashboards from device profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.runner import run_sync

app = typer.Typer(help="Make dashboards for Grafana from device profiles.")


@app.callback()
def grafana() -> None:
    """Make dashboards for Grafana from device profiles."""


@app.command()
def generate(
    store: Annotated[Literal["influx", "victoria"], typer.Option(help="The store that Grafana asks.")],
    out: Annotated[Path, typer.Option(help="The folder for the files; made where it is missing.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(help="A profile, by name or file; repeat it for several. Default: all shipped ones."),
    ] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="Language of the dashboards.")] = "zh",
) -> None:
    """Write one dashboard for each device profile: states, values, counters and missing data.

    Example: qilu grafana generate --profile screw-air-compressor --store victoria --lang zh --out dashboards
    """
    from qilu_cli.commands.grafana import write_dashboards

    run_sync(lambda: write_dashboards(profile or (), store, lang, out))


@app.command()
def rules(
    out: Annotated[Path, typer.Option(help="The file for the rules.")],
) -> None:
    """Write the alert rules for Prometheus and vmalert: edges without reports, offline devices, late records.

    Example: qilu grafana rules --out qilu-rules.yaml
    """
    from qilu_cli.commands.grafana import write_rules

    run_sync(lambda: write_rules(out))
