"""Raw words of the last replies of a device, beside the points that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.console.catalogue import DeviceEntry
from gateway.interfaces import PlannedRequest, RawReply
from qilu.contract.profile import Point


def registers(entry: DeviceEntry, replies: Sequence[RawReply]) -> Mapping[str, Any]:
    """Every block that was read, with its words (of bits: 0 or 1), and how its points are laid out."""
    return {
        "device": entry.settings.device,
        "blocks": [
            {
                "group": raw.request.group,
                "table": raw.request.table,
                "address": raw.request.address,
                "time_ms": 0 if raw.reply is None else raw.reply[0],
                "words": _words(raw),
                "points": list(_points(entry, raw.request)),
            }
            for raw in replies
        ],
    }


def _words(raw: RawReply) -> list[int]:
    if raw.reply is None:
        return []
    request, (_, data) = raw.request, raw.reply
    if request.table in ("coil", "discrete"):
        bits = (data[place // 8] >> place % 8 & 1 for place in range(min(request.count, 8 * len(data))))
        return list(bits)
    return [int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data) - 1, 2)]


def _points(entry: DeviceEntry, request: PlannedRequest) -> Iterator[Mapping[str, Any]]:
    for name, address in zip(request.points, request.addresses, strict=False):
        point = entry.profile.points.get(name)
        if point is not None:
            yield _layout(point, address, entry)


def _layout(point: Point, address: int, entry: DeviceEntry) -> Mapping[str, Any]:
    parameters = {**entry.profile.profile.parameters, **entry.settings.parameters}
    return {
        "point": point.name,
        "address": address,
        "words": point.size,
        "type": point.type.value,
        "byte_order": point.byte_order,
        "word_order": point.word_order,
        "scale": _factor(point.scale, parameters),
        "offset": _factor(point.offset, parameters),
    }


def _factor(factor: object, parameters: Mapping[str, float]) -> float | str:
    """The number; the name of the point that has the exponent where the device says it itself."""
    if isinstance(factor, int | float):
        return float(factor)
    name = getattr(factor, "parameter", None)
    if name is not None:
        return float(parameters.get(name, 1.0))
    return str(getattr(factor, "point", ""))
