"""Compares the accounts of edges with what a store has, down to the account in which something is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import NamedTuple

from cloud.audit.account_spans import Span, covered_spans
from cloud.audit.attribution import CountedSpan, EdgeRecords, explain, kept_records
from cloud.audit.causes import SINGLE_ENTRY, Cause, MissingValues, Verdict
from cloud.audit.loader import KnownDevice, by_edge, is_removed, read_edge, read_history
from cloud.audit.model import Account, DeviceHistory, Edge
from cloud.audit.repeated_serve_counts import find_duplicates
from qilu.contract.accounting import EventKind
from qilu.contract.profile import SERVE_COUNTER
from qilu.contract.reading import DeviceKey, Quality, Reason
from qilu.stores.interfaces import Reader

MAX_QUESTIONS = 400
"""Counts of one device that a store is asked for; where it would take more, accounts are judged together."""


class OfflinePeriod(NamedTuple):
    """When a device did not answer."""

    start_ms: int
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
    start_ms: int
    end_ms: int
    expected: int = 0
    suppressed: int = 0
    good: int = 0
    uncertain: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)
    missing: list[MissingValues] = field(default_factory=list)
    surplus: int = 0
    """Values that the store has and that no account lists."""
    duplicates: int | None = None
    """Serve counters stored under two times; None where the device has no such counter."""
    texts: int = 0
    """Texts that were sent to a store which has no place for them; they are not expected."""
    offline: list[OfflinePeriod] = field(default_factory=list)
    clock_steps: list[ClockStep] = field(default_factory=list)
    kept: Mapping[Cause, int] = field(default_factory=dict)
    """Records of all devices that its edge keeps, by why."""
    has_accounting: bool = True
    """False: the store has no account of this time, so nothing is known."""

    @property
    def unexplained(self) -> int:
        """Values that are missing without a cause."""
        return sum(missing.values for missing in self.missing if not missing.explained)

    @property
    def verdict(self) -> Verdict:
        """What is known of the device in this time; in doubt it is not known."""
        if self.unexplained or self.surplus or self.duplicates:
            return Verdict.INCOMPLETE
        if not self.has_accounting or any(not missing.certain for missing in self.missing):
            return Verdict.NOT_KNOWN
        return Verdict.COMPLETE


@dataclass(frozen=True, slots=True)
class UnknownDevices:
    """An edge that collects from more devices than the store has reporting of."""

    edge: str
    devices: int
    known: int


@dataclass(frozen=True, slots=True)
class Audit:
    findings: Sequence[Finding]
    unknown: Sequence[UnknownDevices] = ()

    @property
    def complete(self) -> bool:
        """Whether every value of all that was asked for is accounted for with certainty."""
        whole = all(finding.verdict is Verdict.COMPLETE for finding in self.findings)
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
    edges_by_name = {
        name: await read_edge(reader, name, start_ms, end_ms) for name in known if _reports(known[name])
    }
    findings: list[Finding] = []
    unknown: list[UnknownDevices] = []
    for name, devices in known.items():
        edge = _with_held(edges_by_name.get(name, Edge(name)), edges_by_name.values())
        records = EdgeRecords(edge)
        reporting = 0
        for device, known_device in sorted(devices.items()):
            if only and device not in only:
                continue
            finding = await _device(reader, edge, records, device, known_device, start_ms, end_ms)
            if finding is not None:
                findings.append(finding)
                reporting += known_device.collected_ms is not None
        configured = edge.status.devices if edge.status else 0
        if not only and configured > reporting:
            unknown.append(UnknownDevices(name, configured, reporting))
    return Audit(findings, unknown)


def _reports(devices: Mapping[str, KnownDevice]) -> bool:
    """Whether an edge keeps accounts; whoever writes without any costs no question."""
    return not devices or any(device.collected_ms is not None for device in devices.values())


def _with_held(edge: Edge, edges: Iterable[Edge]) -> Edge:
    held = sum(other.status.held for other in edges if other.status and other.name != edge.name)
    return replace(edge, held=held)


async def _device(
    reader: Reader,
    edge: Edge,
    records: EdgeRecords,
    device: str,
    known: KnownDevice,
    start_ms: int,
    end_ms: int,
) -> Finding | None:
    """None where its edge reported before this time that it does not collect from the device any more."""
    key = DeviceKey(edge.name, device)
    if known.collected_ms is None:
        return Finding(device, edge.name, start_ms, end_ms, has_accounting=False)
    if known.collected_ms < start_ms and await is_removed(reader, key, known.collected_ms):
        return None
    history = await read_history(reader, device, edge, start_ms, end_ms)
    return await _DeviceAudit(reader, history, known.profiles).run(records, start_ms, end_ms)


class _DeviceAudit:
    def __init__(self, reader: Reader, history: DeviceHistory, profiles: Sequence[str]) -> None:
        self._reader = reader
        self._history = history
        self._profiles = profiles
        self._device = DeviceKey(history.edge.name, history.device)
        self._counts: Counter[Reason | None] = Counter()
        self._questions = 0

    async def run(self, records: EdgeRecords, start_ms: int, end_ms: int) -> Finding:
        history = self._history if self._reader.has_texts else _without_texts(self._history)
        parts = covered_spans(history, start_ms, end_ms)
        span_start = parts[0].start_ms if parts else start_ms
        end = parts[-1].end_ms if parts else end_ms
        finding = Finding(history.device, history.edge.name, span_start, end, has_accounting=bool(parts))
        finding.kept = {} if self._reader.best_effort else kept_records(history.edge)
        counted = await self._counted(parts)
        if not parts:
            self._counts = await self._ask(span_start, end)
        finding.missing = _joined(explain(history, counted, records, best_effort=self._reader.best_effort))
        _fill(finding, counted, self._counts)
        if not self._reader.has_texts:
            finding.texts = sum(
                entry.texts for entry in self._history.accounts if span_start <= entry.start_ms < end
            )
        if SERVE_COUNTER in await self._reader.points(self._device):
            samples = await self._reader.samples(self._device, SERVE_COUNTER, span_start, end)
            offline_ms = [
                entry.time_ms
                for entry in history.events
                if entry.kind in (EventKind.OFFLINE, EventKind.ONLINE)
            ]
            finding.duplicates = len(find_duplicates(samples, offline_ms))
        finding.offline = [*_offline(history, span_start, end)]
        finding.clock_steps = [*_clock_steps(history, span_start, end)]
        return finding

    async def _counted(self, parts: Sequence[Span]) -> list[CountedSpan]:
        """What the store has of each stretch; accounts that follow each other are asked for together."""
        counted: list[CountedSpan] = []
        run: list[Span] = []
        for part in parts:
            if part.account is not None:
                run.append(part)
                continue
            counted += await self._of_run(run)
            run = []
            counted.append(CountedSpan(part, self._keep(await self._ask(part.start_ms, part.end_ms))))
        return counted + await self._of_run(run)

    async def _of_run(self, run: Sequence[Span]) -> list[CountedSpan]:
        """Halves a run until every account is either right in sum with others, or alone."""
        if not run:
            return []
        start_ms, end = run[0].start_ms, run[-1].end_ms
        counts = await self._ask(start_ms, end)
        sent = sum(span.account.sent for span in run if span.account)
        if counts.total() != sent and len(run) > 1 and self._questions < MAX_QUESTIONS:
            middle = len(run) // 2
            return [*await self._of_run(run[:middle]), *await self._of_run(run[middle:])]
        if counts.total() != sent:  # a store that is being written shows what it had not shown a moment ago
            counts = await self._ask(start_ms, end)
        stored = self._keep(counts)
        if stored == sent:
            return [CountedSpan(span, span.account.sent) for span in run if span.account]
        whole = reduce(Account.joined, (span.account for span in run if span.account))
        return [CountedSpan(Span(start_ms, end, whole), stored)]

    def _keep(self, counts: Counter[Reason | None]) -> int:
        self._counts.update(counts)
        return counts.total()

    async def _ask(self, start_ms: int, end_ms: int) -> Counter[Reason | None]:
        counts: Counter[Reason | None] = Counter()
        for profile in self._profiles:
            self._questions += 1
            counts.update(await self._reader.count(self._device, profile, start_ms, end_ms))
        return counts


def _without_texts(history: DeviceHistory) -> DeviceHistory:
    """As a store without a place for texts sees it."""
    accounts = [
        replace(account, expected=account.expected - account.texts, texts=0) for account in history.accounts
    ]
    return replace(history, accounts=accounts)


def _fill(finding: Finding, counted: Sequence[CountedSpan], counts: Counter[Reason | None]) -> None:
    """The sums of a finding that has all that is missing."""
    finding.good = counts[None]
    finding.bad = {
        str(entry): counts[entry] for entry in Reason if counts[entry] and entry.quality is Quality.BAD
    }  # fmt: skip
    finding.uncertain = counts.total() - finding.good - sum(finding.bad.values())
    accounts = [(entry.span.account, entry.stored) for entry in counted if entry.span.account is not None]
    finding.suppressed = sum(account.suppressed for account, _ in accounts)
    finding.surplus = sum(max(stored - account.sent, 0) for account, stored in accounts)
    missing = sum(entry.values for entry in finding.missing)
    finding.expected = counts.total() + finding.suppressed + missing - finding.surplus


def _joined(missing: Iterable[MissingValues]) -> list[MissingValues]:
    """One entry for each cause, in the order of time."""
    merged: dict[tuple[object, ...], MissingValues] = {}
    for entry in missing:
        place = () if entry.cause in SINGLE_ENTRY else (entry.start_ms, entry.end_ms)
        key = (entry.cause, entry.detail, entry.certain, *place)
        known = merged.get(key)
        merged[key] = entry if known is None else known.joined(entry)
    return sorted(merged.values(), key=lambda entry: entry.start_ms)


def _offline(history: DeviceHistory, start_ms: int, end_ms: int) -> Iterator[OfflinePeriod]:
    """When the device did not answer; a start of the gateway asks it anew."""
    reached_ms = 0
    for event in history.events:
        if event.kind is EventKind.OFFLINE and event.time_ms >= reached_ms:
            reached_ms = min(
                (time for time in _online_times(history) if time > event.time_ms), default=end_ms
            )
            if event.time_ms < end_ms and reached_ms > start_ms:
                yield OfflinePeriod(event.time_ms, reached_ms, _reason(event.code))


def _online_times(history: DeviceHistory) -> Iterator[int]:
    """When it answered, or was about to be polled again; where the record of that was lost, accounts have
    it."""
    yield from (entry.time_ms for entry in history.events if entry.kind is EventKind.ONLINE)
    yield from (entry.time_ms for entry in history.edge.events if entry.kind is EventKind.STARTED)
    yield from (entry.start_ms for entry in history.accounts if entry.expected and not entry.offline_s)


def _reason(code: int) -> Reason | None:
    try:
        return Reason.of_code(code)
    except ValueError:
        return None


def _clock_steps(history: DeviceHistory, start_ms: int, end_ms: int) -> Iterator[ClockStep]:
    for event in history.edge.events:
        if event.kind is EventKind.CLOCK_STEPPED and start_ms <= event.time_ms < end_ms:
            yield ClockStep(event.time_ms, (event.end_ms - event.start_ms) / 1000)
