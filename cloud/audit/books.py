"""What edges wrote about their own collecting, as the audit reads it. Times are UTC in ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qilu.contract.completeness import EventKind

USUAL_ACCOUNT_S = 60.0
"""Seconds for which an account runs where its edge does not say it."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the values of one device that were due in this time: `qilu.contract.completeness`."""

    begin_ms: int
    end_ms: int
    expected: int
    missed: int = 0
    suppressed: int = 0
    offline_s: float = 0.0

    @property
    def sent(self) -> int:
        """Values that the store should have with a time in it, good or not."""
        return self.expected - self.missed - self.suppressed


@dataclass(frozen=True, slots=True)
class Schedule:
    """From this time on `rate` values are due per second, `points` in one turn of all poll groups.

    `account_s`: for how long one account runs.
    """

    time_ms: int
    rate: float
    points: int
    shortest_s: float = 1.0
    account_s: float = USUAL_ACCOUNT_S


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that was told at `time_ms` and took place from `begin_ms` to `end_ms`."""

    kind: EventKind
    time_ms: int
    begin_ms: int
    end_ms: int
    records: int = 0
    detail: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: its events, when it was last heard, and how many records waited there then."""

    name: str
    events: Sequence[Happening] = ()
    heard_ms: int | None = None
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """All about one device: everything is rising in time."""

    device: str
    edge: Edge
    accounts: Sequence[Account] = ()
    schedules: Sequence[Schedule] = ()
    events: Sequence[Happening] = ()
