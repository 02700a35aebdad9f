"""What a panel asks, in the two query languages that reach our stores: InfluxQL and PromQL.

The stores' schema: measurement = profile as a name, tags edge, device, profile, line, ...; fields = points,
`<point>__q` = why a value is bad. VictoriaMetrics joins them: metric = profile_point, with the tag `point`. A
machine is an edge and a device: every series is of both, and its legend says so.
"""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]

CHOSEN = "chosen devices"
EDGES = "edges"
"""Whose series: those of the variables edge, line and device, or the own ones of each chosen gateway."""


class Language(Protocol):
    """One target (without its refId) per kind of question; `label` tells points of one panel apart."""

    name: str
    title: str
    source: str
    """The type of the data source."""

    def values(self, profile: str, point: str, label: str = "", whose: str = CHOSEN) -> Json:
        """A measured value over time, the mean of each interval where the language makes it easy."""

    def states(self, profile: str | None, point: str, whose: str = CHOSEN) -> Json:
        """A code over time, the last of each interval; of all profiles that have the point with None."""

    def rate(self, profile: str, point: str, per: str, label: str = "", whose: str = CHOSEN) -> Json:
        """How fast a counter rises, per "s" or "min"."""

    def growth(self, profile: str, point: str) -> Json:
        """By how much a counter rose in the time that is shown, also over a reset: one number per machine."""

    def reasons(self) -> Json:
        """Why values were bad: the code of each device and point, where there is one."""

    def reasons_over_time(self) -> list[Json]:
        """Targets: the same, and the times of good values where a server would leave them out."""

    def reason_series(self) -> list[Json]:
        """Transformations that make a series `edge/device point` of each, with a gap where it was good."""

    def heard(self) -> Json:
        """When the last value of each device was measured; what its edge says of it is none."""

    def device_count(self) -> Json:
        """What the number of devices heard can be made from, together with COUNT of the panel."""

    def heard_rows(self) -> list[Json]:
        """Transformations that make rows (EDGE, DEVICE, LAST_HEARD) of `heard`."""

    def count_rows(self) -> list[Json]:
        """Transformations that make the number of devices of `device_count`."""

    def edge_variable(self) -> Json | str:
        """The query behind the variable `edge`."""

    def line_variable(self) -> Json | str:
        """The query behind the variable `line`."""

    def device_variable(self) -> Json | str:
        """The query behind the variable `device`."""


# Column headings.
EDGE, DEVICE, LAST_HEARD = "网关 / Edge", "设备 / Device", "最近数据 / Last heard"


def value_rows() -> list[Json]:
    """Transformations that make rows (Time, Metric, Value) of series, without those that have no value."""
    there = {"fieldName": "Value", "config": {"id": "isNotNull", "options": {}}}
    return [
        {"id": "seriesToRows", "options": {}},
        {"id": "filterByValue", "options": {"filters": [there], "type": "include", "match": "any"}},
    ]


def renamed(pattern: str) -> Json:
    """A transformation that names series `edge/device point`, the two groups of the pattern."""
    return {"id": "renameByRegex", "options": {"regex": pattern, "renamePattern": "$1 $2"}}
