"""Tells what a spool holds, and lets it send again what was durable in a store that is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.settings import GatewaySettings
from gateway.spool import replay as replaying
from gateway.spool.inspect import Summary, inspect
from gateway.spool.settings import SpoolSettings
from qilu.command.asking import duration, moment, show, show_json
from qilu.command.kinds import Kind, expected
from qilu.command.printing import console
from qilu.contract.quantities import format_bytes, format_duration
from qilu.runtime.settings import load

_SHOWN = 10
"""Dropped ranges in the table, the newest; JSON has all that the journal has."""


def spool(place: Path, form: str) -> None:
    """Print what is in a spool; ConfigError when there is none."""
    settings = _settings(place)
    summary = inspect(settings.directory)
    now_ms = int(time.time() * 1000)
    told = _told(settings, summary, now_ms)
    if form == "json":
        show_json(told | {"streams": _streams(summary), "dropped": _dropped(summary)})
        return
    for name, value in told.items():
        _console.print(f"{name:<16} {_plain(name, value)}")
    if summary.streams:
        _console.print()
        rows = [list(one.values()) for one in _streams(summary)]
        show("table", list(_streams(summary)[0]), rows)
    if summary.dropped:
        _console.print()
        _console.print(f"dropped: {len(summary.dropped)} times, the last ones:")
        rows = [list(one.values()) for one in _dropped(summary)[-_SHOWN:]]
        show("table", list(_dropped(summary)[0]), rows)


def replay(place: Path, since: str | None) -> None:
    """Make durable records pending again; ConfigError while a gateway runs on the directory."""
    settings = _settings(place)
    since_ms = 0 if since is None else int((time.time() - duration("--since", since)) * 1000)
    found = replaying.replay(settings.directory, since_ms)
    if found.from_ms is None:
        _console.print("nothing of that time is on disk any more: `keep_acked` tells how long it stays")
    else:
        _console.print(
            f"{found.records} records since {moment(found.from_ms)} are sent again when the gateway starts"
        )


_console = console()


def _settings(place: Path) -> SpoolSettings:
    if place.suffix in (".yaml", ".yml"):
        with expected(Kind.GATEWAY, place, "name the settings of the gateway, or the directory of its spool"):
            return load(place, GatewaySettings).spool
    return SpoolSettings(directory=place)


def _told(settings: SpoolSettings, summary: Summary, now_ms: int) -> dict[str, Any]:
    left = summary.seconds_left(settings.max_bytes)
    oldest = summary.oldest_ms
    return {
        "directory": str(settings.directory),
        "records": summary.depth,
        "oldest": None if oldest is None else moment(oldest),
        "age_s": None if oldest is None else max(now_ms - oldest, 0) // 1000,
        "bytes": summary.size,
        "acked_bytes": summary.acked,
        "max_bytes": settings.max_bytes,
        "bytes_per_s": round(summary.rate, 1),
        "hours_left": None if left is None else round(left / 3600, 1),
        "quarantined": summary.quarantined,
        "dropped_records": sum(len(one.offsets) for one in summary.dropped),
        "last_opened_by": summary.owner,
    }


def _streams(summary: Summary) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{one.stream:016x}",
            "records": len(one.pending),
            "files": one.segments,
            "bytes": one.size,
            "oldest": None if one.oldest_ms is None else moment(one.oldest_ms),
            "newest": moment(one.newest_ms),
        }
        for one in summary.streams
    ]


def _dropped(summary: Summary) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{one.stream:016x}",
            "records": len(one.offsets),
            "reason": one.reason,
            "from": moment(one.from_ms),
            "to": moment(one.to_ms),
        }
        for one in summary.dropped
    ]


def _plain(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("bytes"):
        return format_bytes(value)
    if name == "age_s":
        return format_duration(value)
    return f"process {value}" if name == "last_opened_by" else str(value)
