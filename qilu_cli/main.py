"""The `qilu` command: every subcommand with its options; what it needs is imported when it runs."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from qilu_cli.commands.profile import app as profile_app
from qilu_cli.commands.spool.app import app as spool_app
from qilu_cli.runner import run, run_sync

app = typer.Typer(
    name="qilu",
    help="Connects factory machines to the cloud and loses nothing on the way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(profile_app, name="profile")
app.add_typer(spool_app, name="spool")

Level = Literal["debug", "info", "warning", "error"]
LogLevel = Annotated[Level, typer.Option("--log-level", help="How much to log, to stderr.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="One JSON object per log line.")]
Duration = Annotated[float | None, typer.Option(min=1, help="Seconds; default: until Ctrl-C.")]
Form = Literal["table", "csv", "json"]
Columns = Literal["csv", "parquet"]


def main() -> None:
    """The entry point of the console script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while imports run, Ctrl-C is an end and no traceback
    try:
        app()
    except ModuleNotFoundError as error:
        from qilu.runtime.extras import missing_extra
        from qilu.runtime.process import report

        if (missing := missing_extra(error)) is None:
            raise
        sys.exit(report(missing))


def _version(show_version: bool) -> None:
    if show_version:
        from importlib.metadata import version

        typer.echo(f"qilu {version('qilu')}")
        raise typer.Exit


@app.callback()
def qilu(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """What comes before a subcommand."""


@app.command()
def demo(
    config: Annotated[
        Path | None, typer.Option(help="A plant file; default: the plant that comes with Qilu.")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(help="Where the store and the spool are; a second start goes on with them.")
    ] = Path("var/demo"),
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds from the first reading on; default: until Ctrl-C.")
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines instead of a live table.")
    ] = False,
    summary: Annotated[
        Path | None, typer.Option(help="Write what was counted to this file, as JSON.")
    ] = None,
    log_level: LogLevel = "warning",
    log_json: LogJson = False,
) -> None:
    """Run a whole plant in this one process: simulated machines, gateway, broker, ingester, store.

    Ends with code 1 when something that was polled is missing in the store, or stored twice.
    Needs nothing else. Example: qilu demo --duration 20 --headless --summary s.json
    """
    from qilu_cli.commands import demo as command

    live = sys.stdout.isatty() and not headless
    log = data_dir / "demo.log" if live else None  # log lines would tear the table
    run(lambda: command.demo(config, data_dir, duration, headless, summary), log_level, log_json, log=log)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="A plant file, such as configs/plant.yaml.")],
    truth: Annotated[
        Path | None, typer.Option(help="Write what was served, and what happened, into this folder.")
    ] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, help="Simulated seconds per second.")] = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="Let time stand still; the servers keep replying.")
    ] = False,
    control: Annotated[
        int | None, typer.Option(min=0, max=65535, help="A port for `qilu fault`, on this machine alone.")
    ] = None,
    emit_gateway: Annotated[
        Path | None, typer.Option(help="Only write gateway settings that collect this plant.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Only write a data set into this new folder, as fast as it goes.")
    ] = None,
    span: Annotated[
        str | None, typer.Option(help="How long the data set is, such as 12h or 30d; default: 1d.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="From row to row of the data set; default: 1s.")] = None,
    step: Annotated[
        str | None, typer.Option(help="From tick to tick of it; default: as --every, at most 10s.")
    ] = None,
    form: Annotated[
        Columns, typer.Option("--format", help="Of the data set; parquet needs pyarrow.")
    ] = "csv",
    duration: Duration = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Run simulated machines that speak Modbus, for any client; or write their values to files.

    Examples: qilu simulate configs/plant.yaml;
    qilu simulate configs/bad-day.yaml --export var/bad-day --span 4h
    """
    from qilu_cli.commands import export as exporting
    from qilu_cli.commands import simulate as command

    if export is None and (span or every or step):
        raise typer.BadParameter(
            "is of a data set: name its folder with --export", param_hint="--span, --every, --step"
        )
    data_set = (
        None if export is None else exporting.ExportOptions(export, span or "1d", every or "1s", step, form)
    )
    options = command.SimulateOptions(file, truth, speed, paused, control, emit_gateway, data_set)
    run(lambda: command.simulate(options), log_level, log_json, duration)


@app.command()
def fault(
    plant: Annotated[str, typer.Argument(help="The control port of a running plant, or the plant's file.")],
    action: Annotated[
        str, typer.Argument(help="list, inject, repair, pause, resume, step or speed.")
    ] = "list",
    arguments: Annotated[
        list[str] | None, typer.Argument(help="[DEVICE [FAULT [KEY=VALUE ...]]], the ticks, or the speed.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="When it starts, from now.")] = None,
    growth: Annotated[str | None, typer.Option(help="Until it has come to its full severity.")] = None,
    lasts: Annotated[str | None, typer.Option(help="Until it is repaired; default: it stays.")] = None,
    severity: Annotated[float | None, typer.Option(help="How bad it becomes, up to 1.")] = None,
    point: Annotated[str | None, typer.Option(help="The point whose sensor is struck.")] = None,
    amount: Annotated[float | None, typer.Option(help="Of a drift or a spike; the number of a bit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reply as JSON.")] = False,
) -> None:
    """Let something go wrong in a plant that runs on this machine, repair it, or hold its time.

    Faults of the wire take KEY=VALUE, and a port or * in place of a device; docs/faults.md names them all.

    Example: qilu fault configs/bad-day.yaml inject pump-1 bearing_wear --growth 10m
    """
    from qilu_cli.commands import fault as command

    values = {"begin": after, "growth": growth, "duration": lasts, "severity": severity, "point": point}
    how = {key: value for key, value in {**values, "amount": amount}.items() if value is not None}
    options = command.FaultOptions(plant, action, arguments or [], how, as_json)
    run(lambda: command.fault(options), "warning", False)


@app.command()
def gateway(
    file: Annotated[Path, typer.Argument(help="Gateway settings, such as configs/gateway.yaml.")],
    duration: Duration = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Poll machines, and deliver every reading until it is durable in a store.

    Example: qilu gateway configs/gateway.yaml
    """
    from qilu_cli.commands import gateway as command

    run(lambda: command.gateway(file), log_level, log_json, duration, survives_hangup=True)


@app.command()
def read(
    file: Annotated[Path, typer.Argument(help="Gateway settings that have the device.")],
    device: Annotated[str, typer.Argument(help="The name of the device.")],
    trace: Annotated[bool, typer.Option("--trace", help="Print the frames, as hexadecimal bytes.")] = False,
    form: Annotated[Form, typer.Option("--format")] = "table",
) -> None:
    """Read a device once by its profile and print its values; needs no broker and no store.

    Example: qilu read configs/gateway.yaml compressor-1
    """
    from qilu_cli.commands import read as command

    run(lambda: command.read(command.ReadOptions(file, device, form, trace)), "error", False)


@app.command()
def ingest(
    file: Annotated[Path, typer.Argument(help="Ingester settings, such as configs/ingester.yaml.")],
    duration: Duration = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Write records of gateways to a store, and acknowledge what is durable.

    Example: qilu ingest configs/ingester.yaml
    """
    from qilu_cli.commands import ingest as command

    run(lambda: command.ingest(file), log_level, log_json, duration, survives_hangup=True)


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Files of any kind that Qilu reads.")] = None,
    schema: Annotated[
        Literal["profile", "gateway", "plant", "ingester"] | None,
        typer.Option(help="Print the JSON schema of such files instead, for your editor."),
    ] = None,
) -> None:
    """Validate files; for a gateway print its read plan, for a plant its devices.

    Example: qilu check configs/gateway.yaml configs/profiles/*.yaml
    """
    if schema is not None:
        from qilu_cli.commands.schema import print_schema

        print_schema(schema)
        return
    if not files:
        raise typer.BadParameter("name at least one file, or use --schema", param_hint="FILES")
    from qilu_cli.commands import check as command

    run_sync(lambda: command.check(files))


@app.command()
def probe(
    target: Annotated[
        str, typer.Argument(help="HOST[:PORT], rtu+tcp://HOST:PORT, or /dev/tty... of a serial line.")
    ],
    unit: Annotated[int, typer.Option(min=0, max=255, help="The unit id to read from.")] = 1,
    units: Annotated[str | None, typer.Option(help="Ask these unit ids who is there, such as 1-247.")] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(help="Addresses to read, such as holding:0-99 or 40001-40100; may be repeated."),
    ] = None,
    expect: Annotated[
        float | None, typer.Option(help="A value that the machine shows: find where it stands in --read.")
    ] = None,
    tolerance: Annotated[str, typer.Option(help="How far --expect may be off: 2% or 0.5.")] = "1%",
    watch: Annotated[
        str | None, typer.Option(help="Read again and again, such as every 1s, and mark what changes.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="How long to wait for a reply; default 1s, for --units 300ms.")
    ] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
    duration: Duration = None,
    log_level: LogLevel = "error",
) -> None:
    """Look at a real device: which units reply, what registers hold, where a known value is. Never writes.

    Example: qilu probe 192.168.0.10 --read holding:0-99 --expect 231.5
    """
    from qilu_cli.commands.probe import command as session

    options = session.ProbeOptions(
        target, unit, units, tuple(read or ()), expect, tolerance, watch, timeout, form
    )
    run(lambda: session.probe(options), log_level, False, duration)


@app.command()
def query(
    store: Annotated[
        str, typer.Option(help="A store file, or ingester settings (.yaml) that name a server.")
    ] = "var/demo/store.db",
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
        str | None, typer.Option("--from", help="Begin, such as 2026-11-23T07:30; without offset in --tz.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, likewise; default: now.")] = None,
    every: Annotated[
        str | None,
        typer.Option(help="One line per interval, such as 10s: mean of quantities, last of all else."),
    ] = None,
    tz: Annotated[
        str, typer.Option(help="Zone of all times: utc, local, or a name such as Asia/Shanghai.")
    ] = "utc",
    profiles: Annotated[
        Path | None,
        typer.Option(help="A folder of device profiles, beside those that come with Qilu."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Ask a store what it has.

    Examples: qilu query --device compressor-1 --latest;
    qilu query --device compressor-1 --point discharge_pressure --point state --last 5m --every 10s
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
    )
    run(lambda: command.query(options), "warning", False)


@app.command()
def audit(
    store: Annotated[
        str, typer.Option(help="A store file, or ingester settings (.yaml) that name a server.")
    ] = "var/demo/store.db",
    last: Annotated[str, typer.Option(help="How far back, such as 1h or 7d.")] = "24h",
    device: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    edge: Annotated[
        list[str] | None, typer.Option(help="Only devices of this edge; may be repeated.")
    ] = None,
    tz: Annotated[
        str, typer.Option(help="Zone of all times: utc, local, or a name such as Asia/Shanghai.")
    ] = "utc",
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print.")] = "table",
) -> None:
    """Compare what was due with what the store has; exit 1 unless each value is accounted for with certainty.

    Example: qilu audit --store configs/ingester.yaml --last 24h --device compressor-1
    """
    from qilu_cli.commands import audit as command

    run(lambda: command.run(store, last, device or (), edge or (), form, tz), "warning", False)
