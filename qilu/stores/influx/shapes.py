"""The shapes of answers to questions: an answer of another shape is not one of the store."""

from __future__ import annotations

from math import isfinite, nan
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from qilu.contract.errors import UnreachableError


class Series(TypedDict):
    """One table of an InfluxQL result, with at least one row."""

    name: str
    tags: NotRequired[dict[str, str]]
    columns: list[str]
    values: Annotated[list[list[Any]], msgspec.Meta(min_length=1)]


class _Result(TypedDict):
    series: NotRequired[list[Series]]
    error: NotRequired[str]


class InfluxqlResults(msgspec.Struct):
    """The answer of /query: one result for each statement."""

    results: Annotated[list[_Result], msgspec.Meta(min_length=1)]

    def series(self) -> list[list[Series]]:
        """The tables of each result; UnreachableError when the server named an error, or rows do not fit."""
        for result in self.results:
            if "error" in result:
                raise UnreachableError(f"the store responded: {result['error'][:300]}")
            for table in result.get("series", []):
                width, timed = len(table["columns"]), table["columns"][:1] == ["time"]
                if any(len(row) != width or (timed and type(row[0]) is not int) for row in table["values"]):
                    raise UnreachableError(f"the store sent rows that are not {table['columns'][:5]}")
        return [result.get("series", []) for result in self.results]


class Buckets(msgspec.Struct):
    """The answer of InfluxDB 2's /api/v2/buckets."""

    buckets: list[msgspec.Raw] | None = None


class Instant(msgspec.Struct):
    """The value of one series at one time."""

    metric: dict[str, str]
    value: tuple[float, str]

    @property
    def number(self) -> float:
        """Its value; UnreachableError when it is no finite number."""
        try:
            parsed = float(self.value[1])
        except ValueError:
            parsed = nan
        if not isfinite(parsed):
            raise UnreachableError(f"the store sent {self.value[1][:40]!r} for a number")
        return parsed


class _Vector(msgspec.Struct):
    result: list[Instant]


class MetricsVector(msgspec.Struct):
    """The answer of VictoriaMetrics' /api/v1/query."""

    data: _Vector


class MetricsSeries(msgspec.Struct):
    """The answer of VictoriaMetrics' /api/v1/series."""

    data: list[dict[str, str]]


class ExportedSeries(TypedDict):
    """One line of VictoriaMetrics' /api/v1/export."""

    metric: dict[str, str]
    timestamps: list[int]
    values: list[float]
