"""Conditions as InfluxQL queries with one value for each series, and what Grafana compares them with.

InfluxQL cannot join, but sums over two queries of one measurement: a series that only the query of weeks has
gets 0, one that the query of now has as well gets more. The last value is cheap to find, however far back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.alerting.conditions import (
    ALIVE,
    Comparison,
    Condition,
    Last,
    NeverReported,
    NoReport,
    Point,
    Rise,
    Share,
    Windows,
)
from qilu.contract.store_names import measurement_name

VALUE = "value"


@dataclass(frozen=True, slots=True)
class Query:
    """An InfluxQL query, and when its value meets the condition."""

    text: str
    comparison: Comparison
    limit: float


def listening(listener: Point, windows: Windows) -> Query:
    """Whether any of the listeners was heard of late."""
    sources = _mark(0, listener, windows.known, ()), _mark(1, listener, windows.recent, ())
    return Query(_summed(sources, ()), ">", 0)


def query(condition: Condition, windows: Windows) -> Query:
    match condition:
        case Last():
            span = windows.recent if condition.window == "recent" else windows.audit
            text = _select(f'last("{condition.of.point}")', condition.of, span, condition.by)
            return Query(text, condition.comparison, condition.limit)
        case Rise():
            inner = _select(
                f'non_negative_difference("{condition.of.point}")', condition.of, windows.rise, condition.by
            )
            return Query(f'SELECT sum("{VALUE}") AS "{VALUE}" FROM ({inner}){_by(condition.by)}', ">", 0)
        case Share():
            share = f'sum("{condition.part.point}") / sum("{condition.whole.point}")'
            due = f' AND "{condition.whole.point}" > 0'
            text = _select(share, condition.part, windows.share, condition.by, due)
            return Query(text, "<", condition.limit)
        case NoReport():
            sources = (
                _mark(0, condition.alive, windows.known, condition.by),
                _mark(1, condition.alive, windows.recent, condition.by),
            )
            return Query(_summed(sources, condition.by), "<", 1)
        case NeverReported():
            reporting = (
                _mark(0, condition.expected, windows.share, condition.by),
                _mark(1, ALIVE, windows.known, condition.by),
            )
            return Query(_summed(reporting, condition.by), "<", 1)


def _summed(sources: Sequence[str], by: Sequence[str]) -> str:
    inner = ", ".join(f"({source})" for source in sources)
    return f'SELECT sum("{VALUE}") AS "{VALUE}" FROM {inner}{_by(by)}'


def _mark(number: int, of: Point, seconds: float, by: Sequence[str]) -> str:
    """The number, for each series that has a value."""
    return _select(f'last("{of.point}") * 0 + {number}', of, seconds, by)


def _select(what: str, of: Point, seconds: float, by: Sequence[str], more: str = "") -> str:
    return (
        f'SELECT {what} AS "{VALUE}" FROM "{measurement_name(of.profile)}"'
        f" WHERE \"profile\" = '{of.profile}' AND time > now() - {round(seconds * 1000)}ms{more}{_by(by)}"
    )


def _by(by: Sequence[str]) -> str:
    tags = ", ".join(f'"{tag}"' for tag in by)
    return f" GROUP BY {tags}" if by else ""
