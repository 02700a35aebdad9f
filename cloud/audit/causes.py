"""Why values are not in a store, and how sure that is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Cause(StrEnum):
    """What took values that were due."""

    BUSY = "busy"
    """The endpoint was still busy with the turn before."""
    BLOCKED = "blocked"
    """The spool took no record, so that nothing was polled."""
    DOWN = "down"
    """No gateway collected."""
    DROPPED = "dropped"
    """The spool gave the records up; `detail` is its reason."""
    REJECTED = "rejected"
    """The store refused the records; they are in the edge's quarantine; `detail` is the store's reason."""
    DEFERRED = "deferred"
    """The store could not take the records for now, the edge sends them again; `detail` is the code."""
    HELD = "held"
    """The records wait on an edge which has another name now."""
    QUARANTINED = "quarantined"
    """Records are in the edge's quarantine, and nobody knows whether these are."""
    WAITING = "waiting"
    """The records wait on the edge, or are on their way."""
    STOPPED = "stopped"
    """The gateway stopped, and sent nothing since: perhaps it runs again, cut off."""
    EDGE_OFFLINE = "edge_offline"
    """The edge is down, or cut off and keeps everything."""
    NOT_COUNTED = "not_counted"
    """The store has no account of this time, and no cause for that."""
    NOT_IN_HISTORY = "not_in_history"
    """A local history does not have the values: they may well have been delivered."""
    OVERLAP = "overlap"
    """The store has two accounts of this time."""
    UNEXPLAINED = "unexplained"


SINGLE_ENTRY = frozenset(Cause) - {
    Cause.DOWN, Cause.DROPPED, Cause.STOPPED, Cause.EDGE_OFFLINE, Cause.NOT_COUNTED, Cause.OVERLAP,
}  # fmt: skip
"""Causes that are one entry of a finding, however often they come."""


@dataclass(frozen=True, slots=True)
class MissingValues:
    """Values that are not in the store, and why; the time is that of the cause.

    `certain`: the edge counted exactly these values for this cause. `records`: how many wait on `edge`.
    """

    cause: Cause
    values: int
    start_ms: int
    end_ms: int
    certain: bool = False
    detail: str = ""
    records: int = 0
    edge: str = ""

    @property
    def explained(self) -> bool:
        return self.cause is not Cause.UNEXPLAINED

    def joined(self, other: MissingValues) -> MissingValues:
        """Both together, of the same cause."""
        start, end = min(self.start_ms, other.start_ms), max(self.end_ms, other.end_ms)
        values = self.values + other.values
        return replace(
            self, values=values, start_ms=start, end_ms=end, certain=self.certain and other.certain
        )


class Verdict(StrEnum):
    COMPLETE = "complete"
    """Every value that was due is in the store, or its edge counted it for a cause that is final."""
    INCOMPLETE = "incomplete"
    """Values are missing without a cause, or there are more than there should be."""
    NOT_KNOWN = "not known"
    """Accounts are missing, or a cause is not certain or not final: values may be missing."""
