"""The shapes of answers to questions: what has another one was not answered by the store."""

from __future__ import annotations

from typing import Annotated

import msgspec

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import Value


class Series(msgspec.Struct):
    """One table of an InfluxQL result, with at least one row; the first column of most is the time (ms)."""

    columns: list[str]
    values: Annotated[list[list[Value]], msgspec.Meta(min_length=1)]
    name: str = ""
    tags: dict[str, str] = {}


class _Result(msgspec.Struct):
    series: list[Series] = []
    error: str = ""


class InfluxqlResults(msgspec.Struct):
    """The answer of /query to one statement."""

    results: Annotated[list[_Result], msgspec.Meta(min_length=1)]

    def series(self) -> list[Series]:
        """Its tables; UnreachableError with the error that the server named, or when rows do not fit."""
        first = self.results[0]
        if first.error:
            raise UnreachableError(f"the store answered: {first.error[:300]}")
        for one in first.series:
            if any(len(row) != len(one.columns) for row in one.values):
                raise UnreachableError(f"the store answered with rows of another width than {one.columns[:9]}")
        return first.series


class Buckets(msgspec.Struct):
    """The answer of InfluxDB 2's /api/v2/buckets."""

    buckets: list[msgspec.Raw] | None = None


class _Instant(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]

    @property
    def number(self) -> float:
        """Its value; UnreachableError when it is none."""
        try:
            return float(self.value[1])
        except ValueError as error:
            raise UnreachableError(f"the store answered with {self.value[1][:40]!r} as a number") from error


class _Vector(msgspec.Struct):
    result: list[_Instant]


class MetricsVector(msgspec.Struct):
    """The answer of VictoriaMetrics' /api/v1/query."""

    data: _Vector


class MetricsSeries(msgspec.Struct):
    """The answer of VictoriaMetrics' /api/v1/series."""

    data: list[dict[str, str]]


class Exported(msgspec.Struct):
    """One line of VictoriaMetrics' /api/v1/export."""

    metric: dict[str, str]
    timestamps: list[int]
    values: list[float | None]
