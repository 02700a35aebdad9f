"""What the panels about many edges ask a store: status and accounts that edges report of themselves.

A status is of now when it is of the last 150 s, as for the alert rules. Over time, every series is of one
edge, and there are at most ten. What is missing stays missing: a sum of nothing has no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud.grafana.queries import Json

NOW = "150s"
"""An edge without a status for so long is silent."""
MAX_SERIES = 10
MAX_EXPECTED = 100
"""Expected edges: their names stand in a query, and VictoriaMetrics takes one of 16 KB."""
OF_EDGES = ("enterprise", "site", "edge")
"""Of the variables those that a status has."""

NOT_REPORTING = -1
"""Instead of the code of a cause: an edge that reported in the time shown, and does not now."""
EDGE, CAUSE, URGENCY, LAST_REPORT, COMPLETENESS = "edge", "cause", "urgency", "last_report", "completeness"
STATUS_COLUMNS = ("causes", "offline_devices", "spool_bytes", "clock_known")
WAIT = "wait"
ROW_COLUMNS = (EDGE, CAUSE, "causes", LAST_REPORT, COMPLETENESS, "offline_devices", WAIT, "spool_bytes",
               "clock_known", URGENCY)  # fmt: skip
"""Columns of the table of edges. `urgency`: 3 never reported, 2 not reporting, else 1/code of the cause."""
NEVER, LOST_URGENCY = 3, 2


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of edges: what is asked, and the steps that make ROW_COLUMNS of the answers."""

    targets: Sequence[Json]
    steps: Sequence[Json]


class EdgeQueries(Protocol):
    """One target of a panel (without its refId) for each kind of question."""

    source: str
    """The type of the data source."""

    def reporting(self) -> Json:
        """How many edges report now."""

    def total(self, point: str) -> Json:
        """The sum of a point of the status over all edges that report now."""

    def answering(self) -> Json:
        """How many devices answer now."""

    def troubled(self) -> Json:
        """How many of the edges that report now have a cause."""

    def completeness(self) -> Json:
        """Good values / values due, in the time shown."""

    def values_per_s(self) -> Json:
        """Values per second of all edges, in the last 5 minutes."""

    def rows(self, expected: Sequence[str]) -> Rows:
        """One row for each edge that reported in the time shown or is expected.

        With expected edges InfluxQL asks for all edges, whatever is chosen: one that is not chosen is not
        missing.
        """

    def status(self, point: str, rank: str = "", *, lowest: bool = False) -> Json:
        """A point of the status over time, by edge: the last of each interval.

        Of more than ten edges PromQL takes those with the highest (or `lowest`) values of the point `rank` in
        the time shown, by default the same point; InfluxQL takes the first.
        """

    def rate(self, point: str, seconds: int) -> Json:
        """How much a counter of the status rises in so many seconds, over time, by edge."""

    def completeness_over_time(self) -> Json:
        """Good values / values due over time, by edge."""

    def choices(self, name: str) -> Json | str:
        """The query behind a variable, within the choice of those before it."""


def sorted_rows(names: dict[str, str]) -> list[Json]:
    """Steps: columns of these names (as they are -> as they are called), the worst edge first."""
    order = {name: ROW_COLUMNS.index(called) for name, called in names.items() if called in ROW_COLUMNS}
    return [
        {"id": "organize", "options": {"renameByName": names, "indexByName": order, "excludeByName": {}}},
        {"id": "sortBy", "options": {"sort": [{"field": URGENCY, "desc": True}]}},
    ]
