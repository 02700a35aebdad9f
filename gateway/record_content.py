"""What was in records that the spool gives up: whose values, and which accounts. Pure.

An account that is given up with the values that it counts would leave a gap of which nobody knows anything.
So what it counted is reported again, joined with those before and behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from qilu.contract.accounting import (
    COLLECTION,
    COUNTS,
    COUNTS_POINTS,
    EVENTS,
    OF_AN_EDGE,
    POINT_INFO,
    RECOUNT,
    RECOUNT_POINTS,
    EventKind,
)

MAX_ACCOUNTS = 100
"""Accounts of one device that do not follow each other; more are not kept."""
_LARGEST = COUNTS_POINTS.index("largest_record_values")
_KNOWN = COUNTS_POINTS.index("known_s")


class _Reading(msgspec.Struct):
    t: int
    v: dict[str, msgspec.Raw]


class _Record(msgspec.Struct):
    device: str
    profile: str
    group: str
    readings: list[_Reading]


_decode = msgspec.json.Decoder(_Record).decode
_number = msgspec.json.Decoder(float).decode


class DeviceLosses(msgspec.Struct):
    """What was given up of one device: values of the equipment, and what the edge reported of it.

    `accounts`: begin (ms) -> COUNTS_POINTS; `starts`: time of a start (ms) -> since when none collected.
    """

    from_ms: int = 0
    to_ms: int = 0
    records: int = 0
    values: int = 0
    accounts: dict[int, list[float]] = {}
    starts: dict[int, int] = {}

    def add(self, other: DeviceLosses) -> None:
        if other.records:
            self.from_ms = min(self.from_ms, other.from_ms) if self.records else other.from_ms
            self.to_ms = max(self.to_ms, other.to_ms)
            self.records += other.records
            self.values += other.values
        self.accounts = _joined([*self.accounts.items(), *other.accounts.items()])
        self.starts = dict(sorted((self.starts | other.starts).items())[-MAX_ACCOUNTS:])


class Content(msgspec.Struct):
    """What was given up, by device; `known`: records that could be read, of any kind."""

    devices: dict[str, DeviceLosses] = {}
    known: int = 0

    def add(self, other: Content) -> None:
        self.known += other.known
        for device, lost in other.devices.items():
            self.devices.setdefault(device, DeviceLosses()).add(lost)


_DESCRIPTIVE = frozenset((*OF_AN_EDGE, POINT_INFO))
"""Profiles whose values no account counts."""
NOTHING = Content()
"""Of records that could not be read; do not add to it."""


def content_of(bodies: Iterable[bytes]) -> Content:
    """What these records hold; one that cannot be read is not among the known ones."""
    content = Content()
    for body in bodies:
        try:
            record = _decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        content.known += 1
        if record.profile in _DESCRIPTIVE or not record.readings:
            continue
        lost = content.devices.setdefault(record.device, DeviceLosses())
        if record.profile == COLLECTION:
            lost.add(DeviceLosses(accounts=_accounts(record), starts=_starts(record)))
        else:
            times = [reading.t for reading in record.readings]
            lost.add(
                DeviceLosses(min(times), max(times), 1, sum(len(reading.v) for reading in record.readings))
            )
    return content


def _accounts(record: _Record) -> dict[int, list[float]]:
    accounts = {}
    points = {COUNTS: COUNTS_POINTS, RECOUNT: RECOUNT_POINTS}.get(record.group, ())
    for reading in record.readings:
        if points and reading.v.keys() >= set(points):
            try:
                numbers = [_number(reading.v[point]) for point in points]
            except msgspec.MsgspecError:
                continue
            ago_ms = round(1000 * numbers.pop(0)) if record.group == RECOUNT else 0
            accounts[reading.t - ago_ms] = numbers
    return accounts


def _starts(record: _Record) -> dict[int, int]:
    starts = {}
    for reading in record.readings:
        if record.group == EVENTS:
            try:
                kind, start_ago_s, duration_s = (
                    _number(reading.v[point]) for point in ("event", "start_ago_s", "duration_s")
                )
            except (KeyError, msgspec.MsgspecError):
                continue
            start_ms = reading.t - round(1000 * start_ago_s)
            if kind == EventKind.STARTED and duration_s:
                starts[start_ms + round(1000 * duration_s)] = start_ms
    return starts


def _joined(accounts: Iterable[tuple[int, list[float]]]) -> dict[int, list[float]]:
    """Accounts that follow each other as one, the newest MAX_ACCOUNTS; one within another is part of it."""
    joined: list[tuple[int, list[float]]] = []
    for start_ms, numbers in sorted(accounts, key=lambda account: (account[0], -account[1][0])):
        reached_ms = joined[-1][0] + int(joined[-1][1][0]) if joined else None
        if reached_ms is None or start_ms > reached_ms:
            joined.append((start_ms, numbers))
        elif start_ms == reached_ms:
            joined[-1] = joined[-1][0], _sum(joined[-1][1], numbers)
    return dict(joined[-MAX_ACCOUNTS:])


def _sum(earlier: list[float], later: list[float]) -> list[float]:
    both = [first + second for first, second in zip(earlier, later, strict=True)]
    both[_LARGEST] = max(earlier[_LARGEST], later[_LARGEST])
    both[_KNOWN] = earlier[_KNOWN]
    return both


def to_plain(content: Content) -> Any:
    return msgspec.to_builtins(content, str_keys=True)


def from_plain(plain: Any) -> Content:
    """The content that stands in a line of the journal; nothing where there is none."""
    try:
        return msgspec.convert(plain, Content, strict=False, str_keys=True)
    except (msgspec.ValidationError, TypeError):
        return Content()
