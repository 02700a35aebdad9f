"""What the commands of `qilu probe` share: a connection to the target, durations, one range with its bar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import typer

from gateway.commissioning.probe.arguments import Range, parse_target
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, read_range, settings_for
from qilu.config.tls import TlsSettings
from qilu.contract.errors import ConfigError
from qilu.contract.units import parse_duration
from qilu_cli.commands.probe.output import progress

MAX_SECONDS = 3600.0


class Access(NamedTuple):
    """How the target is reached, as the command line has it."""

    target: str
    timeout: str
    """From a request to its reply, such as 300ms."""
    ca: Path | None = None
    """The certificates of a target `tls://`, as in `tls:` of a source."""
    cert: Path | None = None
    key: Path | None = None

    def tls(self, url: str) -> TlsSettings | None:
        """The certificates; ConfigError where they do not belong to this url, or a key stands alone."""
        if self.ca is None and self.cert is None and self.key is None:
            return None
        if not url.startswith("tls://"):
            raise ConfigError(f"{url} is not encrypted", key="--ca", remedy="write tls://HOST[:PORT]")
        if self.key is not None and self.cert is None:
            raise ConfigError("a key without its certificate", key="--key", remedy="add --cert FILE")
        return TlsSettings(ca=self.ca, cert=self.cert, key=self.key)


@asynccontextmanager
async def prober(access: Access) -> AsyncIterator[Prober]:
    """What asks the target; ConfigError for a target or a duration that makes no sense. What its replies have
    wrong is printed on stderr at the end."""
    url = parse_target(access.target)
    client = Prober(settings_for(url, seconds("--timeout", access.timeout), tls=access.tls(url)), Random())
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
