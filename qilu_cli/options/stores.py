"""Commands that ask a store: `query`, `audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.options.option_types import Store, Table, TableOrJson, TimeZone
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
    profiles: Annotated[
        Path | None,
        typer.Option(help="A folder of device profiles, beside those that come with Qilu."),
    ] = None,
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
        store=store,
        devices=devices,
        points=points,
        latest=latest,
        device=device,
        edge=edge,
        point=point or (),
        last=last,
        start=start,
        end=end,
        every=every,
        tz=tz,
        profiles=profiles,
        form=form,
        excel=excel,
    )
    run(lambda: command.query(options), "warning", False)


@app.command()
def audit(
    store: Store = DEFAULT_STORE,
    last: Annotated[str, typer.Option(help="How far back, such as 1h or 7d.")] = "24h",
    device: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    edge: Annotated[
        list[str] | None, typer.Option(help="Only devices of this edge; may be repeated.")
    ] = None,
    tz: TimeZone = "utc",
    form: TableOrJson = "table",
) -> None:
    """Compare what was due with what the store has; exit 1 unless each value is accounted for with certainty.

    Example: qilu audit --store configs/ingester.yaml --last 24h --device compressor-1
    """
    from qilu_cli.commands import audit as command

    run(lambda: command.run(store, last, device or (), edge or (), form, tz), "warning", False)
