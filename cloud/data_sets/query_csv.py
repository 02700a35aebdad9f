"""A CSV file that `qilu query --format csv` printed: one sample in a line, rising in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from cloud.data_sets.data_set import Description, Extent, Place, columns_of
from cloud.data_sets.plant_export_reader import cell_value
from cloud.data_sets.tables import Row, rows
from qilu.contract.display.vocabulary import Language
from qilu.contract.errors import ConfigError
from qilu.contract.known_columns import KnownColumns
from qilu.contract.point_info import PointInfo
from qilu.contract.profile import DeviceProfile, Label
from qilu.contract.reading import DeviceKey, Origin, Poll, Quality, Reading, Reason, Value

COLUMNS = ("time", "edge", "device", "point", "value", "unit", "text", "quality")
GROUP = "query_result"
_APOSTROPHE_BEFORE = ("=", "+", "-", "@")
_LAST_STEP_MS = 1_000
"""What a single instant covers."""


class _Line(NamedTuple):
    line: int
    time_ms: int
    key: DeviceKey
    point: str
    value: Value
    reason: Reason | None
    unit: str


class QueryResult:
    """A `DataSet` of such a file. It is read twice: for its times and units, and for its values.

    `edge`: in place of that of the file. `definition`: the profile, where its file is known.
    """

    def __init__(
        self, file: Path, place: Place, profile: str, definition: DeviceProfile | None, *, keep_edge: bool
    ) -> None:
        self._file = file
        self._place = place
        self._profile = profile
        self._definition = definition
        self._keep_edge = keep_edge
        self._known = KnownColumns()
        self._units: dict[DeviceKey, dict[str, str]] = {}
        self.polls_expected = 0
        self.extent = self._scan()

    def descriptions(self) -> Iterator[Description]:
        """Of the profile, or the units of the file where nobody knows the profile."""
        known = {} if self._definition is None else {point.name: point for point in self._definition.points}
        for key, units in self._units.items():
            infos = []
            for name, unit in units.items():
                point = known.get(name)
                label = None if point is None else point.label
                infos.append(
                    (
                        name,
                        PointInfo(
                            profile=self._profile,
                            unit=unit if point is None else point.unit,
                            label_en="" if label is None else label.en,
                            label_zh="" if label is None else label.zh,
                            kind="gauge" if point is None else point.kind,
                            codes_en="" if point is None else _codes(point.enum, "en"),
                            codes_zh="" if point is None else _codes(point.enum, "zh"),
                        ),
                    )
                )
            yield Description(self._origin(key), tuple(infos))

    def polls(self) -> Iterator[Poll]:
        """As `DataSet` promises: the samples of one device and time are one poll."""
        for (time_ms, key), samples in groupby(self._lines(), key=lambda each: (each.time_ms, each.key)):
            by_point = {sample.point: sample for sample in samples}
            columns = columns_of(self._known, self._origin(key), GROUP, tuple(by_point))
            values = tuple(sample.value for sample in by_point.values())
            reasons = {
                index: sample.reason
                for index, sample in enumerate(by_point.values())
                if sample.reason is not None
            }
            yield Poll(time_ms, (Reading(columns, time_ms, values, reasons),))

    def _origin(self, key: DeviceKey) -> Origin:
        place = self._place
        edge = key.edge if self._keep_edge else place.edge
        return Origin(edge, key.device, self._profile, place.enterprise, place.site)

    def _scan(self) -> Extent:
        first = last = None
        step = 0
        before: tuple[int, DeviceKey] | None = None
        for line in self._lines():
            if before is not None and line.time_ms < before[0]:
                problem = "the times do not rise"
                remedy = "sort the lines by time"
                raise ConfigError(problem, file=self._file, line=line.line, key="time", remedy=remedy)
            if before is not None and line.time_ms > before[0]:
                step = min(step or line.time_ms, line.time_ms - before[0])
            self.polls_expected += before != (line.time_ms, line.key)
            before = line.time_ms, line.key
            self._units.setdefault(line.key, {}).setdefault(line.point, line.unit)
            first, last = line.time_ms if first is None else first, line.time_ms
        if first is None or last is None:
            raise ConfigError("no sample stands in it", file=self._file, remedy="ask for a longer time")
        return Extent(first, last + (step or _LAST_STEP_MS))

    def _lines(self) -> Iterator[_Line]:
        table = rows(self._file)
        heading = tuple(next(table).cells)
        if heading != COLUMNS:
            problem = f"the columns are {', '.join(map(str, heading))[:200]}"
            remedy = f"write it with `qilu query --format csv`: {', '.join(COLUMNS)}"
            raise ConfigError(problem, file=self._file, line=1, remedy=remedy)
        for row in table:
            yield self._line(row)

    def _line(self, row: Row) -> _Line:
        time, edge, device, point, value, unit, _, quality = row.cells
        try:
            time_ms = round(datetime.fromisoformat(time).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            remedy = "write 2026-11-23T07:30:00.000Z"
            raise self._error(row, "time", f"{time[:40]!r} is no time", remedy) from None
        reason = self._reason(row, quality)
        if (reason is None or reason.quality is Quality.UNCERTAIN) and value == "":
            raise self._error(row, "value", f"is empty, and its quality is {quality}", "name a reason")
        if reason is not None and reason.quality is Quality.BAD and value != "":
            raise self._error(row, "value", f"stands beside {quality}", "a bad value is empty")
        return _Line(row.line, time_ms, DeviceKey(edge, device), point, _value(value), reason, unit)

    def _reason(self, row: Row, quality: str) -> Reason | None:
        if quality == "good":
            return None
        of, _, name = quality.partition(": ")
        try:
            reason = Reason(name)
        except ValueError:
            reason = None
        if reason is None or of != reason.quality.value:
            remedy = "write good, uncertain: REASON or bad: REASON"
            raise self._error(row, "quality", f"{quality[:40]!r} is no quality", remedy)
        return reason

    def _error(self, row: Row, key: str, problem: str, remedy: str) -> ConfigError:
        return ConfigError(problem, file=self._file, line=row.line, key=key, remedy=remedy)


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("'") and text[1:].startswith(_APOSTROPHE_BEFORE):
        return text[1:]
    return cell_value(text, "")


def _codes(enum: Mapping[int, Label], language: Language) -> str:
    return "; ".join(f"{code}={label.text(language)}" for code, label in enum.items())
