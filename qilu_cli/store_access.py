"""What every command that asks a store shares: which store, since when, and how its answer is printed."""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from qilu.config.error_texts import did_you_mean
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.contract.text_escaping import plain, plain_cell
from qilu.contract.units import parse_duration
from qilu.runtime.redaction import redacted
from qilu.stores.factory import open_reader
from qilu.stores.interfaces import DescribedPoint, PointInfoReader, Reader
from qilu.stores.settings import SqliteSettings, StoreSettings
from qilu.stores.sqlite.history.reader import HistoryReader, is_history, no_history
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.terminal import console, json_text

Rows = Sequence[Sequence[Any]]
"""What a cell begins with that a spreadsheet runs; a tab or a line break before it is spelled out."""


def store_settings(store: str) -> StoreSettings:
    """The store of ingester settings (.yaml), or of a SQLite file, which need not be there. ConfigError."""
    path = Path(store)
    if path.suffix not in (".yaml", ".yml"):
        return SqliteSettings(type="sqlite", file=path)
    from cloud.settings import IngesterSettings

    with expected(Kind.INGESTER, path, "name ingester settings, or a store file"):
        return load(path, IngesterSettings).store


def reader(store: str) -> PointInfoReader | HistoryReader:
    """The reader of a store file, the folder of a local history, or the store of ingester settings (.yaml).

    ConfigError.
    """
    path = Path(store)
    settings = store_settings(store)
    if path.is_dir():
        if not is_history(path):
            raise no_history(path)
        return HistoryReader(path)
    if isinstance(settings, SqliteSettings) and settings.file == path and not path.is_file():
        remedy = "start `qilu demo` first, or name your store with --store"
        raise ConfigError("no such store", file=path, remedy=remedy)
    return open_reader(settings)


async def described_points(
    store: PointInfoReader | HistoryReader, devices: Collection[DeviceKey], device: str | None
) -> Sequence[DescribedPoint]:
    """What the edges reported of the points of these devices; nothing where a store keeps no descriptions.

    `device`: the one name of them, where only one was asked for; then no others are read.
    """
    if isinstance(store, HistoryReader):
        return ()
    if device is None:
        return await store.point_info()
    return [each for key in devices for each in await store.point_info(key)]


def duration(option: str, text: str) -> float:
    """Seconds, more than 0, of what was given to an option; ConfigError."""
    try:
        seconds = parse_duration(text)
    except (ValueError, ValidationError) as error:
        raise ConfigError(f"{text!r} is not a duration", key=option, remedy="write 10s, 5m or 2h") from error
    if seconds <= 0:
        raise ConfigError(f"{text!r} is no time at all", key=option, remedy="write 10s, 5m or 2h")
    return seconds


async def unknown_device(store: Reader, device: str) -> ConfigError:
    """The error for a device that is not in the store."""
    known = [entry.device for entry in await store.devices()]
    remedy = did_you_mean(device, known, "see `qilu query --devices`")
    return ConfigError(f"the store has no device {device}", key="--device", remedy=remedy)


def warn(message: str) -> None:
    """One line on stderr, beside an answer that stands."""
    print(f"qilu: {redacted(plain(message))}", file=sys.stderr)


def print_table(form: str, header: Sequence[str], rows: Rows, *, whose: Collection[str] = ()) -> None:
    """Print a table on stdout, as `table`, `csv` or `json`.

    JSON keeps texts as they are; in CSV a text that a spreadsheet would run begins with an apostrophe, and
    control characters are spelled out. Numbers stay. A table has no column in which nothing stands; of the
    columns `whose`, what is the same in all rows stands once, above it.
    """
    if form == "json":
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    else:
        _show_table(dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}, header, whose)


def _show_table(columns: Mapping[str, Sequence[Any]], header: Sequence[str], whose: Collection[str]) -> None:
    same = {
        name: cells[0]
        for name, cells in columns.items()
        if name in whose and len(cells) > 1 and len(set(cells)) == 1
    }
    if same:
        console().print("  ".join(f"{name} {cell}" for name, cell in same.items()))
    filled = [
        name
        for name, cells in columns.items()
        if name not in same and any(cell not in (None, "") for cell in cells)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in filled or header:
        table.add_column(name, overflow="fold")
    for row in zip(*(columns[name] for name in filled), strict=True):
        table.add_row(*map(_cell, row))
    console().print(table)


def print_json(document: object) -> None:
    sys.stdout.write(json_text(document) + "\n")


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return plain_cell(value) if isinstance(value, str) else value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
