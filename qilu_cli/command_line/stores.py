"""Commands that ask or fill a store: `query`, `audit`, `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.command_line.shared_options import (
    LogJson,
    LogLevel,
    Profiles,
    Store,
    Table,
    TableOrJson,
    TimeZone,
)
from qilu_cli.runner import run

app = typer.Typer()
DEFAULT_STORE = "var/demo/store.db"


@app.command()
def query(
    store: Store = DEFAULT_STORE,
    devices: Annotated[bool, typer.Option("--devices", help="List the devices.")] = False,
    points: Annotated[bool, typer.Option("--points", help="List the points of --device, or of all.")] = False,
    latest: Annotated[
        bool, typer.Option("--latest", help="The latest value of each point of --device, or of all.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="The device.")] = None,
    edge: Annotated[
        str | None, typer.Option(help="The edge of the device, where several edges have one of that name.")
    ] = None,
    point: Annotated[list[str] | None, typer.Option(help="A point; may be repeated.")] = None,
    last: Annotated[
        str | None, typer.Option(help="How far back, from --to or now, such as 2h; default: 5m.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Start, such as 2026-11-23T07:30; without offset in --tz.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, likewise; default: now.")] = None,
    every: Annotated[
        str | None,
        typer.Option(help="One line per interval, such as 10s: mean of quantities, last of all else."),
    ] = None,
    tz: TimeZone = "utc",
    profiles: Profiles = None,
    form: Table = "table",
    excel: Annotated[
        Literal["zh", "en"] | None,
        typer.Option(
            help="A CSV file for Excel, with headings in this language and, unless --tz names a zone, local"
            " times."
        ),
    ] = None,
) -> None:
    """Print what a store has: devices, points, latest values, or samples of a time.

    Example: qilu query --device compressor-1 --point discharge_pressure --last 5m --every 10s
    """
    from qilu_cli.commands import query as command

    options = command.QueryOptions(
        store, devices, points, latest, device, edge, point or (), last, start, end, every, tz, profiles,
        form, excel,
    )  # fmt: skip
    run(lambda: command.query(options), "warning", False)


@app.command()
def audit(
    store: Store = DEFAULT_STORE,
    last: Annotated[str, typer.Option(help="How far back, such as 1h or 7d.")] = "24h",
    device: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    edge: Annotated[
        list[str] | None, typer.Option(help="Only devices of this edge; may be repeated.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            help="Audit again and again, such as 1h, until Ctrl-C, and write each result into the store, for "
            "dashboards and alert rules; --store names ingester settings."
        ),
    ] = None,
    tz: TimeZone = "utc",
    form: TableOrJson = "table",
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Compare what was due with what the store has; exit 1 unless each value is accounted for with certainty.

    Example: qilu audit --store configs/ingester.yaml --last 24h --device compressor-1
    """
    if every is not None:
        from qilu_cli.commands.audit_service import AuditOptions, audit_service

        options = AuditOptions(store, every, last, edge or (), device or ())
        run(lambda: audit_service(options), log_level, log_json, survives_hangup=True)
        return
    from qilu_cli.commands import audit as command

    run(lambda: command.run(store, last, device or (), edge or (), form, tz), "warning", False)


@app.command("import")
def import_data(
    source: Annotated[
        Path,
        typer.Argument(
            help="The folder of a data set (`qilu plant export`), or a CSV file of `qilu query --format csv`."
        ),
    ],
    store: Annotated[
        str, typer.Option(help="A store file, made if there is none, or ingester settings (.yaml).")
    ] = DEFAULT_STORE,
    edge: Annotated[
        str | None,
        typer.Option(help="The edge of all devices; default: that of the file, or `import` for a data set."),
    ] = None,
    enterprise: Annotated[str, typer.Option(help="The enterprise of all devices.")] = "",
    site: Annotated[str, typer.Option(help="The site; default: the plant of a data set.")] = "",
    profile: Annotated[
        str | None, typer.Option(help="The profile of the devices of a file of `qilu query`.")
    ] = None,
    profiles: Profiles = None,
    shift: Annotated[
        str | None, typer.Option(help="How far all times are moved, such as 30d, or -12h into the past.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Move all times so that they end at this time (UTC), or `now`.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(help="Copies that follow each other in time.", min=1, max=10_000)
    ] = 1,
) -> None:
    """Fill a store from a data set: values with their quality, units and labels. Twice writes nothing new.

    Example: qilu import var/bad-day --to now --edge edge-1
    """
    from qilu_cli.commands import import_data as command

    options = command.ImportOptions(
        source, store, edge, enterprise, site, profile, profiles, shift, to, repeat
    )
    run(lambda: command.import_data(options), "warning", False)
