"""Lays what is missing to the causes that the edge counted, and never more than it counted. Pure.

A cause is certain only where nothing is left of what was counted for it: where less is missing than a spool
gave up, for example, some of that was stored after all, and something else may be missing in its place. Only
what had been sent before it was given up may be left: it can be in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from cloud.audit.account_spans import Span, rate_of
from cloud.audit.causes import Cause, MissingValues
from cloud.audit.model import Account, DeviceHistory, Edge
from qilu.contract.accounting import DropReason, EventKind
from qilu.contract.edge_events import EdgeEvent

_EARLIER_MS = 30_000
"""A record may be written to the spool so long after its values were read."""
_LATER_MS = 2_000
_DROPS: Mapping[int, str] = {reason.value: reason.name for reason in DropReason}


@dataclass(frozen=True, slots=True)
class CountedSpan:
    """A stretch, and how many values the store has of it."""

    span: Span
    stored: int


@dataclass(slots=True)
class _Budget:
    """Values of one device that the edge counted for a cause, and how many are not laid to it yet."""

    cause: Cause
    start_ms: int
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
        return self.start_ms < account.end_ms and self.end_ms >= account.start_ms


@dataclass(slots=True)
class _Records:
    """Records of an edge that are known by their number alone."""

    cause: Cause
    start_ms: int
    end_ms: int
    records: int
    left: int
    detail: str = ""


class EdgeRecords:
    """What an edge counted without a device, spent once over all its devices."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._records = [*_unread(edge), *_kept(edge)]

    def lay(self, lost: int, account: Account, history: DeviceHistory) -> Iterator[MissingValues]:
        """As much of `lost` values of an account of this device as these records can hold."""
        codes = [entry.text for entry in history.events if entry.kind is EventKind.DEFERRED and entry.text]
        largest = max(account.largest, 1)
        for entry in self._records:
            if (
                lost > 0
                and entry.left
                and entry.start_ms < account.end_ms
                and entry.end_ms >= account.start_ms
            ):
                values = min(lost, entry.left * largest)
                entry.left -= ceil(values / largest)
                lost -= values
                detail = codes[-1] if codes and entry.cause is Cause.DEFERRED else entry.detail
                yield MissingValues(
                    entry.cause, values, account.start_ms, account.end_ms,
                    detail=detail, records=entry.records, edge=self.edge.name,
                )  # fmt: skip


def explain(
    history: DeviceHistory, counted: Sequence[CountedSpan], records: EdgeRecords, *, best_effort: bool = False
) -> list[MissingValues]:
    """What is missing of a device in these stretches, cause by cause, in the order of time.

    `best_effort`: the store may lack what was delivered, and no cause after the collecting tells of it.
    """
    missing: list[MissingValues] = []
    accounts = [item for item in counted if item.span.account is not None]
    start_ms = min((item.span.start_ms for item in accounts), default=0)
    end_ms = max((item.span.end_ms for item in accounts), default=0)
    budgets = sorted(_budgets(history, start_ms, end_ms), key=lambda item: item.end_ms)
    if best_effort:
        budgets, records = [], EdgeRecords(Edge(history.edge.name))
    laid: list[tuple[Account, _Budget, int]] = []
    for item in counted:
        account = item.span.account
        if account is None:
            missing += _of_gap(history, item, Cause.NOT_IN_HISTORY if best_effort else Cause.NOT_COUNTED)
            continue
        missing += _of_account(account)
        lost = account.sent - item.stored
        for budget in budgets:
            if lost > 0 and budget.left and budget.over(account):
                values = min(lost, budget.left)
                budget.left -= values
                lost -= values
                laid.append((account, budget, values))
        for more in records.lay(lost, account, history):
            missing.append(more)
            lost -= more.values
        if lost > 0:
            cause = Cause.NOT_IN_HISTORY if best_effort else Cause.UNEXPLAINED
            missing.append(MissingValues(cause, lost, account.start_ms, account.end_ms))
    loose = [item for item in budgets if not item.spent]
    for account, budget, values in laid:
        certain = budget.exact and budget.spent and not any(item.over(account) for item in loose)
        missing.append(
            MissingValues(budget.cause, values, budget.start_ms, budget.end_ms, certain, budget.detail)
        )  # fmt: skip
    return missing


def _of_account(account: Account) -> Iterator[MissingValues]:
    times = account.start_ms, account.end_ms
    if account.missed:
        yield MissingValues(Cause.BUSY, account.missed, *times, certain=True)
    if account.blocked:
        yield MissingValues(Cause.BLOCKED, account.blocked, *times, certain=True)
    if account.overlaps:
        yield MissingValues(Cause.OVERLAP, 0, *times)


def _of_gap(history: DeviceHistory, counted: CountedSpan, unknown: Cause) -> Iterator[MissingValues]:
    """In a gap the rate gives what was due; a gateway that is down stores no more than a last record.

    `unknown`: the cause where the edge reported none.
    """
    span = counted.span
    if span.cause is None:
        return
    rate = rate_of(history, span.start_ms)
    values = max(round(rate * (span.end_ms - span.start_ms) / 1000) - counted.stored, 0)
    largest = max((account.largest for account in history.accounts), default=0)
    certain = span.cause in (Cause.DOWN, Cause.BLOCKED) and counted.stored <= largest and rate > 0
    if certain and not values:
        return
    cause = span.cause if certain or span.cause not in (Cause.DOWN, Cause.BLOCKED) else unknown
    cause = unknown if cause is Cause.NOT_COUNTED else cause
    yield MissingValues(cause, values, span.start_ms, span.end_ms, certain, edge=history.edge.name)


def _budgets(history: DeviceHistory, start_ms: int, end_ms: int) -> Iterator[_Budget]:
    """What the edge counted of this device, to the value, after the spool had it."""
    largest = max((entry.largest for entry in history.accounts), default=0)
    requeued = [entry.time_ms for entry in history.edge.events if entry.kind is EventKind.REQUEUED]
    for entry in latest_reports(history.events):
        inside = start_ms <= entry.start_ms and entry.end_ms < end_ms
        detail = _DROPS.get(entry.code, "")
        stored = min(entry.values, entry.in_flight * largest)
        yield _Budget(Cause.DROPPED, entry.start_ms, entry.end_ms, entry.values, detail, inside, stored)
    for entry in history.events:
        if entry.kind is EventKind.REJECTED:
            kept = not any(time_ms > entry.time_ms for time_ms in requeued)
            exact = kept and start_ms <= entry.start_ms and entry.end_ms < end_ms
            yield _Budget(Cause.REJECTED, entry.start_ms, entry.end_ms, entry.values, entry.text, exact)


def latest_reports(events: Sequence[EdgeEvent]) -> list[EdgeEvent]:
    """The last report of each stretch that a spool gave up: it includes the ones before."""
    latest: list[EdgeEvent] = []
    for event in events:
        if event.kind is EventKind.DROPPED and event.code != DropReason.blocked:
            latest = [
                earlier
                for earlier in latest
                if earlier.code != event.code
                or not (event.start_ms <= earlier.start_ms and earlier.end_ms <= event.end_ms)
                or earlier.records > event.records
            ]
            latest.append(event)
    return latest


def _unread(edge: Edge) -> Iterator[_Records]:
    """Records that a spool gave up and could not read."""
    for event in latest_reports(edge.events):
        if event.unread:
            times = event.start_ms - _EARLIER_MS, event.end_ms + _LATER_MS
            detail = _DROPS.get(event.code, "")
            yield _Records(Cause.DROPPED, *times, event.unread, event.unread, detail)


def _kept(edge: Edge) -> Iterator[_Records]:
    """Records that wait on the edge, for one reason or another."""
    oldest_ms = edge.status.oldest_ms if edge.status is not None else 0
    for cause, records in kept_records(edge).items():
        since_ms = oldest_ms if cause in (Cause.DEFERRED, Cause.WAITING) else 0
        yield _Records(cause, since_ms, 2**62, records, records)


def kept_records(edge: Edge) -> Mapping[Cause, int]:
    """How many records are kept on the edge, by why; those that other edges hold are `HELD`."""
    kept = {Cause.HELD: edge.held}
    if edge.status is not None:
        kept = {
            Cause.DEFERRED: edge.status.deferred,
            Cause.QUARANTINED: edge.status.quarantined,
            Cause.WAITING: edge.status.waiting,
            **kept,
        }
    return {cause: records for cause, records in kept.items() if records}
