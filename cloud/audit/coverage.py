"""Cuts the time of an audit into stretches: with an account, without a gateway, or not known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cloud.audit.causes import Cause
from cloud.audit.model import USUAL_ACCOUNT_S, Account, Books, Edge
from qilu.contract.accounting import DropReason, EventKind

_SHORTEST_MS = 1000
PATIENCE_MS = 150_000
"""How long after the end of the one before an account may take to be in the store; a longer one may more."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time with its account; or without one, and why: the cause is None where nothing was due."""

    begin_ms: int
    end_ms: int
    account: Account | None = None
    cause: Cause | None = None


def stretches(books: Books, start_ms: int, end_ms: int) -> list[Stretch]:
    """What of `start_ms` to `end_ms` can be told of, without gap or overlap; empty where no account is known.

    It begins with a whole account, or when the edge first collected from the device. It ends with a whole
    account, or where one should be there by now.
    """
    accounts = distinct(books.accounts)
    inside = [one for one in accounts if one.end_ms > start_ms and one.begin_ms < end_ms]
    if not inside:
        return []
    reached = _begin(books, accounts, start_ms)
    found: list[Stretch] = []
    for one in inside:
        if one.begin_ms < reached or one.end_ms > end_ms:
            continue
        found += _gap(books, reached, one.begin_ms)
        found.append(Stretch(one.begin_ms, one.end_ms, one))
        reached = one.end_ms
    patience = _patience(books)
    last = inside[-1]
    cut = last.begin_ms if last.end_ms > end_ms and end_ms - last.begin_ms <= patience else end_ms
    return found + _tail(books, reached, max(cut, reached), patience)


def rate_of(books: Books, time_ms: int) -> float:
    """Values due per second from `time_ms` on: by the schedule, as accounts before it counted, or later ones.

    0.0 where nothing is known.
    """
    schedule = next((one for one in reversed(books.schedules) if one.time_ms <= time_ms), None)
    if schedule is not None:
        return schedule.rate
    before = _counted_rate([one for one in books.accounts if one.end_ms <= time_ms])
    if before:
        return before
    return books.schedules[0].rate if books.schedules else _counted_rate(books.accounts)


def _counted_rate(accounts: Sequence[Account]) -> float:
    """Values due per second by these accounts; 0.0 where they are too short to tell."""
    span_ms = sum(one.end_ms - one.begin_ms for one in accounts)
    return 1000 * sum(one.expected for one in accounts) / span_ms if span_ms >= _SHORTEST_MS else 0.0


def distinct(accounts: Sequence[Account]) -> list[Account]:
    """Rising and without overlap: one that was told again replaces what it has joined."""
    again = [one for one in accounts if one.again]
    found: list[Account] = []
    for one in sorted(accounts, key=lambda account: (account.begin_ms, -account.end_ms, not account.again)):
        joined = any(_has_joined(other, one) for other in again)
        if joined or one.end_ms <= one.begin_ms:
            continue
        if found and one.begin_ms < found[-1].end_ms:
            found[-1] = found[-1].joined(one, overlaps=True)
        else:
            found.append(one)
    return found


def _has_joined(again: Account, one: Account) -> bool:
    span, other = again.end_ms - again.begin_ms, one.end_ms - one.begin_ms
    inside = again.begin_ms <= one.begin_ms and one.end_ms <= again.end_ms
    return inside and (span > other or (not one.again and span == other))


def _begin(books: Books, accounts: Sequence[Account], start_ms: int) -> int:
    """`start_ms`, or the end of the account over it, or when the edge first collected from the device."""
    known = [one.begin_ms - one.known_ms for one in accounts]
    known += [one.time_ms for one in books.schedules]
    over = next((one.end_ms for one in accounts if one.begin_ms < start_ms < one.end_ms), start_ms)
    return max(over, min(known))


def _gap(books: Books, begin_ms: int, end_ms: int) -> list[Stretch]:
    """A time without account, cut by what the edge reported of it."""
    reported = list(_reported(books))
    times = {begin_ms, end_ms}
    times |= {time for one in reported for time in (one.begin_ms, one.end_ms) if begin_ms < time < end_ms}
    found: list[Stretch] = []
    bounds = sorted(times)
    for begin, end in pairwise(bounds):
        over = (one for one in reported if one.begin_ms <= begin and end <= one.end_ms)
        cause = next((one.cause for one in over), Cause.NOT_COUNTED)
        if found and found[-1].cause is cause:
            found[-1] = Stretch(found[-1].begin_ms, end, None, cause)
        else:
            found.append(Stretch(begin, end, None, cause))
    return found


def _reported(books: Books) -> Iterator[Stretch]:
    """Times in which nothing was collected, by the reports of the edge; what goes before comes first."""
    for one in books.events:
        if one.kind is EventKind.REMOVED:
            yield Stretch(one.begin_ms, _next_known(books, one.time_ms))
        if one.kind is EventKind.CORRECTED:
            yield Stretch(one.begin_ms, one.end_ms)
    for one in books.edge.events:
        if one.kind is EventKind.CLOCK_STEPPED and one.detail and one.begin_ms < one.end_ms:
            yield Stretch(one.begin_ms, one.end_ms)  # the clock went ahead: this time never was
        if one.kind is EventKind.DROPPED and one.detail == DropReason.blocked:
            yield Stretch(one.begin_ms, one.end_ms, None, Cause.BLOCKED)
    for one in (*books.events, *books.edge.events):
        if one.kind is EventKind.STARTED and one.begin_ms < one.end_ms:
            yield Stretch(one.begin_ms, one.end_ms, None, Cause.DOWN)


def _next_known(books: Books, time_ms: int) -> int:
    """When the device was collected from again, a time far ahead where it was not."""
    times = [one.begin_ms for one in books.accounts] + [one.time_ms for one in books.schedules]
    return min((one for one in times if one > time_ms), default=2**62)


def _patience(books: Books) -> int:
    schedule = books.schedules[-1] if books.schedules else None
    if schedule is None:
        return PATIENCE_MS
    longer = 2 * schedule.shortest_s + max(schedule.account_s - USUAL_ACCOUNT_S, 0)
    return PATIENCE_MS + round(1000 * longer)


def _tail(books: Books, begin_ms: int, end_ms: int, patience_ms: int) -> list[Stretch]:
    """Behind the last account: what of it should be known by now."""
    found = _gap(books, begin_ms, end_ms)
    if found and found[-1].cause is Cause.NOT_COUNTED:
        last = found.pop()
        if last.end_ms - last.begin_ms > patience_ms:
            found.append(Stretch(last.begin_ms, last.end_ms, None, _silence(books.edge, end_ms)))
    return found


def _silence(edge: Edge, end_ms: int) -> Cause:
    heard_ms = edge.heard_ms
    if heard_ms is not None and heard_ms >= end_ms - PATIENCE_MS:
        return Cause.NOT_COUNTED
    stopped = bool(edge.events) and edge.events[-1].kind is EventKind.STOPPED
    return Cause.STOPPED if stopped else Cause.NOT_HEARD
