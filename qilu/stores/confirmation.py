"""What an ingester keeps of a write until the store has confirmed it: everything but the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from qilu.contract.ack_codes import Refusal
from qilu.contract.limits import is_ordinary
from qilu.contract.reading import BlockSchema, Poll, Quality, Reading


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of a store at one moment; a mark from before a write is compared with a later one."""

    incarnation: str
    """Which run of the store this is: a change takes back what was only stored."""
    dropped: int | None = None
    """Rows that the store has accepted and not kept since its start; None: it has no such counter."""
    hour: int = 0
    """Hours since 1970: limits of a store begin again with an hour or a day."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which points of a reading have a number and which a reason; bit i stands for point i."""

    numbers: int
    reasons: int


Trace = tuple[BlockSchema, int, Coverage]
"""Which samples a reading leaves in a store: columns, time in ms, points. A plain tuple: one per reading."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the store took: the mark from before it, and the traces of each of its polls."""

    mark: Mark
    polls: Sequence[tuple[Trace, ...]]
    every_sample: bool = False
    """A part of it was in doubt before: only reading back every sample confirms it."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The state of one write after the durability delay."""

    doubtful: Mapping[int, Refusal] = field(default_factory=dict)
    """Polls, by their index, that are not known to be kept."""
    restarted: bool = False
    """The store is in another incarnation: nothing is known of the whole write."""


def traces(polls: Iterable[Poll]) -> list[tuple[Trace, ...]]:
    return [
        tuple([(reading.columns, reading.time_ms, _coverage(reading)) for reading in poll.readings])
        for poll in polls
    ]


def same_incarnation(writes: Sequence[Write], now: Mark) -> list[Confirmation]:
    """The confirmation by a store that keeps all it takes, except in a crash."""
    return [Confirmation(restarted=write.mark.incarnation != now.incarnation) for write in writes]


@cache
def _complete(points: int) -> Coverage:
    """The one object for all readings of so many numbers without a reason; MAX_POINTS bounds them."""
    return Coverage((1 << points) - 1, 0)


def _coverage(reading: Reading) -> Coverage:
    if not reading.reasons and is_ordinary(reading.values):
        return _complete(len(reading.values))
    numbers = reasons = 0
    for index, value in enumerate(reading.values):
        reason = reading.reasons.get(index)
        if reason is not None or value is None:
            reasons |= 1 << index
        if isinstance(value, float | int) and (reason is None or reason.quality is not Quality.BAD):
            numbers |= 1 << index
    return Coverage(numbers, reasons)
