"""A recording: the points of one device over time, from a table as CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from qilu.config.error_texts import suggestion
from qilu.contract.errors import ConfigError, describe_os_error
from qilu.contract.profile import SERVE_COUNTER, DataType, DeviceProfile
from simulator.physics.noise import Array
from simulator.playback.settings import PlaybackSettings

MAX_VALUES = 50_000_000
"""Numbers that a recording may have, so that it fits into 400 MB of memory."""
_TRUTH = {"true": 1.0, "false": 0.0}

Cells = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Recording:
    """seconds: since the first row, ascending. points: of each its values, NaN where it had none."""

    seconds: Array
    points: Mapping[str, NDArray[Any]]

    @property
    def duration(self) -> float:
        """Seconds after which it can start again: the last row lasts as long as the one before."""
        if len(self.seconds) < 2:
            return 1.0
        return float(self.seconds[-1] + (self.seconds[-1] - self.seconds[-2]))

    def row(self, position: float) -> int:
        """The last row that is not after this time."""
        return max(int(np.searchsorted(self.seconds, position + 1e-6, side="right")) - 1, 0)


def load_recording(settings: PlaybackSettings, profile: DeviceProfile, folder: Path) -> Recording:
    """The recording that these settings name. ConfigError: it cannot be read, or has none of the points.

    folder: the one in which the plant's file is.
    """
    path = folder / settings.file
    points = {
        point.name: settings.columns.get(point.name, point.name)
        for point in profile.points
        if point.overlaps is None and point.name != SERVE_COUNTER
    }
    cells = _cells(path, {settings.time, *points.values()})
    _check(path, settings, profile, cells)
    seconds = _seconds(path, settings, cells[settings.time])
    order = np.argsort(seconds, kind="stable")
    order = order[seconds[order] >= seconds.min() + settings.start]
    if not len(order):
        raise ConfigError(f"the recording ends before {settings.start:g} s", file=path, remedy="lower start")
    texts = {point.name for point in profile.points if point.type is DataType.STRING}
    values = {
        name: (_texts if name in texts else _numbers)(cells[column])[order]
        for name, column in points.items()
        if column in cells
    }
    for name, factor in settings.factors.items():
        values[name] = values[name] * factor
    for name in ("state", "alarm"):
        if name in values:
            values[name] = _without_gaps(values[name])
    return Recording(seconds[order] - seconds[order[0]], values)


def _cells(path: Path, wanted: set[str]) -> Cells:
    """The columns of the table that are wanted, as they stand in it."""
    try:
        if path.suffix == ".parquet":
            return _parquet_cells(path, wanted)
        with (gzip.open(path, "rt", encoding="utf-8-sig", newline="")
              if path.suffix == ".gz" else path.open(encoding="utf-8-sig", newline="")) as file:  # fmt: skip
            return _csv_cells(path, file, wanted)
    except OSError as error:
        problem = f"cannot read: {describe_os_error(error)}"
        raise ConfigError(problem, file=path, remedy="name a .csv, .csv.gz or .parquet file") from error
    except (UnicodeDecodeError, csv.Error, EOFError) as error:
        raise ConfigError(f"is no table: {error}", file=path, remedy="save it as CSV in UTF-8") from error


def _csv_cells(path: Path, file: TextIO, wanted: set[str]) -> Cells:
    rows = csv.reader(file)
    names = next(rows, [])
    places = {name: number for number, name in enumerate(names) if name in wanted}
    columns: dict[str, list[str]] = {name: [] for name in places}
    for row in rows:
        if len(row) != len(names):
            if not row:
                continue
            text = f"has {len(row)} cells, its head has {len(names)}"
            raise ConfigError(text, file=path, line=rows.line_num, remedy="give each row a cell per column")
        for name, number in places.items():
            columns[name].append(row[number])
        if rows.line_num * len(places) > MAX_VALUES:
            raise ConfigError(f"has more than {MAX_VALUES} numbers", file=path, remedy="cut it into parts")
    return columns


def _parquet_cells(path: Path, wanted: set[str]) -> Cells:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        remedy = "install it with `pip install 'qilu[parquet]'`, or save the recording as CSV"
        raise ConfigError("Parquet is read by pyarrow, which is not installed", remedy=remedy) from None
    try:
        file = parquet.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if name in wanted]
        if file.metadata.num_rows * len(names) > MAX_VALUES:
            raise ConfigError(f"has more than {MAX_VALUES} numbers", file=path, remedy="cut it into parts")
        table = file.read(columns=names)
    except ValueError as error:  # of pyarrow, for a file that is no Parquet
        raise ConfigError(f"is no Parquet: {error}", file=path, remedy="name a .parquet file") from error
    return {name: table.column(name).to_pylist() for name in names}


def _check(path: Path, settings: PlaybackSettings, profile: DeviceProfile, cells: Cells) -> None:
    if settings.time not in cells:
        remedy = "name the column of the time as `time`"
        raise ConfigError(f"has no column {settings.time}", file=path, remedy=remedy)
    points = [point.name for point in profile.points]
    for name, column in settings.columns.items():
        if name not in points:
            remedy = suggestion(name, points)
            raise ConfigError(f"{profile.profile} has no point {name}", key=f"columns.{name}", remedy=remedy)
        if column not in cells:
            raise ConfigError(f"has no column {column}", file=path, key=f"columns.{name}", remedy="name one")
    missing = [name for name in settings.factors if settings.columns.get(name, name) not in cells]
    if missing:
        raise ConfigError(f"has no column for {missing[0]}", file=path, key="factors", remedy="leave it out")
    if len(cells) < 2:
        remedy = f"name the columns of points such as {points[0]} under `columns`"
        raise ConfigError(f"has no column of a point of {profile.profile}", file=path, remedy=remedy)
    if not len(cells[settings.time]):
        raise ConfigError("has no row", file=path, remedy="record it again")


def _seconds(path: Path, settings: PlaybackSettings, cells: Sequence[Any]) -> Array:
    try:
        return np.array(list(_times(settings, cells)), dtype=np.float64)
    except ValueError as error:
        remedy = "give numbers, or texts such as 2026-06-22T08:00:00"
        raise ConfigError(f"the time is wrong: {error}", file=path, remedy=remedy) from error


def _times(settings: PlaybackSettings, cells: Sequence[Any]) -> Iterator[float]:
    unit = 0.001 if settings.time_unit == "ms" else 1.0
    for cell in cells:
        if isinstance(cell, datetime):
            yield _utc(cell)
            continue
        try:
            seconds = float(cell) * unit
        except (TypeError, ValueError):
            seconds = _utc(datetime.fromisoformat(str(cell)))
        if not np.isfinite(seconds):
            raise ValueError(f"{cell} is no time")
        yield seconds


def _utc(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _numbers(cells: Sequence[Any]) -> Array:
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: Any) -> float:
    """NaN where it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return _TRUTH.get(str(cell).strip().lower(), np.nan)


def _texts(cells: Sequence[Any]) -> NDArray[Any]:
    return np.array([str("" if cell is None else cell).encode() for cell in cells], dtype=np.bytes_)


def _without_gaps(values: Array) -> Array:
    """A code stays until the next; 0 before the first."""
    known = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(known >= 0, values[np.maximum(known, 0)], 0.0)
