"""Asks a store and prints what it answers, for people or for programs."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from qilu.contract.errors import ConfigError
from qilu.contract.quantities import parse_duration
from qilu.runtime.settings import load
from qilu.runtime.wording import nearest
from qilu.stores.components import Reader, Sample
from qilu.stores.opening import open_reader
from qilu.stores.settings import SqliteSettings


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `qilu query`, as they were given."""

    store: str
    devices: bool
    points: bool
    device: str | None
    point: str | None
    last: str
    every: str | None
    form: str


Rows = Sequence[Sequence[Any]]

_WIDE = 1000
"""Columns of a pipe or a file: nothing is cut off there."""


async def query(asked: Asked) -> None:
    """Print the answer on stdout; ConfigError for a question that makes no sense."""
    header: Sequence[str]
    async with _reader(asked.store) as reader:
        if asked.devices:
            header, rows = ("device", "profile", "line", "edge", "last"), await _devices(reader)
        elif asked.points:
            header, rows = ("device", "point"), await _points(reader, asked.device)
        elif asked.device and asked.point:
            header, rows = ("time", "value", "quality"), await _samples(reader, asked)
        else:
            raise ConfigError(
                "what is asked?", remedy="say --devices, --points, or --device NAME --point NAME"
            )
    _print(asked.form, header, rows)


def _reader(store: str) -> Reader:
    path = Path(store)
    if path.suffix in (".yaml", ".yml"):
        from cloud.settings import IngesterSettings

        return open_reader(load(path, IngesterSettings).store)
    if not path.is_file():
        remedy = "start `qilu demo` first, or name your store with --store"
        raise ConfigError("no such store", file=path, remedy=remedy)
    return open_reader(SqliteSettings(type="sqlite", file=path))


async def _devices(reader: Reader) -> Rows:
    return [(d.device, d.profile, d.line, d.edge, _moment(d.last_ms)) for d in await reader.devices()]


async def _points(reader: Reader, device: str | None) -> Rows:
    names = [device] if device else [one.device for one in await reader.devices()]
    rows = [(name, point) for name in names for point in await reader.points(name)]
    if device and not rows:
        raise await _unknown_device(reader, device)
    return rows


async def _samples(reader: Reader, asked: Asked) -> Rows:
    assert asked.device
    assert asked.point
    end_ms = int(time.time() * 1000) + 1
    start_ms = end_ms - round(_duration("--last", asked.last) * 1000)
    every_ms = max(1, round(_duration("--every", asked.every) * 1000)) if asked.every else None
    samples = await reader.samples(asked.device, asked.point, start_ms, end_ms, every_ms)
    if not samples:
        known = await reader.points(asked.device)
        if not known:
            raise await _unknown_device(reader, asked.device)
        if asked.point not in known:
            meant = nearest(asked.point, known)
            remedy = f"did you mean {meant}?" if meant else "see --points"
            raise ConfigError(f"{asked.device} has no point {asked.point}", key="--point", remedy=remedy)
    return [(_moment(sample.time_ms), sample.value, _quality(sample)) for sample in samples]


async def _unknown_device(reader: Reader, device: str) -> ConfigError:
    meant = nearest(device, [one.device for one in await reader.devices()])
    remedy = f"did you mean {meant}?" if meant else "see --devices"
    return ConfigError(f"the store has no device {device}", key="--device", remedy=remedy)


def _duration(option: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except (ValueError, ValidationError) as error:
        raise ConfigError(f"{text!r} is not a duration", key=option, remedy="write 10s, 5m or 2h") from error
    if seconds <= 0:
        raise ConfigError(f"{text!r} is no time at all", key=option, remedy="write 10s, 5m or 2h")
    return seconds


def _moment(time_ms: int) -> str:
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _quality(sample: Sample) -> str:
    return "good" if sample.reason is None else f"{sample.reason.quality}: {sample.reason}"


def _print(form: str, header: Sequence[str], rows: Rows) -> None:
    if form == "json":
        json.dump(
            [dict(zip(header, row, strict=True)) for row in rows], sys.stdout, ensure_ascii=False, indent=1
        )
        sys.stdout.write("\n")
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    else:
        table = Table(*header, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*("" if cell is None else _cell(cell) for cell in row))
        console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
        console.print(table)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
