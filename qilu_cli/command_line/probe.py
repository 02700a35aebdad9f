"""`qilu probe`: looks at a device that nobody has described yet. It only ever reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qilu_cli.command_line.shared_options import Duration, LogLevel, TableOrJson
from qilu_cli.runner import run

app = typer.Typer(
    help="Look at a real device: which units reply, and what their registers hold. Never writes."
)

Target = Annotated[
    str, typer.Argument(help="HOST[:PORT], rtu+tcp://HOST:PORT, tls://HOST, or /dev/tty... of a serial line.")
]
Ranges = Annotated[
    list[str], typer.Argument(help="Addresses, such as holding:0-99 or 40001-40100.", metavar="RANGE")
]
Unit = Annotated[int, typer.Option(min=0, max=255, help="The unit id to read from.")]
Timeout = Annotated[str, typer.Option(help="How long to wait for a reply.")]
Ca = Annotated[Path | None, typer.Option(help="tls://: file of the authority to trust (PEM).")]
Cert = Annotated[Path | None, typer.Option(help="tls://: our own certificate (PEM).")]
Key = Annotated[Path | None, typer.Option(help="tls://: the key of our certificate (PEM).")]


@app.command()
def scan(
    target: Target,
    units: Annotated[str, typer.Option(help="The unit ids to ask, such as 1-247 or 1,3,7.")] = "1-247",
    timeout: Timeout = "300ms",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    form: TableOrJson = "table",
    log_level: LogLevel = "error",
) -> None:
    """List the unit ids that reply at an endpoint, and what each of them is.

    Example: qilu probe scan 192.168.0.10 --units 1-10
    """
    from qilu_cli.commands.probe import scan as command
    from qilu_cli.commands.probe.session import Access

    access = Access(target, timeout, ca, cert, key)
    run(lambda: command.scan_units(access, units, form), log_level, False)


@app.command()
def identify(
    target: Target,
    unit: Unit = 1,
    timeout: Timeout = "1s",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    form: TableOrJson = "table",
    log_level: LogLevel = "error",
) -> None:
    """Print the identification of one unit, and which of its tables can be read.

    Example: qilu probe identify 192.168.0.10 --unit 3
    """
    from qilu_cli.commands.probe import identify as command
    from qilu_cli.commands.probe.session import Access

    access = Access(target, timeout, ca, cert, key)
    run(lambda: command.identify(access, unit, form), log_level, False)


@app.command()
def read(
    target: Target,
    ranges: Ranges,
    unit: Unit = 1,
    timeout: Timeout = "1s",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    form: TableOrJson = "table",
    log_level: LogLevel = "error",
) -> None:
    """Read addresses and print them in every plausible type and order, side by side.

    Example: qilu probe read 192.168.0.10 holding:0-99 --unit 3
    """
    from qilu_cli.commands.probe import read as command
    from qilu_cli.commands.probe.session import Access

    access = Access(target, timeout, ca, cert, key)
    run(lambda: command.read(access, ranges, unit, form), log_level, False)


@app.command()
def find(
    target: Target,
    ranges: Ranges,
    value: Annotated[float, typer.Option(help="The value that the display of the machine shows.")],
    tolerance: Annotated[str, typer.Option(help="How far the value may be off: 2% or 0.5.")] = "1%",
    unit: Unit = 1,
    timeout: Timeout = "1s",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    form: TableOrJson = "table",
    log_level: LogLevel = "error",
) -> None:
    """Find the addresses, types and scales at which registers hold a known value.

    Example: qilu probe find 192.168.0.10 holding:0-99 --value 231.5
    """
    from qilu_cli.commands.probe import find as command
    from qilu_cli.commands.probe.session import Access

    access = Access(target, timeout, ca, cert, key)
    run(lambda: command.find_value(access, ranges, value, tolerance, unit, form), log_level, False)


@app.command()
def watch(
    target: Target,
    ranges: Ranges,
    every: Annotated[str, typer.Option(help="Interval between two reads.")] = "1s",
    unit: Unit = 1,
    timeout: Timeout = "1s",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    duration: Duration = None,
    log_level: LogLevel = "error",
) -> None:
    """Read addresses again and again, and mark what changes.

    Example: qilu probe watch 192.168.0.10 holding:0-99 --every 1s
    """
    from qilu_cli.commands.probe import watch as command
    from qilu_cli.commands.probe.session import Access

    access = Access(target, timeout, ca, cert, key)
    run(lambda: command.watch(access, ranges, every, unit), log_level, False, duration)
