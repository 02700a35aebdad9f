"""Prints which records a store rejected, and lets them be sent again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.spool import requeue as requeueing
from gateway.spool.requeue import QuarantinedRecord
from qilu_cli.commands.spool.place import named_spool
from qilu_cli.store_access import print_json, print_table
from qilu_cli.terminal import console
from qilu_cli.time_zones import Zone, iso_time, zone

_MAX_GROUPS = 1000
_REST = "others"
_console = console()


@dataclass(slots=True)
class _Group:
    """Records of one device with one reason, set aside between two times (ms, UTC)."""

    records: int
    from_ms: int
    to_ms: int


def quarantine(place: Path, form: str, tz: str = "utc", *, bodies: bool) -> None:
    """Print what is set aside, by edge, device and reason, or record by record."""
    shown_in = zone(tz)
    groups: dict[tuple[str, str, str], _Group] = {}
    for entry in requeueing.quarantined(named_spool(place).settings.directory):
        if bodies:
            print(json.dumps(_plain(entry, shown_in), ensure_ascii=False))
        else:
            _add(groups, entry)
    if bodies:
        return
    rows: list[Mapping[str, Any]] = [
        {"edge": edge, "device": device, "records": entry.records}
        | {"from": iso_time(entry.from_ms, shown_in), "to": iso_time(entry.to_ms, shown_in), "reason": reason}
        for (edge, device, reason), entry in groups.items()
    ]
    if form == "json":
        print_json({"quarantined": rows})
    elif rows:
        print_table("table", list(rows[0]), [list(row.values()) for row in rows])
    else:
        _console.print("nothing is set aside")


def requeue(place: Path) -> None:
    """Send again what is set aside; UnreachableError while a gateway runs on it."""
    records = requeueing.requeue(named_spool(place).settings.directory)
    _console.print(f"{records} records are sent again when the gateway starts")


def _add(groups: dict[tuple[str, str, str], _Group], record: QuarantinedRecord) -> None:
    body = _decoded(record.body)
    key = str(body.get("edge", "")), str(body.get("device", "")), record.reason
    if key not in groups and len(groups) >= _MAX_GROUPS:
        key = _REST, _REST, _REST
    group = groups.setdefault(key, _Group(0, record.time_ms, record.time_ms))
    group.records += 1
    group.from_ms = min(group.from_ms, record.time_ms)
    group.to_ms = max(group.to_ms, record.time_ms)


def _plain(record: QuarantinedRecord, shown_in: Zone) -> Mapping[str, Any]:
    name = {
        "time": iso_time(record.time_ms, shown_in),
        "stream": f"{record.stream:016x}",
        "offset": record.offset,
    }
    return name | {"reason": record.reason, "body": record.body.decode("utf-8", "backslashreplace")}


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
