"""What edges wrote about their own collecting, as the audit reads it. Times are UTC in ms. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qilu.contract.edge_events import EdgeEvent

DEFAULT_INTERVAL_S = 60.0
"""Seconds for which an account runs where no schedule is known."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the values of one device that were due in this time: `qilu.contract.accounting`.

    `known_ms`: for how long the edge had collected from the device before. `again`: a spool gave the account
    up and it was reported again, perhaps joined with those before and behind it.
    """

    start_ms: int
    end_ms: int
    expected: int
    missed: int = 0
    blocked: int = 0
    suppressed: int = 0
    texts: int = 0
    records: int = 0
    largest: int = 0
    known_ms: int = 0
    offline_s: float = 0.0
    again: bool = False
    overlaps: bool = False
    """Two accounts of this time were joined."""

    @property
    def sent(self) -> int:
        """Values that a store should have with a time in it, good or not."""
        return self.expected - self.missed - self.blocked - self.suppressed

    def joined(self, other: Account, *, overlaps: bool = False) -> Account:
        return replace(
            self,
            end_ms=max(self.end_ms, other.end_ms),
            expected=self.expected + other.expected,
            missed=self.missed + other.missed,
            blocked=self.blocked + other.blocked,
            suppressed=self.suppressed + other.suppressed,
            texts=self.texts + other.texts,
            records=self.records + other.records,
            largest=max(self.largest, other.largest),
            offline_s=self.offline_s + other.offline_s,
            overlaps=self.overlaps or other.overlaps or overlaps,
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """From this time on `rate` values are due per second; an account runs for `account_interval_s`."""

    time_ms: int
    rate: float
    points: int
    shortest_period_s: float = 1.0
    account_interval_s: float = DEFAULT_INTERVAL_S


@dataclass(frozen=True, slots=True)
class Status:
    """The last status of an edge: records that are kept there, by why. `oldest_ms`: 0 where not known."""

    time_ms: int
    devices: int = 0
    waiting: int = 0
    held: int = 0
    deferred: int = 0
    quarantined: int = 0
    oldest_ms: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: its events, rising in time, and its last status. `held`: records that other edges hold."""

    name: str
    events: Sequence[EdgeEvent] = ()
    status: Status | None = None
    held: int = 0

    @property
    def last_seen_ms(self) -> int | None:
        """When its last record came."""
        times = [event.time_ms for event in self.events] + ([self.status.time_ms] if self.status else [])
        return max(times, default=None)


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """All about one device: everything is rising in time."""

    device: str
    edge: Edge
    accounts: Sequence[Account] = ()
    schedules: Sequence[Schedule] = ()
    events: Sequence[EdgeEvent] = ()
