"""Cuts the time of an audit into stretches: with an account, without a gateway, or not known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cloud.audit.causes import Cause
from cloud.audit.model import DEFAULT_INTERVAL_S, Account, DeviceHistory, Edge
from qilu.contract.accounting import DropReason, EventKind

_SHORTEST_MS = 1000
DELIVERY_ALLOWANCE_MS = 150_000
"""How long after the end of the one before an account may take to be in the store; a longer one may more."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time with its account; or without one, and why: the cause is None where nothing was due."""

    start_ms: int
    end_ms: int
    account: Account | None = None
    cause: Cause | None = None


def covered_spans(history: DeviceHistory, start_ms: int, end_ms: int) -> list[Span]:
    """The periods of `start_ms` to `end_ms` that accounts cover, without gap or overlap; empty where no
    account is known.

    It begins with a whole account, or when the edge first collected from the device. It ends with a whole
    account, or where one should be there by now.
    """
    accounts = distinct(history.accounts)
    inside = [account for account in accounts if account.end_ms > start_ms and account.start_ms < end_ms]
    if not inside:
        return []
    reached = _start(history, accounts, start_ms)
    spans: list[Span] = []
    for account in inside:
        if account.start_ms < reached or account.end_ms > end_ms:
            continue
        spans += _gap(history, reached, account.start_ms)
        spans.append(Span(account.start_ms, account.end_ms, account))
        reached = account.end_ms
    allowance_ms = _allowance_ms(history)
    last = inside[-1]
    cut = last.start_ms if last.end_ms > end_ms and end_ms - last.start_ms <= allowance_ms else end_ms
    return spans + _tail(history, reached, max(cut, reached), allowance_ms)


def rate_of(history: DeviceHistory, time_ms: int) -> float:
    """Values due per second from `time_ms` on: by the schedule, as accounts before it counted, or later ones.

    0.0 where nothing is known.
    """
    schedule = next((entry for entry in reversed(history.schedules) if entry.time_ms <= time_ms), None)
    if schedule is not None:
        return schedule.rate
    before = _counted_rate([entry for entry in history.accounts if entry.end_ms <= time_ms])
    if before:
        return before
    return history.schedules[0].rate if history.schedules else _counted_rate(history.accounts)


def _counted_rate(accounts: Sequence[Account]) -> float:
    """Values due per second by these accounts; 0.0 where they are too short."""
    span_ms = sum(account.end_ms - account.start_ms for account in accounts)
    return 1000 * sum(account.expected for account in accounts) / span_ms if span_ms >= _SHORTEST_MS else 0.0


def distinct(accounts: Sequence[Account]) -> list[Account]:
    """Rising and without overlap: one that was sent again replaces what it has joined."""
    again = [candidate for candidate in accounts if candidate.again]
    kept: list[Account] = []
    for candidate in sorted(
        accounts, key=lambda account: (account.start_ms, -account.end_ms, not account.again)
    ):
        joined = any(_has_joined(other, candidate) for other in again)
        if joined or candidate.end_ms <= candidate.start_ms:
            continue
        if kept and candidate.start_ms < kept[-1].end_ms:
            kept[-1] = kept[-1].joined(candidate, overlaps=True)
        else:
            kept.append(candidate)
    return kept


def _has_joined(again: Account, account: Account) -> bool:
    span, other = again.end_ms - again.start_ms, account.end_ms - account.start_ms
    inside = again.start_ms <= account.start_ms and account.end_ms <= again.end_ms
    return inside and (span > other or (not account.again and span == other))


def _start(history: DeviceHistory, accounts: Sequence[Account], start_ms: int) -> int:
    """`start_ms`, or the end of the account over it, or when the edge first collected from the device."""
    known = [entry.start_ms - entry.known_ms for entry in accounts]
    known += [entry.time_ms for entry in history.schedules]
    over = next((entry.end_ms for entry in accounts if entry.start_ms < start_ms < entry.end_ms), start_ms)
    return max(over, min(known))


def _gap(history: DeviceHistory, start_ms: int, end_ms: int) -> list[Span]:
    """A time without account, cut by what the edge reported of it."""
    reported = list(_reported(history))
    times = {start_ms, end_ms}
    times |= {time for span in reported for time in (span.start_ms, span.end_ms) if start_ms < time < end_ms}
    spans: list[Span] = []
    bounds = sorted(times)
    for start, end in pairwise(bounds):
        over = (span for span in reported if span.start_ms <= start and end <= span.end_ms)
        cause = next((span.cause for span in over), Cause.NOT_COUNTED)
        if spans and spans[-1].cause is cause:
            spans[-1] = Span(spans[-1].start_ms, end, None, cause)
        else:
            spans.append(Span(start, end, None, cause))
    return spans


def _reported(history: DeviceHistory) -> Iterator[Span]:
    """Times in which nothing was collected, by the reports of the edge; what goes before comes first."""
    for event in history.events:
        if event.kind is EventKind.REMOVED:
            yield Span(event.start_ms, _next_known(history, event.time_ms))
        if event.kind is EventKind.CORRECTED:
            yield Span(event.start_ms, event.end_ms)
    for event in history.edge.events:
        if event.kind is EventKind.CLOCK_STEPPED and event.code and event.start_ms < event.end_ms:
            yield Span(event.start_ms, event.end_ms)  # the clock went ahead: this time never was
        if event.kind is EventKind.DROPPED and event.code == DropReason.blocked:
            yield Span(event.start_ms, event.end_ms, None, Cause.BLOCKED)
    for event in (*history.events, *history.edge.events):
        if event.kind is EventKind.STARTED and event.start_ms < event.end_ms:
            yield Span(event.start_ms, event.end_ms, None, Cause.DOWN)


def _next_known(history: DeviceHistory, time_ms: int) -> int:
    """When the device was collected from again, a time far ahead where it was not."""
    times = [entry.start_ms for entry in history.accounts] + [
        schedule.time_ms for schedule in history.schedules
    ]
    return min((entry for entry in times if entry > time_ms), default=2**62)


def _allowance_ms(history: DeviceHistory) -> int:
    schedule = history.schedules[-1] if history.schedules else None
    if schedule is None:
        return DELIVERY_ALLOWANCE_MS
    longer = 2 * schedule.shortest_period_s + max(schedule.account_interval_s - DEFAULT_INTERVAL_S, 0)
    return DELIVERY_ALLOWANCE_MS + round(1000 * longer)


def _tail(history: DeviceHistory, start_ms: int, end_ms: int, allowance_ms: int) -> list[Span]:
    """Behind the last account: what of it should be known by now."""
    spans = _gap(history, start_ms, end_ms)
    if spans and spans[-1].cause is Cause.NOT_COUNTED:
        last = spans.pop()
        if last.end_ms - last.start_ms > allowance_ms:
            spans.append(Span(last.start_ms, last.end_ms, None, _absence_cause(history.edge, end_ms)))
    return spans


def _absence_cause(edge: Edge, end_ms: int) -> Cause:
    last_seen_ms = edge.last_seen_ms
    if last_seen_ms is not None and last_seen_ms >= end_ms - DELIVERY_ALLOWANCE_MS:
        return Cause.NOT_COUNTED
    stopped = bool(edge.events) and edge.events[-1].kind is EventKind.STOPPED
    return Cause.STOPPED if stopped else Cause.EDGE_OFFLINE
