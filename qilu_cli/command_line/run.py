"""Commands that run a part until Ctrl-C: `demo`, `simulate`, `gateway`, `ingest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.command_line.shared_options import Duration, GatewayFile, LogJson, LogLevel
from qilu_cli.runner import run

app = typer.Typer()


@app.command()
def demo(
    config: Annotated[
        Path | None, typer.Option(help="A plant file; default: the plant that comes with Qilu.")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(help="Folder of the store and the spool; a second start continues with them.")
    ] = Path("var/demo"),
    duration: Duration = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines instead of a live table.")
    ] = False,
    summary: Annotated[
        Path | None, typer.Option(help="Write what was counted to this file, as JSON.")
    ] = None,
    console: Annotated[
        str, typer.Option(help="Address and port of the console, or a port; a free port where it is in use.")
    ] = "127.0.0.1:8080",
    no_console: Annotated[bool, typer.Option("--no-console", help="Serve no console.")] = False,
    story: Annotated[
        bool,
        typer.Option(
            "--story", help="Three scripted minutes: broker away, a pump fails, broker back, and an audit."
        ),
    ] = False,
    story_speed: Annotated[
        float, typer.Option(min=0.5, max=60, help="Speed of the story, such as 10.")
    ] = 1.0,
    log_level: LogLevel = "warning",
    log_json: LogJson = False,
) -> None:
    """Run a whole plant in this one process: simulated machines, gateway, broker, ingester, store.

    Needs nothing else. Exits with code 1 when a polled value is missing in the store, or stored twice.
    The duration counts from the first reading. With --story the exit code is 0 only when the audit of the
    story is clean.

    Example: qilu demo --duration 20s --headless --summary summary.json
    """
    from qilu_cli.commands import demo as command

    live = sys.stdout.isatty() and not headless
    log = data_dir / "demo.log" if live else None  # log lines would tear the table
    options = command.DemoOptions(
        config, data_dir, duration, headless, summary,
        console=None if no_console else console,
        story_speed=story_speed if story else None,
    )  # fmt: skip
    # A demo whose table is in a terminal ends with that terminal.
    run(lambda: command.demo(options), log_level, log_json, log=log, survives_hangup=not live)


@app.command()
def simulate(
    file: Annotated[Path | None, typer.Argument(help="A plant file, such as configs/plant.yaml.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Without a plant file: a device profile, by its name or its file.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of --profile.")] = 5020,
    replicas: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many devices of --profile, with unit ids from 1 on.")
    ] = 1,
    truth: Annotated[
        Path | None, typer.Option(help="Write what was served, and what happened, into this folder.")
    ] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, help="Simulated seconds per second.")] = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="Let time stand still; the servers keep replying.")
    ] = False,
    control: Annotated[
        int | None, typer.Option(min=0, max=65535, help="A port for `qilu plant`, on this machine alone.")
    ] = None,
    console: Annotated[
        bool, typer.Option("--console", help="Show the factory in a browser; the log names the address.")
    ] = False,
    duration: Duration = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Run simulated machines that speak Modbus, for any client.

    Example: qilu simulate --profile eastron-sdm630 --port 5020
    """
    from qilu_cli.commands import simulate as command

    options = command.SimulateOptions(file, profile, port, replicas, truth, speed, paused, control, console)
    run(lambda: command.simulate(options), log_level, log_json, duration, survives_hangup=True)


@app.command()
def gateway(
    file: GatewayFile, duration: Duration = None, log_level: LogLevel = "info", log_json: LogJson = False
) -> None:
    """Poll machines, and deliver every reading until it is durable in a store.

    Example: qilu gateway configs/gateway.yaml
    """
    from qilu_cli.commands import gateway as command

    run(lambda: command.gateway(file), log_level, log_json, duration, survives_hangup=True)


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
