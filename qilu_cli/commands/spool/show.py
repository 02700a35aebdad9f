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
from qilu_cli.store_access import print_json, print_table
from qilu_cli.terminal import console
from qilu_cli.time_zones import Zone, iso_time, zone

_SHOWN = 10
"""Dropped ranges in the table, the newest; JSON has all that the journal has."""


def show_spool(place: Path, form: str, tz: str = "utc") -> None:
    """Print what is in a spool; ConfigError when there is none."""
    shown_in = zone(tz)
    settings, edge = named_spool(place)
    summary = inspect(settings.directory)
    now_ms = int(time.time() * 1000)
    fields = _summary_fields(settings, edge, summary, now_ms, shown_in)
    if form == "json":
        print_json(fields | {"streams": _streams(summary, shown_in), "dropped": _dropped(summary, shown_in)})
        return
    for name, value in fields.items():
        _console.print(f"{name:<17} {_plain(name, value)}")
    if summary.streams:
        _console.print()
        rows = [list(entry.values()) for entry in _streams(summary, shown_in)]
        print_table("table", list(_streams(summary, shown_in)[0]), rows)
    if summary.dropped:
        _console.print()
        _console.print(f"dropped: {len(summary.dropped)} times, the last ones:")
        rows = [list(entry.values()) for entry in _dropped(summary, shown_in)[-_SHOWN:]]
        print_table("table", list(_dropped(summary, shown_in)[0]), rows)


_console = console()


def _summary_fields(
    settings: SpoolSettings, edge: str | None, summary: Summary, now_ms: int, shown_in: Zone
) -> dict[str, Any]:
    left = summary.left(settings, now_ms)
    oldest = summary.oldest_ms
    return {
        "directory": str(settings.directory),
        "records": summary.depth,
        "held": summary.held(edge),
        "adopted": ", ".join(sorted(summary.adopted)) or None,
        "oldest": None if oldest is None else iso_time(oldest, shown_in),
        "age_s": None if oldest is None else max(now_ms - oldest, 0) // 1000,
        "bytes": summary.size,
        "acked_bytes": summary.acked,
        "max_bytes": settings.max_bytes,
        "bytes_per_s": round(summary.rate, 1),
        "free_bytes": summary.free,
        "min_free_bytes": settings.min_free_disk,
        "hours_left": None if left is None else round(left.seconds / 3600, 1),
        "limited_by": None if left is None else left.limit,
        "quarantined": summary.quarantined,
        "quarantined_bytes": summary.quarantined_bytes,
        "dropped_records": sum(len(drop.offsets) for drop in summary.dropped),
        "last_opened_by": summary.owner,
    }


def _streams(summary: Summary, shown_in: Zone) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{stream.stream:016x}",
            "edge": stream.edge,
            "records": len(stream.pending),
            "files": stream.segments,
            "bytes": stream.size,
            "oldest": None if stream.oldest_ms is None else iso_time(stream.oldest_ms, shown_in),
            "newest": iso_time(stream.newest_ms, shown_in),
        }
        for stream in summary.streams
    ]


def _dropped(summary: Summary, shown_in: Zone) -> list[Mapping[str, Any]]:
    return [
        {
            "stream": f"{drop.stream:016x}",
            "records": len(drop.offsets),
            "reason": drop.reason,
            "from": iso_time(drop.from_ms, shown_in),
            "to": iso_time(drop.to_ms, shown_in),
        }
        for drop in summary.dropped
    ]


def _plain(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("bytes"):
        return format_bytes(value)
    if name == "age_s":
        return format_duration(value)
    return f"process {value}" if name == "last_opened_by" else str(value)
