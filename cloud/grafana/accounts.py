"""Which accounts a query sums: those of the edges, unless a line or a device is chosen.

An edge sends the sums of its devices, which are one series where its devices are many. They have no tag for a
line or a device, so that the accounts of the devices are asked where one of the two is chosen. The choice is
made in the query: the tag `UNSET` is on no series, and matches the two variables only where both are `.*`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud.grafana.queries import VARIABLES
from qilu.contract.accounting import COLLECTION, EDGE_COLLECTION
from qilu.contract.store_names import measurement_name, metric_name

OF_EDGES = ("enterprise", "site", "edge")
"""Of the variables those that are tags of what an edge reports of itself."""
UNSET = "unset"
_ALL = "($line)($device)"


_SUMMED = ((EDGE_COLLECTION, OF_EDGES, "=~"), (COLLECTION, VARIABLES, "!~"))
"""Profile, the variables that its series have tags for, and how UNSET is matched."""


def promql_sum(points: Sequence[str], window: str, by: Sequence[str] = ()) -> str:
    """The sums of points over `[$__range]` or the like; `window` may go on with a modifier."""
    edges, devices = (
        f"sum_over_time({{{_matchers(profile, points, variables, matched)}}}{window})"
        for profile, variables, matched in _SUMMED
    )
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} ({edges} or {devices})"


def promql_share(window: str, by: Sequence[str] = ()) -> str:
    """Good values / values due."""
    good, due = (promql_sum([point], window, by) for point in ("good", "expected"))
    return f"{good} / ({due} > 0)"


def _matchers(profile: str, points: Sequence[str], variables: Sequence[str], matched: str) -> str:
    names = "|".join(metric_name(profile, point) for point in points)
    chosen = "".join(f', {label}=~"${label}"' for label in variables)
    return f'__name__=~"{names}", profile="{profile}"{chosen}, {UNSET}{matched}"{_ALL}"'


def influxql_from() -> str:
    """FROM and WHERE; a query has rows of one of the two measurements."""
    measurements, conditions = [], []
    for profile, variables, matched in _SUMMED:
        measurements.append(f'"{measurement_name(profile)}"')
        chosen = "".join(f' AND "{tag}" =~ /^${tag}$/' for tag in variables)
        conditions.append(f'("profile" = \'{profile}\'{chosen} AND "{UNSET}" {matched} /^{_ALL}$/)')
    return (
        f'FROM {", ".join(measurements)} WHERE ({" OR ".join(conditions)}) AND "expected" > 0 AND $timeFilter'
    )
