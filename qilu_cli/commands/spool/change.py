"""Commands that let a gateway send again what its spool keeps."""

from __future__ import annotations

import time
from pathlib import Path

from gateway.delivery.resend import request_resend
from gateway.spool import adopt as adopting
from gateway.spool import replay as replaying
from qilu.contract.errors import ConfigError, describe_os_error
from qilu_cli.commands.spool.place import named_spool
from qilu_cli.store_access import duration
from qilu_cli.terminal import console
from qilu_cli.time_zones import iso_time, zone

_console = console()
_AT_START = "when the gateway starts"


def adopt(place: Path, edge: str) -> None:
    """Let the records of another edge be sent; UnreachableError while a gateway runs on it."""
    records = adopting.adopt(named_spool(place).settings.directory, edge)
    _console.print(f"{records} records of edge {edge} are sent {_AT_START}, on the topics of {edge}")


def replay(place: Path, since: str | None, tz: str = "utc") -> None:
    """Make durable records pending again; UnreachableError while a gateway runs on it."""
    shown_in = zone(tz)
    since_ms = 0 if since is None else int((time.time() - duration("--since", since)) * 1000)
    result = replaying.replay(named_spool(place).settings.directory, since_ms)
    if result.from_ms is None:
        _console.print(
            "nothing of that time is on disk any more: spool.acked_retention sets how long it stays"
        )
    else:
        _console.print(
            f"{result.records} records since {iso_time(result.from_ms, shown_in)} are sent again {_AT_START}"
        )


def resend(place: Path) -> None:
    """Ask a gateway to send deferred records again; ConfigError when the request cannot be left."""
    directory = named_spool(place).settings.directory
    try:
        request_resend(directory)
    except OSError as error:
        raise ConfigError(
            f"{directory} takes no request: {describe_os_error(error)}",
            remedy="name the spool directory of the gateway, and run the command as the user of the gateway",
        ) from error
    _console.print(
        f"a gateway that runs on {directory} sends its deferred records again as soon as it is connected"
    )
