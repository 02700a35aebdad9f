"""Compares the accounts of edges with what a store has, down to the account in which something is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.audit.books import Account, Books
from cloud.audit.reading import by_edge, read_books, read_edge
from cloud.audit.stretches import stretches
from cloud.audit.twice import COUNTER, stored_twice
from cloud.audit.verdict import Missing, Verdict, at, of_account, of_gap, span
from qilu.contract.completeness import EventKind
from qilu.contract.reading import DeviceKey, Quality, Reason
from qilu.stores.components import Reader


@dataclass(slots=True)
class Finding:
    """One device in a time. All figures are values: points x turns.

    expected = good + uncertain + bad + suppressed + missing - surplus
    """

    device: str
    edge: str
    begin_ms: int
    end_ms: int
    expected: int = 0
    suppressed: int = 0
    good: int = 0
    uncertain: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    surplus: int = 0
    """Values that the store has and that no account tells of."""
    twice: int | None = None
    """Serve counters stored under two times; None where the device has no such counter."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: when it was offline, when the clock was set."""
    accounted: bool = True
    """False: its edge keeps no accounts, so nothing can be said."""

    @property
    def unexplained(self) -> int:
        return sum(one.values for one in self.missing if not one.explained)

    @property
    def sound(self) -> bool:
        """Whether every value is where it should be, or it is known why not."""
        return not self.unexplained and not self.surplus and not self.twice


async def audit(reader: Reader, start_ms: int, end_ms: int, only: Collection[str] = ()) -> list[Finding]:
    """What is found of every device, or of `only` these, by edge and device."""
    findings = []
    for name, devices in sorted(by_edge(await reader.devices()).items()):
        wanted = {device: profiles for device, profiles in devices.items() if not only or device in only}
        if not wanted:
            continue
        edge = await read_edge(reader, name, start_ms, end_ms)
        for device, profiles in sorted(wanted.items()):
            books = await read_books(reader, device, edge, start_ms, end_ms)
            findings.append(await _Audit(reader, books, profiles).run(start_ms, end_ms))
    return findings


class _Audit:
    """One device."""

    def __init__(self, reader: Reader, books: Books, profiles: Sequence[str]) -> None:
        self._reader = reader
        self._books = books
        self._profiles = profiles
        self._device = DeviceKey(books.edge.name, books.device)

    async def run(self, start_ms: int, end_ms: int) -> Finding:
        books = self._books
        parts = stretches(books, start_ms, end_ms)
        begin = parts[0].begin_ms if parts else start_ms
        end = parts[-1].end_ms if parts else end_ms
        finding = Finding(books.device, books.edge.name, begin, end, accounted=bool(parts))
        counts = await self._counts(begin, end)
        finding.good = counts[None]
        finding.bad = {str(one): counts[one] for one in Reason if counts[one] and _is_bad(one)}
        finding.uncertain = counts.total() - finding.good - sum(finding.bad.values())
        before: Account | None = None
        for part in parts:
            if part.accounts:
                for verdict in await self._verdicts(part.accounts):
                    _take(finding, verdict)
                before = part.accounts[-1]
            else:
                stored = await self._stored(part.begin_ms, part.end_ms)
                _take(finding, of_gap(books, part, stored, before))
        if parts:
            missing = sum(one.values for one in finding.missing)
            finding.surplus = counts.total() + finding.suppressed + missing - finding.expected
        finding.missing = _joined(finding.missing)
        if COUNTER in await self._reader.points(self._device):
            samples = await self._reader.samples(self._device, COUNTER, begin, end)
            away = [one.time_ms for one in books.events if one.kind in (EventKind.OFFLINE, EventKind.ONLINE)]
            finding.twice = len(stored_twice(samples, away))
        finding.notes = [*_offline(books, begin, end), *_clock_steps(books, begin, end)]
        return finding

    async def _verdicts(self, accounts: Sequence[Account]) -> list[Verdict]:
        """Halves the run until every account is either right in sum with others, or alone."""
        stored = await self._stored(accounts[0].begin_ms, accounts[-1].end_ms)
        if len(accounts) == 1:
            return [of_account(self._books, accounts[0], stored)]
        if stored == sum(account.sent for account in accounts):
            return [of_account(self._books, account, account.sent) for account in accounts]
        middle = len(accounts) // 2
        return [*await self._verdicts(accounts[:middle]), *await self._verdicts(accounts[middle:])]

    async def _stored(self, begin_ms: int, end_ms: int) -> int:
        return (await self._counts(begin_ms, end_ms)).total()

    async def _counts(self, begin_ms: int, end_ms: int) -> Counter[Reason | None]:
        found: Counter[Reason | None] = Counter()
        for profile in self._profiles:
            found.update(await self._reader.count(self._device, profile, begin_ms, end_ms))
        return found


def _take(finding: Finding, verdict: Verdict) -> None:
    finding.expected += verdict.expected
    finding.suppressed += verdict.suppressed
    finding.missing += verdict.missing


def _joined(missing: Iterable[Missing]) -> list[Missing]:
    """One entry for each cause; what is unexplained, or came of a busy endpoint, with the time around it."""
    found: dict[tuple[str, int, int], Missing] = {}
    for one in missing:
        wide = not one.explained or one.why.startswith("skipped")
        key = (one.why, 0, 0) if wide else (one.why, one.begin_ms, one.end_ms)
        known = found.get(key)
        found[key] = one if known is None else known.with_more(one)
    return sorted(found.values(), key=lambda one: one.begin_ms)


def _is_bad(reason: Reason) -> bool:
    return reason.quality is Quality.BAD


def _offline(books: Books, begin_ms: int, end_ms: int) -> list[str]:
    """When the device did not answer; a start of the gateway asks it anew."""
    found: list[str] = []
    reached_ms = 0
    for one in books.events:
        if one.kind is EventKind.OFFLINE and one.time_ms >= reached_ms:
            reached_ms = min((time for time in _back(books) if time > one.time_ms), default=end_ms)
            if one.time_ms < end_ms and reached_ms > begin_ms:
                found.append(f"device offline {span(one.time_ms, reached_ms)}{_reason(one.detail)}")
    return found


def _back(books: Books) -> Iterator[int]:
    """When it answered, or was about to be asked anew; where what told of that was lost, accounts know it."""
    yield from (one.time_ms for one in books.events if one.kind is EventKind.ONLINE)
    yield from (one.time_ms for one in books.edge.events if one.kind is EventKind.STARTED)
    yield from (one.begin_ms for one in books.accounts if one.expected and not one.offline_s)


def _reason(code: int) -> str:
    try:
        return f" ({Reason.of_code(code)})"
    except ValueError:
        return ""


def _clock_steps(books: Books, begin_ms: int, end_ms: int) -> list[str]:
    return [
        f"clock of {books.edge.name} set by {(one.end_ms - one.begin_ms) / 1000:+.1f} s at {at(one.time_ms)}"
        for one in books.edge.events
        if one.kind is EventKind.CLOCK_STEPPED and begin_ms <= one.time_ms < end_ms
    ]
