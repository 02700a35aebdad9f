"""Descriptions of points as servers return them: labels or columns that become a `PointInfo` again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from qilu.contract.point_info import FIELDS, PointInfo
from qilu.contract.reading import DeviceKey
from qilu.stores.influx.line_protocol import POINT
from qilu.stores.interfaces import DescribedPoint


class RawPointInfo(NamedTuple):
    """One description of a point: the tags of its series, its time in ms, and the fields."""

    tags: Mapping[str, str]
    time_ms: int
    fields: Mapping[str, Any]


def newest_infos(descriptions: Iterable[RawPointInfo]) -> list[DescribedPoint]:
    """The newest description of each point, by edge, device and point; others than ours are left out."""
    newest: dict[tuple[str, str, str], DescribedPoint] = {}
    for tags, time_ms, fields in sorted(descriptions, key=lambda each: each.time_ms):
        key = DeviceKey(tags.get("edge", ""), tags.get("device", ""))
        known = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
        try:
            info = msgspec.convert({"profile": tags.get("profile"), **known}, PointInfo, strict=False)
        except msgspec.ValidationError:
            continue
        newest[(*key, tags.get(POINT, ""))] = DescribedPoint(key, tags.get(POINT, ""), time_ms, info)
    return [newest[key] for key in sorted(newest)]
