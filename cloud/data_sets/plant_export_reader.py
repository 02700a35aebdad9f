"""Reads the data set that `qilu plant export` wrote: a folder with `dataset.json` and `devices/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cloud.data_sets.data_set import NO_REPLY, NO_VALUE, Description, Extent, Place, columns_of
from cloud.data_sets.tables import Row, rows
from qilu.contract.errors import ConfigError, describe_os_error
from qilu.contract.known_columns import KnownColumns
from qilu.contract.point_info import PointInfo
from qilu.contract.profile.point import Label, NormalBand
from qilu.contract.reading import ALL_GOOD, BlockSchema, Origin, Poll, Reading, Reason, Value

NAME = "dataset.json"
GROUP = "data_set"
VERSION = 1
_TIMES = ("tick", "time_ms")
_TEXT, _BOOL = "string", "bool"


class _Device(BaseModel):
    model_config = ConfigDict(frozen=True)
    model: str
    line: str = ""
    label: Label = Label()


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True)
    label: Label = Label()
    unit: str = ""
    kind: str = "gauge"
    type: str = ""
    """Empty in data sets of before: then what reads as a number is one."""
    normal: NormalBand | None = None
    enum: Mapping[int, Label] = {}


class _Contents(BaseModel):
    """The keys of `dataset.json` that a store needs."""

    model_config = ConfigDict(frozen=True)
    version: int
    plant: str
    every: float
    rows: int
    start: datetime
    form: str = "csv"
    devices: Mapping[str, _Device]
    models: Mapping[str, Mapping[str, _Point]]


class PlantExport:
    """A `DataSet` of a plant; entering the folder reads its description, and nothing else."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._of = _described(folder / NAME)
        first_ms = round(self._of.start.replace(tzinfo=UTC).timestamp() * 1000)
        self.extent = Extent(first_ms, first_ms + round(self._of.rows * self._of.every * 1000))
        self.polls_expected = self._of.rows * len(self._of.devices)
        self._known = KnownColumns()

    def descriptions(self) -> Iterator[Description]:
        """As `DataSet` promises."""
        for name, device in self._of.devices.items():
            infos = tuple(
                (point, self._info(device, of)) for point, of in self._of.models.get(device.model, {}).items()
            )
            yield Description(self._origin(name, device), infos)

    def polls(self) -> Iterator[Poll]:
        """As `DataSet` promises: device by device."""
        for name, device in self._of.devices.items():
            yield from self._device(name, device)

    def _device(self, name: str, device: _Device) -> Iterator[Poll]:
        file = self._folder / "devices" / f"{name}.{'parquet' if self._of.form == 'parquet' else 'csv.gz'}"
        table = rows(file)
        heading = next(table).cells
        if tuple(heading[:2]) != _TIMES or len(heading) == len(_TIMES):
            problem = f"the columns begin with {', '.join(map(str, heading[:2]))}"
            raise ConfigError(problem, file=file, line=1, remedy="they are tick, time_ms and points")
        points = tuple(heading[len(_TIMES) :])
        columns = columns_of(self._known, self._origin(name, device), GROUP, points)
        model = self._of.models.get(device.model, {})
        types = [model[point].type if point in model else "" for point in points]
        for row in table:
            yield _poll(file, columns, types, row)

    def _origin(self, name: str, device: _Device) -> Origin:
        place = self._place
        site = place.site or self._of.plant
        return Origin(place.edge, name, device.model, place.enterprise, site, device.line)

    def _info(self, device: _Device, of: _Point) -> PointInfo:
        normal = of.normal
        return PointInfo(
            profile=device.model,
            unit=of.unit,
            label_en=of.label.en,
            label_zh=of.label.zh,
            device_label_en=device.label.en,
            device_label_zh=device.label.zh,
            kind=of.kind,
            period_s=self._of.every,
            normal_min=None if normal is None else normal.min,
            normal_max=None if normal is None else normal.max,
            codes_en="; ".join(f"{code}={label}" for code, label in of.enum.items()),
            codes_zh="; ".join(f"{code}={label.text('zh')}" for code, label in of.enum.items()),
        )


def _described(file: Path) -> _Contents:
    try:
        described = _Contents.model_validate_json(file.read_bytes())
    except OSError as error:
        problem = f"cannot be read: {describe_os_error(error)}"
        remedy = "name the folder of a finished data set: its dataset.json is written last"
        raise ConfigError(problem, file=file, remedy=remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or None
        raise ConfigError(first["msg"], file=file, key=key, remedy="export the data set again") from error
    if described.version != VERSION:
        problem = f"the data set has version {described.version}, this program knows {VERSION}"
        raise ConfigError(problem, file=file, remedy="export it with this version")
    return described


def _poll(file: Path, columns: BlockSchema, types: Sequence[str], row: Row) -> Poll:
    time_ms = row.cells[1]
    try:
        due_ms = int(time_ms)
    except (TypeError, ValueError):
        remedy = "write milliseconds since 1970"
        raise ConfigError(
            f"{time_ms!r} is no time", file=file, line=row.line, key="time_ms", remedy=remedy
        ) from None
    cells = row.cells[len(_TIMES) :]
    values: list[Value] = []
    for index, (cell, kind) in enumerate(zip(cells, types, strict=True)):
        try:
            values.append(cell_value(cell, kind))
        except ValueError:
            key = columns.points[index]
            remedy = "write a number, or leave the cell empty"
            problem = f"{str(cell)[:40]!r} is no number"
            raise ConfigError(problem, file=file, line=row.line, key=key, remedy=remedy) from None
    return Poll(due_ms, (Reading(columns, due_ms, tuple(values), reasons_of(values)),))


def reasons_of(values: Sequence[Value]) -> Mapping[int, Reason]:
    """Why values are missing: a device that said nothing did not reply."""
    if None not in values:
        return ALL_GOOD
    missing = [index for index, value in enumerate(values) if value is None]
    return dict.fromkeys(missing, NO_REPLY if len(missing) == len(values) else NO_VALUE)


def cell_value(cell: Any, kind: str) -> Value:
    """The value in a cell, by the type of its point; ValueError: it is no number. Empty: None."""
    if cell in ("", None) or cell != cell:
        return None
    if kind == _TEXT:
        return str(cell)
    if kind == _BOOL:
        return bool(float(cell))
    if not isinstance(cell, str):
        return cell if isinstance(cell, int | float) else str(cell)
    try:
        return int(cell)
    except ValueError:
        try:
            return float(cell)
        except ValueError:
            if kind:
                raise
            return cell
