"""Compares the accounts of edges with what a store has, down to the account in which something is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import NamedTuple

from cloud.audit.attribution import Counted, EdgeRecords, explain, kept_records
from cloud.audit.causes import ONE_ENTRY, Cause, Missing, Verdict
from cloud.audit.coverage import Stretch, stretches
from cloud.audit.duplicates import COUNTER, stored_twice
from cloud.audit.loader import Known, by_edge, is_removed, read_books, read_edge
from cloud.audit.model import Account, Books, Edge
from qilu.contract.accounting import EventKind
from qilu.contract.reading import DeviceKey, Quality, Reason
from qilu.stores.interfaces import Reader

MAX_QUESTIONS = 400
"""Counts of one device that a store is asked for; where it would take more, accounts are judged together."""


class Offline(NamedTuple):
    """When a device did not answer."""

    begin_ms: int
    end_ms: int
    reason: Reason | None


class ClockStep(NamedTuple):
    """When the clock of an edge was set, and by how many seconds."""

    time_ms: int
    seconds: float


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
    texts: int = 0
    """Texts that were sent to a store which has no place for them; they are not expected."""
    offline: list[Offline] = field(default_factory=list)
    clock_steps: list[ClockStep] = field(default_factory=list)
    kept: Mapping[Cause, int] = field(default_factory=dict)
    """Records of all devices that its edge keeps, by why."""
    accounted: bool = True
    """False: the store has no account of this time, so nothing can be said."""

    @property
    def unexplained(self) -> int:
        """Values that are missing without a cause."""
        return sum(one.values for one in self.missing if not one.explained)

    @property
    def verdict(self) -> Verdict:
        """What can be said of the device in this time; it errs towards not known."""
        if self.unexplained or self.surplus or self.twice:
            return Verdict.INCOMPLETE
        if not self.accounted or any(not one.certain for one in self.missing):
            return Verdict.NOT_KNOWN
        return Verdict.COMPLETE


@dataclass(frozen=True, slots=True)
class UnknownDevices:
    """An edge that collects from more devices than the store has heard of."""

    edge: str
    devices: int
    known: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was found."""

    findings: Sequence[Finding]
    unknown: Sequence[UnknownDevices] = ()

    @property
    def complete(self) -> bool:
        """Whether every value of all that was asked for is accounted for with certainty."""
        whole = all(one.verdict is Verdict.COMPLETE for one in self.findings)
        return bool(self.findings) and whole and not self.unknown


async def audit(
    reader: Reader, start_ms: int, end_ms: int, only: Collection[str] = (), edges: Collection[str] = ()
) -> Audit:
    """What is found of every device, or of `only` these and these `edges`, by edge and device."""
    known = {
        name: devices
        for name, devices in sorted(by_edge(await reader.devices()).items())
        if not edges or name in edges
    }
    found = {name: await read_edge(reader, name, start_ms, end_ms) for name in known if _reports(known[name])}
    findings: list[Finding] = []
    unknown: list[UnknownDevices] = []
    for name, devices in known.items():
        edge = _with_held(found.get(name, Edge(name)), found.values())
        records = EdgeRecords(edge)
        heard = 0
        for device, one in sorted(devices.items()):
            if only and device not in only:
                continue
            finding = await _device(reader, edge, records, device, one, start_ms, end_ms)
            if finding is not None:
                findings.append(finding)
                heard += one.collected_ms is not None
        configured = edge.status.devices if edge.status else 0
        if not only and configured > heard:
            unknown.append(UnknownDevices(name, configured, heard))
    return Audit(findings, unknown)


def _reports(devices: Mapping[str, Known]) -> bool:
    """Whether an edge keeps accounts; whoever writes without any costs no question."""
    return not devices or any(one.collected_ms is not None for one in devices.values())


def _with_held(edge: Edge, others: Iterable[Edge]) -> Edge:
    held = sum(one.status.held for one in others if one.status and one.name != edge.name)
    return replace(edge, held=held)


async def _device(
    reader: Reader, edge: Edge, records: EdgeRecords, device: str, known: Known, start_ms: int, end_ms: int
) -> Finding | None:
    """None where its edge reported before this time that it does not collect from the device any more."""
    key = DeviceKey(edge.name, device)
    if known.collected_ms is None:
        return Finding(device, edge.name, start_ms, end_ms, accounted=False)
    if known.collected_ms < start_ms and await is_removed(reader, key, known.collected_ms):
        return None
    books = await read_books(reader, device, edge, start_ms, end_ms)
    return await _Counting(reader, books, known.profiles).run(records, start_ms, end_ms)


class _Counting:
    """One device."""

    def __init__(self, reader: Reader, books: Books, profiles: Sequence[str]) -> None:
        self._reader = reader
        self._books = books
        self._profiles = profiles
        self._device = DeviceKey(books.edge.name, books.device)
        self._counts: Counter[Reason | None] = Counter()
        self._questions = 0

    async def run(self, records: EdgeRecords, start_ms: int, end_ms: int) -> Finding:
        books = self._books if self._reader.has_texts else _without_texts(self._books)
        parts = stretches(books, start_ms, end_ms)
        begin = parts[0].begin_ms if parts else start_ms
        end = parts[-1].end_ms if parts else end_ms
        finding = Finding(books.device, books.edge.name, begin, end, accounted=bool(parts))
        finding.kept = kept_records(books.edge)
        counted = await self._counted(parts)
        if not parts:
            self._counts = await self._ask(begin, end)
        finding.missing = _joined(explain(books, counted, records))
        _fill(finding, counted, self._counts)
        if not self._reader.has_texts:
            finding.texts = sum(one.texts for one in self._books.accounts if begin <= one.begin_ms < end)
        if COUNTER in await self._reader.points(self._device):
            samples = await self._reader.samples(self._device, COUNTER, begin, end)
            away = [one.time_ms for one in books.events if one.kind in (EventKind.OFFLINE, EventKind.ONLINE)]
            finding.twice = len(stored_twice(samples, away))
        finding.offline = [*_offline(books, begin, end)]
        finding.clock_steps = [*_clock_steps(books, begin, end)]
        return finding

    async def _counted(self, parts: Sequence[Stretch]) -> list[Counted]:
        """What the store has of each stretch; accounts that follow each other are asked for together."""
        found: list[Counted] = []
        run: list[Stretch] = []
        for part in parts:
            if part.account is not None:
                run.append(part)
                continue
            found += await self._of_run(run)
            run = []
            found.append(Counted(part, self._keep(await self._ask(part.begin_ms, part.end_ms))))
        return found + await self._of_run(run)

    async def _of_run(self, run: Sequence[Stretch]) -> list[Counted]:
        """Halves a run until every account is either right in sum with others, or alone."""
        if not run:
            return []
        begin, end = run[0].begin_ms, run[-1].end_ms
        counts = await self._ask(begin, end)
        sent = sum(one.account.sent for one in run if one.account)
        if counts.total() != sent and len(run) > 1 and self._questions < MAX_QUESTIONS:
            middle = len(run) // 2
            return [*await self._of_run(run[:middle]), *await self._of_run(run[middle:])]
        if counts.total() != sent:  # a store that is being written shows what it had not shown a moment ago
            counts = await self._ask(begin, end)
        stored = self._keep(counts)
        if stored == sent:
            return [Counted(one, one.account.sent) for one in run if one.account]
        whole = reduce(Account.joined, (one.account for one in run if one.account))
        return [Counted(Stretch(begin, end, whole), stored)]

    def _keep(self, counts: Counter[Reason | None]) -> int:
        self._counts.update(counts)
        return counts.total()

    async def _ask(self, begin_ms: int, end_ms: int) -> Counter[Reason | None]:
        found: Counter[Reason | None] = Counter()
        for profile in self._profiles:
            self._questions += 1
            found.update(await self._reader.count(self._device, profile, begin_ms, end_ms))
        return found


def _without_texts(books: Books) -> Books:
    """As a store without a place for texts sees it."""
    accounts = [replace(one, expected=one.expected - one.texts, texts=0) for one in books.accounts]
    return replace(books, accounts=accounts)


def _fill(finding: Finding, counted: Sequence[Counted], counts: Counter[Reason | None]) -> None:
    """The sums of a finding that has all that is missing."""
    finding.good = counts[None]
    finding.bad = {
        str(one): counts[one] for one in Reason if counts[one] and one.quality is Quality.BAD
    }  # fmt: skip
    finding.uncertain = counts.total() - finding.good - sum(finding.bad.values())
    accounts = [(one.stretch.account, one.stored) for one in counted if one.stretch.account is not None]
    finding.suppressed = sum(account.suppressed for account, _ in accounts)
    finding.surplus = sum(max(stored - account.sent, 0) for account, stored in accounts)
    missing = sum(one.values for one in finding.missing)
    finding.expected = counts.total() + finding.suppressed + missing - finding.surplus


def _joined(missing: Iterable[Missing]) -> list[Missing]:
    """One entry for each cause, in the order of time."""
    found: dict[tuple[object, ...], Missing] = {}
    for one in missing:
        place = () if one.cause in ONE_ENTRY else (one.begin_ms, one.end_ms)
        key = (one.cause, one.detail, one.certain, *place)
        known = found.get(key)
        found[key] = one if known is None else known.joined(one)
    return sorted(found.values(), key=lambda one: one.begin_ms)


def _offline(books: Books, begin_ms: int, end_ms: int) -> Iterator[Offline]:
    """When the device did not answer; a start of the gateway asks it anew."""
    reached_ms = 0
    for one in books.events:
        if one.kind is EventKind.OFFLINE and one.time_ms >= reached_ms:
            reached_ms = min((time for time in _back(books) if time > one.time_ms), default=end_ms)
            if one.time_ms < end_ms and reached_ms > begin_ms:
                yield Offline(one.time_ms, reached_ms, _reason(one.detail))


def _back(books: Books) -> Iterator[int]:
    """When it answered, or was about to be asked anew; where what told of that was lost, accounts know it."""
    yield from (one.time_ms for one in books.events if one.kind is EventKind.ONLINE)
    yield from (one.time_ms for one in books.edge.events if one.kind is EventKind.STARTED)
    yield from (one.begin_ms for one in books.accounts if one.expected and not one.offline_s)


def _reason(code: int) -> Reason | None:
    try:
        return Reason.of_code(code)
    except ValueError:
        return None


def _clock_steps(books: Books, begin_ms: int, end_ms: int) -> Iterator[ClockStep]:
    for one in books.edge.events:
        if one.kind is EventKind.CLOCK_STEPPED and begin_ms <= one.time_ms < end_ms:
            yield ClockStep(one.time_ms, (one.end_ms - one.begin_ms) / 1000)
