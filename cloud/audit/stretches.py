"""Cuts the time of an audit into stretches: those with accounts, and the gaps between them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloud.audit.books import USUAL_ACCOUNT_S, Account, Books, Schedule
from qilu.contract.completeness import EventKind

PATIENCE_MS = 150_000
"""How long after the end of the one before an account may take to be in the store; a longer one may more."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of accounts without a gap; or, with none, a gap, of which only the schedule is known."""

    begin_ms: int
    end_ms: int
    accounts: tuple[Account, ...] = ()


def stretches(books: Books, start_ms: int, end_ms: int) -> list[Stretch]:
    """What of `start_ms` to `end_ms` can be told of, in order and without overlap.

    It begins and ends with whole accounts, and ends where accounts may still be on their way. It begins when
    the device was first known.
    """
    begin_ms = _begin(books, start_ms)
    inside = [one for one in books.accounts if one.begin_ms >= begin_ms and one.end_ms <= end_ms]
    cut = next((one.begin_ms for one in books.accounts if one.begin_ms < end_ms < one.end_ms), end_ms)
    found: list[Stretch] = []
    reached = begin_ms
    for run in _runs(inside):
        if run[0].begin_ms > reached:
            found.append(Stretch(reached, run[0].begin_ms))
        found.append(Stretch(run[0].begin_ms, run[-1].end_ms, tuple(run)))
        reached = run[-1].end_ms
    if _is_late(books, reached, cut):
        found.append(Stretch(reached, cut))
    return found


def rate_of(books: Books, begin_ms: int, end_ms: int) -> tuple[float, int]:
    """Values that were due in a gap by the schedules, and by how many this may be off."""
    expected = 0.0
    most = 0
    for begin, end, schedule in _in_force(books, begin_ms, end_ms):
        expected += schedule.rate * (end - begin) / 1000
        most = max(most, schedule.points)
    starts = sum(1 for one in _starts(books) if begin_ms < one <= end_ms)
    return expected, most * (1 + starts)


def _begin(books: Books, start_ms: int) -> int:
    """`start_ms`, or the end of the account over it, or the first that is known of the device."""
    known = [one.begin_ms for one in books.accounts] + [one.time_ms for one in books.schedules]
    over = next((one.end_ms for one in books.accounts if one.begin_ms < start_ms < one.end_ms), start_ms)
    return max(over, min(known, default=start_ms))


def _runs(accounts: Sequence[Account]) -> Iterator[list[Account]]:
    run: list[Account] = []
    for account in accounts:
        if run and account.begin_ms != run[-1].end_ms:
            yield run
            run = []
        run.append(account)
    if run:
        yield run


def _is_late(books: Books, reached_ms: int, end_ms: int) -> bool:
    """Whether an account of what comes behind `reached_ms` should be there by now."""
    schedule = next((one for one in reversed(books.schedules) if one.time_ms <= end_ms), None)
    patience = float(PATIENCE_MS)
    if schedule is not None:
        patience += 1000 * (2 * schedule.shortest_s + max(schedule.account_s - USUAL_ACCOUNT_S, 0))
    return end_ms - reached_ms > patience


def _in_force(books: Books, begin_ms: int, end_ms: int) -> Iterator[tuple[int, int, Schedule]]:
    """The schedules of a time: each holds until the next, or until a start at which there was none."""
    schedules = books.schedules
    for index, schedule in enumerate(schedules):
        until = schedules[index + 1].time_ms if index + 1 < len(schedules) else end_ms
        gone = next((one for one in _starts(books) if one > schedule.time_ms + _TOGETHER_MS), None)
        if gone is not None and gone < until - _TOGETHER_MS:
            until = gone
        begin, end = max(schedule.time_ms, begin_ms), min(until, end_ms)
        if begin < end:
            yield begin, end, schedule


_TOGETHER_MS = 10_000
"""A start and the schedules that it tells are not further apart."""


def _starts(books: Books) -> Iterator[int]:
    return (one.time_ms for one in books.edge.events if one.kind is EventKind.STARTED)
