"""The queries of docs/querying.md, and what real stores answer, all in one form.

An answer is a mapping: (edge, device) -> value, with the begin of the interval (UTC, ms) as a third part of
the key where there are intervals.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from qilu.contract.units import parse_duration
from tests.querying.two_edges import BEGIN_MS, END_MS
from tests.servers import Influxdb1, VictoriaMetrics
from tests.servers.http import ask

PAGE = Path(__file__).parents[2] / "docs" / "querying.md"
_QUESTION = re.compile(r"^### (\d+)\. .+?(?=^### |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(promql|influxql|sql|python)\n(.+?)^```$", re.MULTILINE | re.DOTALL)

Answer = Mapping[tuple[Any, ...], Any]


def queries() -> dict[int, dict[str, str]]:
    """Number of a question -> language -> the query on the page."""
    text = PAGE.read_text(encoding="utf-8").partition("## Ten questions")[2]
    return {int(each[1]): dict(_BLOCK.findall(each[0])) for each in _QUESTION.finditer(text)}


def preparation() -> str:
    """What the page runs before all questions in pandas."""
    text = PAGE.read_text(encoding="utf-8").partition("## Ten questions")[2].partition("### 1.")[0]
    return str(dict(_BLOCK.findall(text))["python"])


def milliseconds(text: str) -> int:
    """UTC of a time without a zone."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Stores:
    """Three stores with the same readings."""

    victoria_metrics: VictoriaMetrics
    influxdb1: Influxdb1
    file: Path

    def promql(self, query: str) -> list[dict[str, Any]]:
        """The series of the answer, at the time that its first line names."""
        when, end = query.partition("\n")[0].removeprefix("# "), f"{END_MS / 1000:.3f}"
        if when == "at the end":
            return self.victoria_metrics.query(query, "/api/v1/query", time=end)
        step = when.removeprefix("step ")
        begin = f"{BEGIN_MS / 1000 + parse_duration(step):.3f}"
        return self.victoria_metrics.query(query, start=begin, end=end, step=step)

    def promql_answer(self, query: str) -> Answer:
        step = re.match(r"# step (\w+)", query)
        span = round(parse_duration(step[1]) * 1000) if step else 0
        found: dict[tuple[Any, ...], float] = {}
        for series in self.promql(query):
            key = series["metric"]["edge"], series["metric"]["device"]
            for seconds, value in series.get("values", ()):
                found[(*key, round(seconds * 1000) - span)] = float(value)
            if "value" in series:
                assert key not in found, f"{key} twice"
                found[key] = float(series["value"][1])
        return found

    def influxql(self, query: str) -> list[list[dict[str, Any]]]:
        """The series of each statement."""
        form = {"db": self.influxdb1.database, "q": query, "epoch": "ms"}
        results = json.loads(ask(self.influxdb1.port, "GET", "/query", form).body)["results"]
        assert not any("error" in result for result in results), results
        return [result.get("series", []) for result in results]

    def influxql_answer(self, query: str) -> Answer:
        found: dict[tuple[Any, ...], Any] = {}
        for series in self.influxql(query)[0]:
            tags = series.get("tags", {})
            for time_ms, value, *more in series["values"]:
                key = (tags["edge"], tags["device"]) if tags else tuple(more)
                found[(*key, time_ms) if "time(" in query.partition("FROM")[2] else key] = value
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def sql_answer(self, query: str) -> Answer:
        found: dict[tuple[Any, ...], Any] = {}
        for edge, device, *more in self.rows(query):
            if isinstance(more[0], str) and len(more) > 1:
                found[edge, device, milliseconds(more[0])] = more[1]
            else:
                found[edge, device] = more[0]
        return found

    def frames(self) -> dict[str, Any]:
        """What the page prepares for pandas, of this store."""
        names: dict[str, Any] = {}
        exec(preparation().replace("var/demo/store.db", str(self.file)), names)  # noqa: S102
        return names


def pandas_answer(names: dict[str, Any], query: str) -> Any:
    """What the lines of the page leave in `answer`."""
    exec(query, names)  # noqa: S102
    return names["answer"]


def of_series(answer: pd.Series[Any]) -> Answer:
    return dict(_keys(answer))


def _keys(answer: pd.Series[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for key, value in answer.items():
        assert isinstance(key, Sequence)
        yield (
            tuple(round(part.timestamp() * 1000) if isinstance(part, pd.Timestamp) else part for part in key),
            value,
        )
