"""What a profile and a point are called in a store whose query language has rules for names.

    screw-air-compressor, discharge_pressure    screw_air_compressor_discharge_pressure

A measurement of InfluxDB and a metric of Prometheus begin with a letter or `_` and go on with letters, digits
and `_`. So `-` becomes `_`, and since `_` also joins profile and point, two profiles may meet in one metric:
each series carries `profile` (and in Prometheus' data model `point`) with the names of the file. Queries
select by these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from qilu.contract.accounting import FLEET, GATEWAY, PROFILES
from qilu.contract.profile.model import ProfileFile

OWN_PREFIX = "qilu_"
"""Before the names of what an edge reports of itself: qilu_gateway, qilu_collection."""

_BESIDE = {FLEET: GATEWAY}
"""Profile -> the one whose measurement it is in: InfluxQL compares values of one measurement only."""
_NOT_IN_A_NAME = re.compile("[^a-zA-Z0-9_]")


@lru_cache(maxsize=10_000)
def measurement_name(profile: str) -> str:
    """The measurement of a profile in InfluxDB; in Prometheus the first part of its metrics' names."""
    name = valid_name(_BESIDE.get(profile, profile))
    return f"{OWN_PREFIX}{name}" if profile in PROFILES else name


def metric_name(profile: str, point: str) -> str:
    """The metric of a point in a store of Prometheus' data model."""
    return f"{measurement_name(profile)}_{field_name(point)}"


def field_name(point: str) -> str:
    """The second part of a metric's name."""
    return _NOT_IN_A_NAME.sub("_", point)


def valid_name(text: str) -> str:
    """The text with `_` for each character that a name may not have, and before a digit that begins it."""
    name = _NOT_IN_A_NAME.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def shared_metrics(profiles: Iterable[ProfileFile]) -> Iterator[tuple[str, str, str]]:
    """Profile, other profile and metric, of each two profiles that meet in the name of a metric: the first
    metric of each pair. Built-in profiles count as well."""
    owners: dict[str, str] = {}
    reported: set[tuple[str, str]] = set()
    for profile in profiles:
        name = profile.profile
        if measurement_name(name).startswith(OWN_PREFIX) and name not in PROFILES:
            yield name, "gateway", f"{OWN_PREFIX}*"
        for point in profile.points:
            metric = metric_name(name, point.name)
            other = owners.setdefault(metric, name)
            if other != name and (name, other) not in reported:
                reported.add((name, other))
                yield name, other, metric
