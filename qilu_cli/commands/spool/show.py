"""Prints what a spool holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.spool.inspect import Summary, inspect
from gateway.spool.settings import SpoolSettings
from qilu.contract.units import format_bytes, format_duration
from qilu_cli.commands.spool.place import named_spool
from qilu_cli.store_access import show, show_json
from qilu_cli.terminal import console
from qilu_cli.time_zones import Zone, moment, zone

_SHOWN = 10
"""Dropped ranges in the table, the newest; JSON has all that the journal has."""


def show_spool(place: Path, form: str, tz: str = "utc") -> None:
    """Print what is in a spool; ConfigError when there is none."""
    shown_in = zone(tz)
    settings, edge = named_spool(place)
    summary = inspect(settings.directory)
    now_ms = int(time.time() * 1000)
    told = _told(settings, edge, summary, now_ms, shown_in)
    if form == "json":
        show_json(told | {"streams": _streams(summary, shown_in), "dropped": _dropped(summary, shown_in)})
        return
    for name, value in told.items():
        _console.print(f"{name:<17} {_plain(name, value)}")
    if summary.streams:
        _console.print()
        rows = [list(one.values()) for one in _streams(summary, shown_in)]
        show("table", list(_streams(summary, shown_in)[0]), rows)
    if summary.dropped:
        _console.print()
        _console.print(f"dropped: {len(summary.dropped)} times, the last ones:")
        rows = [list(one.values()) for one in _dropped(summary, shown_in)[-_SHOWN:]]
        show("table", list(_dropped(summary, shown_in)[0]), rows)


_console = console()


def _told(
    settings: SpoolSettings, edge: str | None, summary: Summary, now_ms: int, shown_in: Zone
) -> dict[str, Any]:
    left = summary.left(settings, now_ms)
    oldest = summary.oldest_ms
    return {
        "directory": str(settings.directory),
        "records": summary.depth,
        "held": summary.held(edge),
        "adopted": ", ".join(sorted(summary.adopted)) or None,
        "oldest": None if oldest is None else moment(oldest, shown_in),
        "age_s": None if oldest is None else max(now_ms - oldest, 0) // 1000,
        "bytes": summary.size,
        "acked_bytes": summary.acked,
        "max_bytes": settings.max_bytes,
        "bytes_per_s": round(summary.rate, 1),
        "free_bytes": summary.free,
        "min_free_bytes": settings.min_free,
        "hours_left": None if left is None else round(left.seconds / 3600, 1),
        "limited_by": None if left is None else left.limit,
        "quarantined": summary.quarantined,
        "quarantined_bytes": summary.quarantined_bytes,
        "dropped_records": sum(len(one.offsets) for one in summary.dropped),
        "last_opened_by": summary.owner,
    }


def _streams(summary: Summary, shown_in: Zone) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{one.stream:016x}",
            "edge": one.edge,
            "records": len(one.pending),
            "files": one.segments,
            "bytes": one.size,
            "oldest": None if one.oldest_ms is None else moment(one.oldest_ms, shown_in),
            "newest": moment(one.newest_ms, shown_in),
        }
        for one in summary.streams
    ]


def _dropped(summary: Summary, shown_in: Zone) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{one.stream:016x}",
            "records": len(one.offsets),
            "reason": one.reason,
            "from": moment(one.from_ms, shown_in),
            "to": moment(one.to_ms, shown_in),
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
