"""Samples as a table for a spreadsheet: one line for each time, units and numbers as people read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qilu.contract.display.numbers import decimals
from qilu.contract.display.units import DisplayUnit, display_unit
from qilu.contract.display.vocabulary import QUALITIES, REASONS, TERMS, Language
from qilu.contract.profile.point import Point
from qilu.contract.reading import Quality, Reason, Value
from qilu.contract.text_escaping import plain_cell

MAX_LINES = 1_048_576
"""Lines of a sheet of Excel, the heading among them."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel does not take a file as UTF-8."""

Cell = tuple[Value, Reason | None]
"""A value and why it is not good."""


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """One point; `point` is None where no profile describes it."""

    name: str
    point: Point | None
    language: Language
    overrides: Mapping[str, DisplayUnit] | None = None

    @property
    def unit(self) -> DisplayUnit:
        unit = "" if self.point is None else self.point.unit
        return display_unit(unit, self.language, self.overrides)

    @property
    def headings(self) -> Sequence[str]:
        """Of its value, with the unit, of its quality and of its reason."""
        label = "" if self.point is None else self.point.label.text(self.language)
        label = plain_cell(label or self.name)
        unit, language = self.unit.unit, self.language
        return (
            f"{label} ({unit})" if unit else label,
            TERMS["quality"].text(language),
            TERMS["reason"].text(language),
        )

    def cells(self, cell: Cell | None) -> Sequence[object]:
        """The three cells of one time; empty ones where there is no sample."""
        if cell is None:
            return "", "", ""
        value, reason = cell
        quality = Quality.GOOD if reason is None else reason.quality
        why = "" if reason is None else REASONS[reason].text(self.language)
        return self._value(value), QUALITIES[quality].text(self.language), why

    def _value(self, value: Value) -> object:
        point = self.point
        if value is None:
            return ""
        if isinstance(value, str):
            return plain_cell(value)
        number = int(value) if value == int(value) else value
        if point is None:
            return number
        if isinstance(number, int) and number in point.enum:
            return plain_cell(point.enum[number].text(self.language) or str(number))
        if self.unit == DisplayUnit(point.unit) and isinstance(number, int):
            return number
        return round(self.unit.shown(value), decimals(point, self.unit))


def sheet(
    columns: Sequence[SheetColumn],
    times: Iterable[tuple[int, Mapping[str, Cell]]],
    time_text: Callable[[int], str],
    *,
    heading: bool = True,
) -> Iterator[str]:
    """The lines of the file, each with its end. `times`: time (ms, UTC) -> point -> cell, rising.

    `time_text` writes a time as the reader knows it.
    """
    if heading:
        language: Language = columns[0].language if columns else "en"
        titles = ["时间" if language == "zh" else "time"]
        yield _line([*titles, *(title for column in columns for title in column.headings)])
    for time_ms, cells in times:
        row: list[object] = [time_text(time_ms)]
        for column in columns:
            row += column.cells(cells.get(column.name))
        yield _line(row)


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
