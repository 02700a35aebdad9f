"""`qilu grafana`: dashboards of edges and of device profiles, and alert rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.runner import run_sync

app = typer.Typer(help="Make dashboards and alert rules for Grafana.")


@app.callback()
def grafana() -> None:
    """Make dashboards and alert rules for Grafana."""


@app.command()
def generate(
    store: Annotated[Literal["influx", "victoria"], typer.Option(help="The store that Grafana asks.")],
    out: Annotated[Path, typer.Option(help="The folder for the files; made where it is missing.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this profile, by name or file; repeat it for several. Default: all shipped ones, and "
            "the dashboards of edges."
        ),
    ] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="Language of the dashboards.")] = "zh",
) -> None:
    """Write one dashboard for each device profile, and those of all edges: states, values and missing data.

    Example: qilu grafana generate --profile screw-air-compressor --store victoria --lang zh --out dashboards
    """
    from qilu_cli.commands.grafana import write_dashboards, write_set

    def write() -> None:
        write_dashboards(profile or (), store, lang, out)
        if not profile:
            write_set(store, lang, out)

    run_sync(write)


@app.command()
def rules(
    out: Annotated[Path, typer.Option(help="The file for the rules.")],
    store: Annotated[
        Literal["influx", "victoria"],
        typer.Option(
            help="victoria: rules for vmalert and Prometheus; influx: Grafana's own rules, for its folder "
            "provisioning/alerting."
        ),
    ] = "victoria",
    grafana: Annotated[str, typer.Option(help="Address of Grafana, for the links in messages.")] = (
        "http://127.0.0.1:3000"
    ),
    datasource: Annotated[
        str, typer.Option(help="Uid of the data source that Grafana's own rules ask.")
    ] = "qilu-influxdb2",
) -> None:
    """Write the alert rules: edges without reports, offline devices, late or lost records, ingesters, audits.

    Example: qilu grafana rules --out qilu-rules.yaml
    """
    from qilu_cli.commands.grafana import RuleOptions, write_rules

    run_sync(lambda: write_rules(out, RuleOptions(store, grafana, datasource)))
