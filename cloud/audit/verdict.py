"""Explains what is missing in a stretch of time from what happened meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.audit.books import Account, Books, Happening
from cloud.audit.stretches import PATIENCE_MS, Stretch, rate_of
from qilu.contract.completeness import DropReason, EventKind

UNEXPLAINED = "unexplained"
_EARLIER_MS = 30_000
"""A record may be written to the spool so long after its values were read."""
_LATER_MS = 2_000
_DROPS = {reason.value: reason.name for reason in DropReason}


@dataclass(frozen=True, slots=True)
class Missing:
    """Values that are not in the store, and why; the time is that of the cause."""

    values: int
    why: str
    begin_ms: int
    end_ms: int

    @property
    def explained(self) -> bool:
        return not self.why.startswith(UNEXPLAINED)

    def with_more(self, other: Missing) -> Missing:
        """Both together, of the same cause."""
        begin, end = min(self.begin_ms, other.begin_ms), max(self.end_ms, other.end_ms)
        return Missing(self.values + other.values, self.why, begin, end)

    def __str__(self) -> str:
        return f"{self.values} {self.why} {span(self.begin_ms, self.end_ms)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One stretch: what was due, what was left out on purpose, and what is missing, cause by cause."""

    expected: int
    suppressed: int
    missing: Sequence[Missing]


def of_account(books: Books, account: Account, stored: int) -> Verdict:
    """An account tells exactly what the store should have; `stored`: what it has of that time."""
    lost = account.sent - stored
    found = []
    if account.missed:
        found.append(Missing(account.missed, "skipped: endpoint busy", account.begin_ms, account.end_ms))
    if lost > 0:
        span_ms = max(account.end_ms - account.begin_ms, 1)

        def due(begin_ms: int, end_ms: int) -> float:
            return account.expected * (end_ms - begin_ms) / span_ms

        turn = max((one.points for one in books.schedules), default=account.expected)
        causes = [*_after_spooling(books, account.begin_ms, account.end_ms, due, turn)]
        found += _shared(lost, causes, account.begin_ms, account.end_ms)
    return Verdict(max(account.expected, account.expected - lost), account.suppressed, found)


def of_gap(books: Books, gap: Stretch, stored: int, before: Account | None) -> Verdict:
    """In a gap the schedule tells what was due, to within a turn or two. `before`: the account before it."""
    expected, slack = rate_of(books, gap.begin_ms, gap.end_ms)
    missing = round(expected) - stored
    if missing <= 0:
        return Verdict(stored, 0, [])

    def due(begin_ms: int, end_ms: int) -> float:
        return rate_of(books, begin_ms, end_ms)[0]

    causes = [
        *_down(books, gap, due, slack),
        *_after_spooling(books, gap.begin_ms, gap.end_ms, due, slack),
        *_uncounted(books, gap, due, before),
        *_unheard(books, gap, due, slack),
    ]
    found = _shared(missing, causes, gap.begin_ms, gap.end_ms)
    rest = sum(one.values for one in found if not one.explained)
    if rest <= slack:  # no more than the schedule may be off
        found = [one for one in found if one.explained]
        missing -= rest
    return Verdict(stored + missing, 0, found)


_Due = Callable[[int, int], float]
"""Values that were due from one time (ms) to another."""


@dataclass(frozen=True, slots=True)
class _Cause:
    why: str
    begin_ms: int
    end_ms: int
    most: float
    """Values that it can explain."""


def _shared(missing: int, causes: Sequence[_Cause], begin_ms: int, end_ms: int) -> list[Missing]:
    """`missing` values laid to the causes in their order; the rest is unexplained."""
    found = []
    for cause in causes:
        values = min(missing, round(cause.most))
        if values > 0:
            found.append(Missing(values, cause.why, cause.begin_ms, cause.end_ms))
            missing -= values
    if missing > 0:
        found.append(Missing(missing, UNEXPLAINED, begin_ms, end_ms))
    return found


def _down(books: Books, gap: Stretch, due: _Due, slack: int) -> Iterator[_Cause]:
    """Between two runs of the gateway."""
    for one in books.edge.events:
        if one.kind is not EventKind.STARTED or not gap.begin_ms < one.time_ms <= gap.end_ms:
            continue
        known = one.begin_ms < one.time_ms
        begin = max(one.begin_ms, gap.begin_ms) if known else gap.begin_ms
        # The mark that tells when it was last alive is a second old at most.
        earlier = max(begin - 1000, gap.begin_ms)
        yield _Cause("gateway down", begin, one.time_ms, due(earlier, one.time_ms) + slack)


def _after_spooling(books: Books, begin_ms: int, end_ms: int, due: _Due, slack: int) -> Iterator[_Cause]:
    """What can happen to records: given up, refused, or not sent yet."""
    for one in _last_told(books.edge.events):
        begin, end = max(one.begin_ms - _EARLIER_MS, begin_ms), min(one.end_ms + _LATER_MS, end_ms)
        if begin < end:
            name = _DROPS.get(one.detail, "for a reason that a newer version knows")
            most = due(begin, end) + slack
            yield _Cause(f"dropped by spool ({name})", one.begin_ms, one.end_ms, most)
    for one in books.events:
        if one.kind is EventKind.REJECTED and one.begin_ms < end_ms and one.end_ms >= begin_ms:
            why = f"rejected by store ({one.text})" if one.text else "rejected by store"
            yield _Cause(why, one.begin_ms, one.end_ms, one.records * slack)
    if books.edge.backlog and books.edge.heard_ms is not None:
        why = f"not delivered yet: {books.edge.backlog} records wait on {books.edge.name}"
        yield _Cause(why, begin_ms, end_ms, books.edge.backlog * slack)


def _last_told(events: Sequence[Happening]) -> list[Happening]:
    """The last telling of each stretch that a spool gave up: it includes the ones before."""
    found: list[Happening] = []
    for one in events:
        if one.kind is EventKind.DROPPED:
            same = [f for f in found if f.detail == one.detail and f.begin_ms >= one.begin_ms - 1000]
            found = [f for f in found if f not in same or f.end_ms > one.end_ms + 1000]
            found.append(one)
    return found


def _uncounted(books: Books, gap: Stretch, due: _Due, before: Account | None) -> Iterator[_Cause]:
    """The last account before a kill is lost: what a processor left out by then, nobody can tell any more.

    It is measured by the accounts around the gap: a gateway that dies again and again has none inside it.
    """
    after = next((one for one in books.accounts if one.begin_ms >= gap.end_ms), None)
    share = max(_left_out(one) for one in (before, after))
    since = gap.begin_ms
    for one in books.edge.events:
        if share and one.kind is EventKind.STARTED and gap.begin_ms < one.time_ms <= gap.end_ms:
            most = due(since, one.begin_ms) * min(1.0, 1.2 * share + 0.05)
            yield _Cause("not counted: gateway was killed", since, one.begin_ms, most)
            since = one.time_ms


def _left_out(account: Account | None) -> float:
    """The part of the values that were due which was not sent."""
    return 0.0 if account is None else (account.suppressed + account.missed) / max(account.expected, 1)


def _unheard(books: Books, gap: Stretch, due: _Due, slack: int) -> Iterator[_Cause]:
    """Since the edge went silent it may be down, or cut off and keep everything."""
    edge = books.edge
    if edge.heard_ms is None or edge.heard_ms < gap.end_ms - PATIENCE_MS:
        since = gap.begin_ms if edge.heard_ms is None else max(edge.heard_ms, gap.begin_ms)
        said_so = bool(edge.events) and edge.events[-1].kind is EventKind.STOPPED
        why = "gateway stopped" if said_so else f"{edge.name} not heard"
        yield _Cause(why, since, gap.end_ms, due(since, gap.end_ms) + slack)


def at(time_ms: int) -> str:
    """A moment in UTC, for people; the milliseconds where it is beyond the years 1 to 9999."""
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def span(begin_ms: int, end_ms: int) -> str:
    """`11-23 02:10:05-05:10:00Z` in UTC, with both dates where they differ."""
    begin, end = at(begin_ms).removesuffix("Z"), at(end_ms)
    return f"{begin}-{end.removeprefix(begin[:6])}"
