"""What an ingester keeps of a write until the store has confirmed it: everything but the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from qilu.contract.ack_codes import Refusal
from qilu.contract.reading import BlockSchema, Poll, Quality, Reading, Value


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of a store at one moment; a mark from before a write is compared with a later one."""

    incarnation: str
    """Which run of the store this is: a change takes back what was only stored."""
    dropped: int | None = None
    """Rows that the store has accepted and not kept since its start; None: it has no such counter."""
    hour: int = 0
    """Hours since 1970: limits of a store begin again with an hour or a day."""


class Trace(NamedTuple):
    """Which samples one reading leaves in a store."""

    columns: BlockSchema
    time_ms: int
    numbers: int
    """Bit i is set where point i has a number."""
    reasons: int
    """Bit i is set where point i has a reason."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the store took: the mark from before it, and the traces of each of its polls."""

    mark: Mark
    polls: Sequence[tuple[Trace, ...]]
    every_sample: bool = False
    """A part of it was in doubt before: only reading back every sample confirms it."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a store says of one write a horizon later."""

    doubtful: Mapping[int, Refusal] = field(default_factory=dict)
    """Polls, by their index, that are not known to be kept."""
    restarted: bool = False
    """The store is in another incarnation: nothing is known of the whole write."""


def traces(poll: Poll) -> tuple[Trace, ...]:
    """The traces of the readings of `poll`."""
    return tuple(map(_trace, poll.readings))


def same_incarnation(writes: Sequence[Write], now: Mark) -> list[Confirmation]:
    """The confirmation by a store that keeps all it takes, except in a crash."""
    return [Confirmation(restarted=write.mark.incarnation != now.incarnation) for write in writes]


def _all_numbers(values: Sequence[Value]) -> bool:
    try:
        sum(cast("Sequence[float]", values))  # faster than looking at the type of each
    except TypeError:
        return False
    except OverflowError:
        pass
    return True


def _trace(reading: Reading) -> Trace:
    if not reading.reasons and _all_numbers(reading.values):
        return Trace(reading.columns, reading.time_ms, (1 << len(reading.values)) - 1, 0)
    numbers = reasons = 0
    for index, value in enumerate(reading.values):
        reason = reading.reasons.get(index)
        if reason is not None or value is None:
            reasons |= 1 << index
        if isinstance(value, float | int) and (reason is None or reason.quality is not Quality.BAD):
            numbers |= 1 << index
    return Trace(reading.columns, reading.time_ms, numbers, reasons)
