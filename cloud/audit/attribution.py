"""Lays what is missing to the causes that the edge counted, and never more than it counted. Pure.

A cause is certain only where nothing is left of what was counted for it: where less is missing than a spool
gave up, say, some of that was stored after all, and something else may be missing in its place. Only what had
been sent before it was given up may be left: it can be in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from cloud.audit.causes import Cause, Missing
from cloud.audit.coverage import Stretch, rate_of
from cloud.audit.model import Account, Books, Edge, Happening
from qilu.contract.accounting import DropReason, EventKind

_EARLIER_MS = 30_000
"""A record may be written to the spool so long after its values were read."""
_LATER_MS = 2_000
_DROPS: Mapping[int, str] = {reason.value: reason.name for reason in DropReason}


@dataclass(frozen=True, slots=True)
class Counted:
    """A stretch, and how many values the store has of it."""

    stretch: Stretch
    stored: int


@dataclass(slots=True)
class _Budget:
    """Values of one device that the edge counted for a cause, and how many are not laid to it yet."""

    cause: Cause
    begin_ms: int
    end_ms: int
    values: int
    detail: str = ""
    exact: bool = True
    """Whether this is what was counted, in whole and of this time."""
    stored: int = 0
    """Values of these that may be in the store all the same."""
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.values

    @property
    def spent(self) -> bool:
        """Whether nothing else can be missing in the place of what was counted."""
        return self.left <= self.stored

    def over(self, account: Account) -> bool:
        """Whether what it counts may be in this account."""
        return self.begin_ms < account.end_ms and self.end_ms >= account.begin_ms


@dataclass(slots=True)
class _Records:
    """Records of an edge that are known by their number alone."""

    cause: Cause
    begin_ms: int
    end_ms: int
    records: int
    left: int
    detail: str = ""


class EdgeRecords:
    """What an edge counted without a device, spent once over all its devices."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._records = [*_unread(edge), *_kept(edge)]

    def lay(self, lost: int, account: Account, books: Books) -> Iterator[Missing]:
        """As much of `lost` values of an account of this device as these records can hold."""
        codes = [one.text for one in books.events if one.kind is EventKind.DEFERRED and one.text]
        largest = max(account.largest, 1)
        for one in self._records:
            if lost > 0 and one.left and one.begin_ms < account.end_ms and one.end_ms >= account.begin_ms:
                values = min(lost, one.left * largest)
                one.left -= ceil(values / largest)
                lost -= values
                detail = codes[-1] if codes and one.cause is Cause.DEFERRED else one.detail
                yield Missing(
                    one.cause, values, account.begin_ms, account.end_ms,
                    detail=detail, records=one.records, edge=self.edge.name,
                )  # fmt: skip


def explain(books: Books, counted: Sequence[Counted], records: EdgeRecords) -> list[Missing]:
    """What is missing of a device in these stretches, cause by cause, in the order of time."""
    found: list[Missing] = []
    accounts = [one for one in counted if one.stretch.account is not None]
    begin_ms = min((one.stretch.begin_ms for one in accounts), default=0)
    end_ms = max((one.stretch.end_ms for one in accounts), default=0)
    budgets = sorted(_budgets(books, begin_ms, end_ms), key=lambda one: one.end_ms)
    laid: list[tuple[Account, _Budget, int]] = []
    for one in counted:
        account = one.stretch.account
        if account is None:
            found += _of_gap(books, one)
            continue
        found += _of_account(account)
        lost = account.sent - one.stored
        for budget in budgets:
            if lost > 0 and budget.left and budget.over(account):
                values = min(lost, budget.left)
                budget.left -= values
                lost -= values
                laid.append((account, budget, values))
        for more in records.lay(lost, account, books):
            found.append(more)
            lost -= more.values
        if lost > 0:
            found.append(Missing(Cause.UNEXPLAINED, lost, account.begin_ms, account.end_ms))
    loose = [one for one in budgets if not one.spent]
    for account, budget, values in laid:
        certain = budget.exact and budget.spent and not any(one.over(account) for one in loose)
        found.append(
            Missing(budget.cause, values, budget.begin_ms, budget.end_ms, certain, budget.detail)
        )  # fmt: skip
    return found


def _of_account(account: Account) -> Iterator[Missing]:
    times = account.begin_ms, account.end_ms
    if account.missed:
        yield Missing(Cause.BUSY, account.missed, *times, certain=True)
    if account.blocked:
        yield Missing(Cause.BLOCKED, account.blocked, *times, certain=True)
    if account.overlaps:
        yield Missing(Cause.OVERLAP, 0, *times)


def _of_gap(books: Books, one: Counted) -> Iterator[Missing]:
    """In a gap the rate tells what was due; a gateway that is down stores no more than a last record."""
    stretch = one.stretch
    if stretch.cause is None:
        return
    rate = rate_of(books, stretch.begin_ms)
    values = max(round(rate * (stretch.end_ms - stretch.begin_ms) / 1000) - one.stored, 0)
    largest = max((account.largest for account in books.accounts), default=0)
    certain = stretch.cause in (Cause.DOWN, Cause.BLOCKED) and one.stored <= largest and rate > 0
    if certain and not values:
        return
    cause = (
        stretch.cause if certain or stretch.cause not in (Cause.DOWN, Cause.BLOCKED) else Cause.NOT_COUNTED
    )
    yield Missing(cause, values, stretch.begin_ms, stretch.end_ms, certain, edge=books.edge.name)


def _budgets(books: Books, begin_ms: int, end_ms: int) -> Iterator[_Budget]:
    """What the edge counted of this device, to the value, after the spool had it."""
    largest = max((one.largest for one in books.accounts), default=0)
    requeued = [one.time_ms for one in books.edge.events if one.kind is EventKind.REQUEUED]
    for one in last_told(books.events):
        inside = begin_ms <= one.begin_ms and one.end_ms < end_ms
        detail = _DROPS.get(one.detail, "")
        stored = min(one.values, one.in_flight * largest)
        yield _Budget(Cause.DROPPED, one.begin_ms, one.end_ms, one.values, detail, inside, stored)
    for one in books.events:
        if one.kind is EventKind.REJECTED:
            kept = not any(time_ms > one.time_ms for time_ms in requeued)
            exact = kept and begin_ms <= one.begin_ms and one.end_ms < end_ms
            yield _Budget(Cause.REJECTED, one.begin_ms, one.end_ms, one.values, one.text, exact)


def last_told(events: Sequence[Happening]) -> list[Happening]:
    """The last report of each stretch that a spool gave up: it includes the ones before."""
    found: list[Happening] = []
    for one in events:
        if one.kind is EventKind.DROPPED and one.detail != DropReason.blocked:
            found = [
                earlier
                for earlier in found
                if earlier.detail != one.detail
                or not (one.begin_ms <= earlier.begin_ms and earlier.end_ms <= one.end_ms)
                or earlier.records > one.records
            ]
            found.append(one)
    return found


def _unread(edge: Edge) -> Iterator[_Records]:
    """Records that a spool gave up and could not read."""
    for one in last_told(edge.events):
        if one.unread:
            times = one.begin_ms - _EARLIER_MS, one.end_ms + _LATER_MS
            detail = _DROPS.get(one.detail, "")
            yield _Records(Cause.DROPPED, *times, one.unread, one.unread, detail)


def _kept(edge: Edge) -> Iterator[_Records]:
    """Records that wait on the edge, for one reason or another."""
    oldest_ms = edge.status.oldest_ms if edge.status is not None else 0
    for cause, records in kept_records(edge).items():
        since_ms = oldest_ms if cause in (Cause.DEFERRED, Cause.WAITING) else 0
        yield _Records(cause, since_ms, 2**62, records, records)


def kept_records(edge: Edge) -> Mapping[Cause, int]:
    """How many records are kept on the edge, by why; those that other edges hold are `HELD`."""
    found = {Cause.HELD: edge.held}
    if edge.status is not None:
        found = {
            Cause.DEFERRED: edge.status.deferred,
            Cause.QUARANTINED: edge.status.quarantined,
            Cause.WAITING: edge.status.waiting,
            **found,
        }
    return {cause: records for cause, records in found.items() if records}
