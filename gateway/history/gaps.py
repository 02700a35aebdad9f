"""Where a point has no samples, and why. Pure.

A machine that does not answer makes no gap: each expected value then arrives as bad with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.history.series import Gap
from qilu.contract.accounting import DropReason, EventKind
from qilu.contract.edge_events import EdgeEvent
from qilu.contract.reading import Value

_PERIODS = 2.5
"""Periods without a sample that are a gap: a single poll may be late or skipped."""
_SLACK_MS = 1_000
LATENESS_MS = 12_000
"""What is younger may not be written yet."""


class GapReason(StrEnum):
    GATEWAY_DOWN = "gateway_down"
    """No gateway collected."""
    SPOOL_BLOCKED = "spool_blocked"
    """The spool took no record, so that nothing was polled."""
    ENDPOINT_BUSY = "endpoint_busy"
    """Polls were skipped, because the endpoint was still busy with the one before."""
    SUPPRESSED = "suppressed"
    """A processor left the values out on purpose."""
    CLOCK_SET = "clock_set"
    """The clock was set ahead: this time never was."""
    NOT_COLLECTED = "not_collected"
    """The edge did not collect from the device yet, or not any more."""
    NOT_IN_HISTORY = "not_in_history"
    """The values are not in the local history; they may well have been collected and delivered."""


@dataclass(frozen=True, slots=True)
class CountedTime:
    """What the edge counted for a device in a time, in values."""

    start_ms: int
    end_ms: int
    missed: float = 0
    blocked: float = 0
    suppressed: float = 0
    known_ms: float = 0
    """For how long the edge had collected from the device before."""


def counted_time(time_ms: int, row: Mapping[str, Value]) -> CountedTime | None:
    """The account of one reading; None where a number is missing."""
    numbers = [row.get(name) for name in ("span_ms", "missed", "blocked", "suppressed", "known_s")]
    known = [number for number in numbers if isinstance(number, int | float)]
    if len(known) < len(numbers):
        return None
    span_ms, missed, blocked, suppressed, known_s = known
    return CountedTime(time_ms, time_ms + int(span_ms), missed, blocked, suppressed, 1000 * known_s)


def empty_times(
    times: Sequence[int], bucket_ms: int, period_ms: float, span: tuple[int, int]
) -> list[tuple[int, int]]:
    """The parts of `span` in which samples should be and none are. `times` rise; `bucket_ms`: of each."""
    step_ms = max(bucket_ms, period_ms)
    allowed_ms = (
        bucket_ms + _SLACK_MS + (_PERIODS * period_ms if period_ms > bucket_ms / _PERIODS else period_ms)
    )
    empty: list[tuple[int, int]] = []
    reached, last_end = span[0], span[0]
    for time_ms in (*times, span[1]):
        limit_ms = allowed_ms if last_end != span[0] else allowed_ms - bucket_ms
        if time_ms - reached > limit_ms:
            empty.append((min(last_end, time_ms), time_ms))
        reached, last_end = time_ms, round(time_ms + step_ms)
    return empty


def explained(
    empty: Sequence[tuple[int, int]], events: Sequence[EdgeEvent], counted: Sequence[CountedTime]
) -> tuple[Gap, ...]:
    """The same times, cut where the reason changes. `events` are of the edge and the device."""
    stretches = sorted(_stretches(events), key=lambda gap: gap.from_ms)
    gaps: list[Gap] = []
    for start_ms, end_ms in empty:
        at = start_ms
        for stretch in stretches:
            first, last = max(stretch.from_ms, at), min(stretch.to_ms, end_ms)
            if last <= first:
                continue
            if first > at + _SLACK_MS:
                gaps.append(Gap(at, first, _counted_reason(at, first, counted)))
            gaps.append(Gap(first if first > at + _SLACK_MS else at, last, stretch.reason))
            at = last
        if end_ms > at + _SLACK_MS or at == start_ms:
            gaps.append(Gap(at, end_ms, _counted_reason(at, end_ms, counted)))
    return tuple(_joined(gaps))


def _joined(gaps: Sequence[Gap]) -> Iterator[Gap]:
    last: Gap | None = None
    for gap in gaps:
        if last is not None and last.reason == gap.reason and last.to_ms == gap.from_ms:
            last = Gap(last.from_ms, gap.to_ms, gap.reason)
            continue
        if last is not None:
            yield last
        last = gap
    if last is not None:
        yield last


def _stretches(events: Sequence[EdgeEvent]) -> Iterator[Gap]:
    """Times of which the edge reported why it did not collect."""
    for event in events:
        match event.kind:
            case EventKind.STARTED:
                reason = GapReason.GATEWAY_DOWN
            case EventKind.DROPPED if event.code == DropReason.blocked:
                reason = GapReason.SPOOL_BLOCKED
            case EventKind.CORRECTED:
                reason = GapReason.CLOCK_SET
            case EventKind.CLOCK_STEPPED if event.code:
                reason = GapReason.CLOCK_SET
            case _:
                continue
        if event.start_ms < event.end_ms:
            yield Gap(event.start_ms, event.end_ms, reason)


def _counted_reason(start_ms: int, end_ms: int, counted: Sequence[CountedTime]) -> GapReason:
    inside = [entry for entry in counted if entry.start_ms < end_ms and entry.end_ms > start_ms]
    first = min(counted, key=lambda entry: entry.start_ms, default=None)
    if first is not None and end_ms <= first.start_ms - first.known_ms + _SLACK_MS:
        return GapReason.NOT_COLLECTED
    for reason, number in (
        (GapReason.SUPPRESSED, sum(entry.suppressed for entry in inside)),
        (GapReason.SPOOL_BLOCKED, sum(entry.blocked for entry in inside)),
        (GapReason.ENDPOINT_BUSY, sum(entry.missed for entry in inside)),
    ):
        if number:
            return reason
    return GapReason.NOT_IN_HISTORY
