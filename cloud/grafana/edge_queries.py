"""What the panels about many edges ask a store: status and accounts that edges report of themselves.

A status is of now when it is of the last 150 s, as for the alert rules. Over time, every series is of one
edge, and there are at most ten. What is missing stays missing: a sum of nothing has no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud.grafana.accounts import OF_EDGES
from cloud.grafana.queries import Json
from qilu.contract.edge_info import SENTENCE_EN, SENTENCE_ZH, SETTINGS, VERSION

NOW = "150s"
"""An edge without a status for so long is silent."""
MAX_SERIES = 10
TEXTS_AGE = "26h"
"""Texts of an edge and schedules are reported once a day."""
SHOWN_TIME = "$__range"
EXPECTED_AGE = "1h"

NOT_REPORTING = -1
"""Instead of the code of a cause: an edge that reported in the time shown, and does not now."""
SENTENCES = (SENTENCE_ZH, SENTENCE_EN)
EDGE, CAUSE, URGENCY, LAST_REPORT, COMPLETENESS = "edge", "cause", "urgency", "last_report", "completeness"
STATUS_COLUMNS = ("causes", "offline_devices", "spool_hours_left", "disk_free_bytes", "clock_known",
                  "clock_offset_s")  # fmt: skip
WAIT = "wait"
SITE, VERSION_DIFFERS, SETTINGS_DIFFER = "site", "version_differs", "settings_differ"
ROW_COLUMNS = (EDGE, SITE, CAUSE, *SENTENCES, "causes", LAST_REPORT, COMPLETENESS, "offline_devices", WAIT,
               "spool_hours_left", "disk_free_bytes", "clock_known", "clock_offset_s", VERSION,
               VERSION_DIFFERS, SETTINGS, SETTINGS_DIFFER, URGENCY)  # fmt: skip
"""Columns of the table of edges. `urgency`: 3 never reported, 2 not reporting, else 1/code of the cause."""
NEVER, LOST_URGENCY = 3, 2


@dataclass(frozen=True, slots=True)
class Source:
    """A point of a built-in profile, and the variables that its series have tags for."""

    profile: str
    point: str
    variables: Sequence[str] = OF_EDGES


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of edges: what is asked, and the steps that make ROW_COLUMNS of the answers."""

    targets: Sequence[Json]
    steps: Sequence[Json]


class EdgeQueries(Protocol):
    """One target of a panel (without its refId) for each kind of question."""

    source: str
    """The type of the data source."""

    def reporting(self, name: str = "") -> Json:
        """How many edges report now; `name`: how the number is called where there are two."""

    def expected(self, name: str = "") -> Json:
        """How many edges should report, by the settings of ingesters."""

    def total(self, point: str, name: str = "", window: str = NOW) -> Json:
        """The sum of a point of the status over all edges that reported in so long, which is now."""

    def answering(self, name: str = "") -> Json:
        """How many devices answer now."""

    def short_of_room(self, hours: float) -> Json:
        """How many of the edges that report now have room in their spool for fewer hours."""

    def completeness(self) -> Json:
        """Good values / values due, in the time shown."""

    def values_per_s(self) -> Json:
        """Values per second of all edges, in the last 5 minutes."""

    def rows(self, sentence: str) -> Rows:
        """One row for each edge that reported in the time shown or is expected.

        `sentence`: the point of `edge-info` in the language of the file.
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

    def distinct(self, of: Source, tag: str, window: str = SHOWN_TIME) -> Json:
        """How many values (none is the empty one) a tag has among the series of a point that have a value in
        so long before now, or in the time shown."""

    def total_rate(self, of: Source) -> Json:
        """How much the counter of all edges or ingesters together rises in a second, over time."""

    def choices(self, name: str) -> Json | str:
        """The query behind a variable, within the choice of those before it."""


def organized(names: dict[str, str], excluded: Sequence[str]) -> Json:
    """A step: columns of these names (as they are -> as they are called), without some."""
    options = {"renameByName": names, "indexByName": {}, "excludeByName": dict.fromkeys(excluded, True)}
    return {"id": "organize", "options": options}


def sorted_rows(names: dict[str, str]) -> list[Json]:
    """Steps: columns of these names (as they are -> as they are called), the worst edge first."""
    order = {name: ROW_COLUMNS.index(called) for name, called in names.items() if called in ROW_COLUMNS}
    return [
        {"id": "organize", "options": {"renameByName": names, "indexByName": order, "excludeByName": {}}},
        {"id": "sortBy", "options": {"sort": [{"field": URGENCY, "desc": True}]}},
    ]
