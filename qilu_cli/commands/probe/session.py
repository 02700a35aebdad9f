"""What the commands of `qilu probe` share: a connection to the target, durations, one range with its bar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import typer

from gateway.commissioning.probe.arguments import Range, parse_target
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, read_range, settings_for
from qilu.contract.errors import ConfigError
from qilu.contract.units import parse_duration
from qilu_cli.commands.probe.output import progress

MAX_SECONDS = 3600.0


@asynccontextmanager
async def prober(target: str, timeout: str) -> AsyncIterator[Prober]:
    """What asks the target; ConfigError for a target or a duration that makes no sense. What its replies have
    wrong is printed on stderr at the end."""
    client = Prober(settings_for(parse_target(target), seconds("--timeout", timeout)), Random())
    async with client:
        yield client
    for note in client.notes:
        typer.echo(f"note: {note}", err=True)


def seconds(option: str, text: str) -> float:
    """The duration that an option names; ConfigError unless it is more than 0 and at most an hour."""
    try:
        value = parse_duration(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_SECONDS:
        raise ConfigError(
            f"{text!r} is not a duration of up to an hour", key=option, remedy="write 500ms or 1s"
        )
    return value


async def dump(client: Prober, unit: int, addresses: Range) -> Dump:
    """One range of a unit, with a bar on stderr."""
    with progress(str(addresses), addresses.size) as bar:
        return await read_range(client, unit, addresses, bar)
