"""`qilu profile`: writes device profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.runner import run, run_sync

app = typer.Typer(help="Write device profiles: from a list of points, or from a device.")
Addressing = Literal["auto", "zero_based", "one_based", "modicon"]
ProfileOut = Annotated[Path | None, typer.Option(help="A folder or NAME.yaml; default: the present folder.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there already.")]


@app.command("import")
def import_list(
    points: Annotated[Path, typer.Argument(help="A CSV file: a heading, then one line for each point.")],
    name: Annotated[
        str | None, typer.Option(help="The name of the profile; default: that of the list.")
    ] = None,
    out: ProfileOut = None,
    addressing: Annotated[
        Addressing, typer.Option(help="How the list counts; auto looks at all of it.")
    ] = "auto",
    force: Force = False,
) -> None:
    """Make a profile from a list of points; docs/probing.md lists the columns.

    Example: qilu profile import press-line.csv
    """
    from gateway.commissioning.profiles.import_list import import_points

    def work() -> None:
        file, point_list = import_points(points, name, out, addressing, force=force)
        for sentence in point_list.unused:
            typer.echo(f"{points}: {sentence}", err=True)
        if point_list.unused_columns:
            typer.echo(
                f"{points}: columns that are ignored: {', '.join(point_list.unused_columns)}", err=True
            )
        typer.echo(f"{file}: {len(point_list.points)} points; next: qilu check {file}")

    run_sync(work)


@app.command("new")
def new(
    from_probe: Annotated[str, typer.Option(help="HOST[:PORT], rtu+tcp://HOST:PORT, or /dev/tty...")],
    read: Annotated[
        list[str] | None,
        typer.Option(help="What to read, such as holding:0-99; may be repeated; default: a look everywhere."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The name of the profile; default: what the device calls itself.")
    ] = None,
    unit: Annotated[int, typer.Option(min=0, max=255, help="The unit id to read from.")] = 1,
    timeout: Annotated[str, typer.Option(help="How long to wait for a reply.")] = "1s",
    out: ProfileOut = None,
    force: Force = False,
) -> None:
    """Make a profile from one look at a device: its values as they most likely are, to be corrected by you.

    Example: qilu profile new --from-probe 192.168.0.10 --read holding:0-99 --name press-line
    """
    from gateway.commissioning.profiles.from_probe import EVERYWHERE, new_from_probe
    from qilu_cli.commands.probe.output import progress
    from qilu_cli.commands.probe.session import seconds

    async def work() -> None:
        wait = seconds("--timeout", timeout)
        reads = read or EVERYWHERE
        file = await new_from_probe(from_probe, unit, reads, name, out, progress, force=force, timeout=wait)
        typer.echo(f"{file}: written; next: name its points, then qilu check {file}")

    run(work, "error", False)


@app.command()
def apply_learned(
    learned: Annotated[
        Path, typer.Argument(help="What the gateway wrote: DEVICE.yaml in the folder learned of its spool.")
    ],
    profile: Annotated[Path, typer.Argument(help="The profile of that device.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; default: print it.")] = None,
) -> None:
    """Put the learned limits of a device into its profile: longest block, addresses to leave out.

    Points that the device refuses get a comment; what to do about them is for you to decide.

    Example: qilu profile apply-learned var/spool/learned/press-1.yaml profiles/press.yaml
    """
    from gateway.commissioning.profiles.merge_learned import apply_learned as merge
    from gateway.commissioning.profiles.yaml_writer import write

    def work() -> None:
        text = merge(profile, learned)
        if out is None:
            typer.echo(text, nl=False)
        else:
            write(out, text)
            typer.echo(f"{out}: written; next: qilu check {out}")

    run_sync(work)


@app.command()
def table(
    profile: Annotated[str, typer.Argument(help="A shipped profile by its name, or a file.")],
    html: Annotated[bool, typer.Option("--html", help="A page to print on A4; default: CSV.")] = False,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of headings, labels and codes.")] = "en",
    out: Annotated[Path | None, typer.Option(help="The file to write; default: print it.")] = None,
) -> None:
    """Write the register map of a profile as a table: addresses from 0 and in Modicon's notation.

    Example: qilu profile table eastron-sdm630 --html --lang zh --out meter.html
    """
    from gateway.commissioning.profiles.register_map_table import as_csv, as_html, register_map
    from gateway.commissioning.profiles.yaml_writer import write
    from qilu.config.profiles import profile_of

    def work() -> None:
        rows = register_map(profile_of(profile), lang)
        text = as_html(rows) if html else as_csv(rows)
        if out is None:
            typer.echo(text, nl=False)
        else:
            write(out, text)
            typer.echo(f"{out}: {len(rows.rows)} points")

    run_sync(work)
