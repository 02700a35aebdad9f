"""Reads out of a store what edges wrote about their collecting."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.audit.books import USUAL_ACCOUNT_S, Account, Books, Edge, Happening, Schedule
from qilu.contract.completeness import COLLECTION, GATEWAY, EventKind
from qilu.contract.reading import DeviceKey, Value
from qilu.stores.components import Device, Reader

LOOK_BACK_MS = 35 * 86_400_000
"""How long before the audit a schedule may have been told, in which it is repeated every day."""
_BEFORE_MS = 7_200_000
"""How long before the audit, and the length of an account, one may begin that reaches into it (a poll may
take long); events are told later than that."""
_LATER_MS = 7 * 86_400_000
"""How long after the audit something may be told that took place in it."""

_KNOWN = {kind.value for kind in EventKind}


async def read_edge(reader: Reader, edge: str, start_ms: int, end_ms: int) -> Edge:
    """What an edge said of itself."""
    events = await _happenings(
        reader, DeviceKey(edge, edge), GATEWAY, start_ms - _BEFORE_MS, end_ms + _LATER_MS
    )
    waiting = await reader.samples(
        DeviceKey(edge, edge),
        "backlog_records",
        max(start_ms, end_ms - _BEFORE_MS),
        end_ms + 1,
        profile=GATEWAY,
    )
    backlog = waiting[-1].value if waiting else 0
    heard = [one.time_ms for one in waiting[-1:]] + [one.time_ms for one in events if one.time_ms <= end_ms]
    return Edge(
        edge, events, max(heard, default=None), int(backlog) if isinstance(backlog, int | float) else 0
    )


async def read_books(reader: Reader, device: str, edge: Edge, start_ms: int, end_ms: int) -> Books:
    """What an edge said of its collecting from one device."""
    key = DeviceKey(edge.name, device)
    told: Sequence[str] = ("rate", "points", "shortest_s", "account_s")
    rows = await _rows(reader, key, COLLECTION, told, start_ms - LOOK_BACK_MS, end_ms)
    schedules = [
        Schedule(time_ms, rate, int(points), shortest, account_s or USUAL_ACCOUNT_S)
        for time_ms, (rate, points, shortest, account_s) in rows
    ]
    longest = max((one.account_s for one in schedules), default=USUAL_ACCOUNT_S)
    told = ("span_ms", "expected", "missed", "suppressed", "offline_s")
    before_ms = _BEFORE_MS + round(1000 * longest)
    rows = await _rows(reader, key, COLLECTION, told, start_ms - before_ms, end_ms)
    accounts = [
        Account(time_ms, time_ms + int(span), int(expected), int(missed), int(suppressed), offline_s)
        for time_ms, (span, expected, missed, suppressed, offline_s) in rows
    ]
    events = await _happenings(reader, key, COLLECTION, start_ms - _BEFORE_MS, end_ms + _LATER_MS)
    return Books(device, edge, accounts, schedules, events)


def by_edge(devices: Sequence[Device]) -> dict[str, dict[str, list[str]]]:
    """Edge -> device -> its profiles but for the built-in ones, all by name."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in devices:
        if one.profile == GATEWAY:
            continue
        profiles = found.setdefault(one.edge, {}).setdefault(one.device, [])
        if one.profile != COLLECTION:
            profiles.append(one.profile)
    return found


async def _happenings(
    reader: Reader, device: DeviceKey, profile: str, start_ms: int, end_ms: int
) -> list[Happening]:
    points = ("event", "ago_s", "length_s", "records", "detail")
    rows = await _rows(reader, device, profile, points, start_ms, end_ms)
    texts: dict[int, Value] = {}
    if rows:
        told = await reader.samples(device, "text", start_ms, end_ms, profile=profile)
        texts = {one.time_ms: one.value for one in told}
    found = []
    for time_ms, (event, ago, length, records, detail) in rows:
        if int(event) in _KNOWN:  # a newer edge may tell of more
            begin = time_ms - round(ago * 1000)
            end, text = begin + round(length * 1000), texts.get(time_ms)
            text = text if isinstance(text, str) else ""
            kind = EventKind(int(event))
            found.append(Happening(kind, time_ms, begin, end, int(records), int(detail), text))
    return found


async def _rows(
    reader: Reader, device: DeviceKey, profile: str, points: Sequence[str], start_ms: int, end_ms: int
) -> list[tuple[int, list[float]]]:
    """The values of all `points` at each time at which there is the first of them."""
    columns: list[dict[int, float]] = []
    for point in points:
        samples = await reader.samples(device, point, start_ms, end_ms, profile=profile)
        columns.append(
            {one.time_ms: float(one.value) for one in samples if isinstance(one.value, int | float)}
        )
        if not columns[0]:
            return []
    return [(time_ms, [column.get(time_ms, 0.0) for column in columns]) for time_ms in sorted(columns[0])]
