"""What an alert rule asks of a store, independent of the query language. Data only.

Each condition is about the series of `by`: one for each edge, or for each device. A condition is met by its
value; what a store has not heard of late is no value, and so meets none but `NoReport`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qilu.contract.accounting import COLLECTION, GATEWAY, INGESTER

DAY_S = 86_400.0
EDGE, DEVICE = ("edge",), ("edge", "device")
Comparison = Literal[">", "<", "=="]


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a built-in profile."""

    profile: str
    point: str


ALIVE = Point(GATEWAY, "uptime_s")
KNOWN = Point(COLLECTION, "values_per_s")
"""Sent at each start and once a day only: cheap to look back for weeks."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How far back the conditions look, in seconds. `hold` scales the time for which a rule has to hold."""

    recent: float = 150.0
    """A report is of now; edges and ingesters send one each 10 s by default, accounts each 60 s."""
    rise: float = 600.0
    share: float = 3600.0
    audit: float = 26 * 3600.0
    known: float = 30 * DAY_S
    """An edge that reported in this time is a known one."""
    kept: float = 26 * 3600.0
    """For so long an alert of an edge that fell silent keeps its last value."""
    hold: float = 1.0
    interval: float = 30.0
    """Seconds between two evaluations."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last value of a point; of the time `recent`, unless another window is named."""

    of: Point
    comparison: Comparison
    limit: float
    by: Sequence[str] = EDGE
    window: Literal["recent", "audit"] = "recent"

    @property
    def is_kept(self) -> bool:
        """Whether an alert stays where values stop: an edge comes back under its name, another ingester
        does not."""
        return self.window == "recent" and self.of.profile != INGESTER


@dataclass(frozen=True, slots=True)
class Rise:
    """How much a counter rose in the time `rise`: more than 0."""

    of: Point
    by: Sequence[str] = EDGE


@dataclass(frozen=True, slots=True)
class Share:
    """The sum of a point / the sum of another one, in the time `share`: below the limit."""

    part: Point
    whole: Point
    limit: float
    by: Sequence[str] = EDGE


@dataclass(frozen=True, slots=True)
class NoReport:
    """A series that has a value of `known` in the time `known`, and none of `alive` of late.

    While all of `listener` are silent, nothing could be heard, and no other series is called silent.
    """

    known: Point
    alive: Point
    listener: Point | None = None
    by: Sequence[str] = EDGE
    """Nothing: all together are one series."""


@dataclass(frozen=True, slots=True)
class NeverReported:
    """An edge that is expected and did not report in the time `known`."""

    expected: Point

    @property
    def by(self) -> Sequence[str]:
        return EDGE


Condition = Last | Rise | Share | NoReport | NeverReported
