"""Where a spool is that a person names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gateway.settings import GatewaySettings
from gateway.spool.settings import SpoolSettings
from qilu.config.settings_file import load
from qilu_cli.file_kinds import Kind, expected


class NamedSpool(NamedTuple):
    """The settings of a spool, the defaults where a directory was named; then `edge` is not known."""

    settings: SpoolSettings
    edge: str | None


def named_spool(place: Path) -> NamedSpool:
    """What a gateway's settings, or a directory, name; ConfigError when it is neither."""
    if place.suffix not in (".yaml", ".yml"):
        return NamedSpool(SpoolSettings(directory=place), None)
    with expected(Kind.GATEWAY, place, "name the settings of the gateway, or the directory of its spool"):
        settings = load(place, GatewaySettings)
    return NamedSpool(settings.spool, settings.edge)
