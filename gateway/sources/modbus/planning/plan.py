"""The read plan: which requests read a poll group of a device, and how each reply becomes a reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from gateway.interfaces import PlannedRequest
from gateway.sources.modbus.planning import compatibility as fitting
from gateway.sources.modbus.planning.blocks import (
    ASCII_FRAMED,
    REQUEST_OVERHEAD_BYTES,
    RTU_FRAMED,
    TCP_FRAMED,
    Span,
    data_bytes,
    optimal_spans,
)
from gateway.sources.modbus.settings import DeviceSettings, Framing
from qilu.contract.errors import ConfigError
from qilu.contract.profile import AddressRange, DeviceProfile, Point, PointRef, Table
from qilu.contract.reading import BlockSchema, Origin, Reading, Reason
from qilu.contract.registers import compile_block
from qilu.modbus.pdu import read_request, wide_read_request

_FRAMED = {"tcp": TCP_FRAMED, "rtu": RTU_FRAMED, "ascii": ASCII_FRAMED}
_MAX_PATTERNS = 1000
_NOBODY = Origin("", "", "")


@dataclass(frozen=True, slots=True)
class LearnedLimits:
    """What is known of a device that its profile does not say; it only ever narrows the plan."""

    refused_points: Mapping[str, Reason] = field(default_factory=dict)
    """Points that the device refuses even when they are requested alone, and why."""
    unreadable: tuple[AddressRange, ...] = ()
    """Addresses between points that may not be read through."""
    max_block: Mapping[Table, int] = field(default_factory=dict)
    by_timeout: bool = False
    """Whether a part of it was learned from timeouts: then a retry costs a timeout."""


NOTHING_LEARNED = LearnedLimits()


def _of(columns: BlockSchema, origin: Origin) -> BlockSchema:
    return BlockSchema(origin, columns.group, columns.points)


class Block:
    """One request and what its reply means. `request` is the PDU, `columns` name the values of `codec`."""

    __slots__ = (
        "_bad",
        "_decode",
        "_none",
        "_parameters",
        "codec",
        "columns",
        "last_reply",
        "request",
        "span",
    )

    def __init__(self, span: Span, origin: Origin, group: str, parameters: Mapping[str, float]) -> None:
        self.span = span
        first = span.points[0]
        if first.address_bits > 16:  # alone in its span
            size = first.address_bits // 8
            self.request: bytes = wide_read_request(span.table.read_function, span.first, size)
            number = first.model_copy(update={"address": 0, "address_bits": 16})
            self.codec = compile_block((number,), span.table, 0, size // 2, parameters)
        else:
            self.request = read_request(span.table.read_function, span.first, span.count, limit=span.count)
            self.codec = compile_block(span.points, span.table, span.first, span.count, parameters)
        self.columns = BlockSchema(origin, group, tuple(point.name for point in span.points))
        self._parameters = parameters
        self._decode = self.codec.decode
        self.last_reply: tuple[int, bytes] | None = None
        """The time (ms, UTC) and the data of the last reply, for whoever looks at the registers."""
        self._none = (None,) * len(span.points)
        self._bad: dict[Reason, Mapping[int, Reason]] = {}

    def reading(self, time_ms: int, data: bytes) -> Reading:
        """What the data of a reply says."""
        self.last_reply = (time_ms, data)
        values, reasons = self._decode(data)
        return Reading(self.columns, time_ms, values, reasons)

    def bad(self, time_ms: int, reason: Reason) -> Reading:
        """The reading of a cycle that brought no reply: every value bad for the same reason."""
        reasons = self._bad.get(reason)
        if reasons is None:
            reasons = self._bad[reason] = dict.fromkeys(range(len(self._none)), reason)
        return Reading(self.columns, time_ms, self._none, reasons)

    @property
    def planned(self) -> PlannedRequest:
        """The request as other parts of the gateway see it."""
        span = self.span
        addresses = tuple(point.address for point in span.points)
        return PlannedRequest(
            self.columns.group, span.table.value, span.first, span.count, self.columns.points, addresses
        )

    def point(self, place: int) -> Block:
        """A block that reads one point of this one."""
        return self.part(self.span.isolate(place)[0])

    def of(self, origin: Origin) -> Block:
        """The same block of another device, which shares all but the origin."""
        block = copy(self)
        block.columns = _of(self.columns, origin)
        return block

    def part(self, span: Span) -> Block:
        """A block that reads some of the points of this one."""
        return Block(span, self.columns.origin, self.columns.group, self._parameters)

    def __str__(self) -> str:
        return f"{self.span.table} {self.span.first} to {self.span.last}"


class ExcludedPoints(NamedTuple):
    """Points that the device is known to refuse: bad in every cycle, for the same reason."""

    columns: BlockSchema
    reason: Reason

    def reading(self, time_ms: int) -> Reading:
        count = len(self.columns.points)
        return Reading(self.columns, time_ms, (None,) * count, dict.fromkeys(range(count), self.reason))


@dataclass(frozen=True)
class ReadPlan:
    """Every cycle of a poll group: its requests in order, and what they cost."""

    columns: BlockSchema
    period: float
    """Seconds from one cycle to the next."""
    blocks: tuple[Block, ...]
    not_asked: tuple[ExcludedPoints, ...] = ()
    framing: Framing = "tcp"
    factors: tuple[Block, ...] = ()
    """Scale factors of points in other blocks: read once more at the end of each cycle."""

    def of(self, origin: Origin, period: float) -> ReadPlan:
        """The same plan of another device."""
        return ReadPlan(
            _of(self.columns, origin),
            period,
            tuple([block.of(origin) for block in self.blocks]),
            tuple([ExcludedPoints(_of(columns, origin), reason) for columns, reason in self.not_asked]),
            self.framing,
            tuple([block.of(origin) for block in self.factors]),
        )

    @property
    def origin(self) -> Origin:
        return self.columns.origin

    @property
    def group(self) -> str:
        return self.columns.group

    @cached_property
    def requests(self) -> int:
        return len(self.blocks) + len(self.factors)

    @cached_property
    def registers(self) -> int:
        """Addresses read per cycle, in the tables of registers and of bits."""
        return sum(block.span.count for block in (*self.blocks, *self.factors))

    @cached_property
    def wasted(self) -> int:
        """Of these, the ones that belong to no point."""
        return sum(block.span.wasted for block in self.blocks)

    @cached_property
    def bus_bytes(self) -> int:
        """Bytes on the wire per cycle, both ways, without those of TCP and IP."""
        framed = sum(_FRAMED[self.framing])
        return (2 if self.framing == "ascii" else 1) * sum(
            framed + data_bytes(block.span.table, block.span.count) for block in (*self.blocks, *self.factors)
        )


@dataclass(frozen=True, slots=True)
class BusLoad:
    """What the plans of one endpoint ask of it."""

    requests_per_s: float
    bytes_per_s: float

    @classmethod
    def of(cls, plans: Iterable[ReadPlan]) -> BusLoad:
        every = list(plans)
        return cls(
            sum(plan.requests / plan.period for plan in every),
            sum(plan.bus_bytes / plan.period for plan in every),
        )

    def utilisation(self, round_trip: float = 0.0, byte_time: float = 0.0) -> float:
        """The share of time that the endpoint is busy: 1.0 is all of it, more cannot be kept up.

        `round_trip`: seconds from a request to its reply besides the bytes; `byte_time`: seconds that one
        byte takes on a serial line (`SerialLine.character`).
        """
        return self.requests_per_s * round_trip + self.bytes_per_s * byte_time


def plan(
    profile: DeviceProfile,
    group: str,
    origin: Origin,
    *,
    period: float | None = None,
    parameters: Mapping[str, float] | None = None,
    framing: Framing = "tcp",
    learned: LearnedLimits = NOTHING_LEARNED,
) -> ReadPlan:
    """The cheapest plan for one poll group under the limits of the profile and what was learned.

    `parameters`: all of them, by default those of the profile. ConfigError names a point that cannot be read.
    """
    numbers = profile.parameters if parameters is None else parameters
    limits = (*sorted(learned.refused_points.items()), *sorted(learned.max_block.items()), learned.unreadable)
    key = (id(profile), group, *sorted(numbers.items()), framing, *limits)
    pattern = _pattern(_Case(key, profile, group, numbers, framing, learned))
    return pattern.of(origin, profile.groups[group] if period is None else period)


@dataclass(frozen=True)
class _Case:
    """All that a plan depends on but the device: equal ones have one plan. A profile equals itself only."""

    key: tuple[object, ...]
    profile: DeviceProfile = field(compare=False)
    group: str = field(compare=False)
    parameters: Mapping[str, float] = field(compare=False)
    framing: Framing = field(compare=False)
    learned: LearnedLimits = field(compare=False)


@lru_cache(maxsize=_MAX_PATTERNS)
def _pattern(case: _Case) -> ReadPlan:
    """The plan of a device without a name."""
    profile, group, learned = case.profile, case.group, case.learned
    points = profile.points_of(group)
    asked = [point for point in points if point.name not in learned.refused_points]
    spans = [span for table in Table for span in _spans(profile, table, asked, case.framing, learned)]
    apart = _factors_apart(spans)
    spans.sort(key=lambda span: apart.isdisjoint(point.name for point in span.points))  # those first
    return ReadPlan(
        columns=BlockSchema(_NOBODY, group, tuple(point.name for point in points)),
        period=profile.groups[group],
        blocks=tuple(Block(span, _NOBODY, group, case.parameters) for span in spans),
        not_asked=_excluded(points, _NOBODY, group, learned),
        framing=case.framing,
        factors=tuple(
            Block(Span(span.table, factors, span.whole), _NOBODY, group, case.parameters)
            for span in spans
            if (factors := tuple(point for point in span.points if point.name in apart))
        ),
    )


def _factors_apart(spans: Sequence[Span]) -> AbstractSet[str]:
    """Scale factors of points in other spans."""
    apart: set[str] = set()
    for span in spans:
        inside = {point.name for point in span.points}
        needed = {point.scale.point for point in span.points if isinstance(point.scale, PointRef)}
        apart |= needed - inside
    return apart


def plans(
    profile: DeviceProfile, settings: DeviceSettings, origin: Origin, framing: Framing
) -> list[ReadPlan]:
    """The plans of one device, a group without readable points left out.

    ConfigError for settings that do not fit the profile.
    """
    for problem in fitting.problems(profile, settings):
        raise ConfigError(
            f"{settings.device}: {problem.text}", key=".".join(map(str, problem.loc)), remedy=problem.remedy
        )
    parameters = profile.parameters_with(settings.parameters)
    return [
        plan(
            profile,
            group,
            origin,
            period=settings.poll_periods.get(group, period),
            parameters=parameters,
            framing=framing,
        )
        for group, period in profile.groups.items()
        if profile.points_of(group)
    ]


def _excluded(
    points: Iterable[Point], origin: Origin, group: str, learned: LearnedLimits
) -> tuple[ExcludedPoints, ...]:
    by_reason: dict[Reason, list[str]] = {}
    for point in points:
        if (reason := learned.refused_points.get(point.name)) is not None:
            by_reason.setdefault(reason, []).append(point.name)
    return tuple(
        ExcludedPoints(BlockSchema(origin, group, tuple(names)), why) for why, names in by_reason.items()
    )


def _gaps_over(limit: int, table: Table, points: Iterable[Point]) -> Iterator[AddressRange]:
    """Stretches of more than `limit` addresses between points that belong to none."""
    end: int | None = None
    for point in sorted(points, key=lambda point: point.address):
        if end is not None and point.address - end - 1 > limit:
            yield AddressRange(table=table, first=end + 1, last=point.address - 1)
        end = point.last if end is None else max(end, point.last)


def _spans(
    profile: DeviceProfile, table: Table, asked: Iterable[Point], framing: Framing, learned: LearnedLimits
) -> tuple[Span, ...]:
    limits = profile.limits
    points, spans = [point for point in asked if point.table is table], list[Span]()
    longest_block = limits.max_block(table) if framing == "tcp" else limits.standard_block(table)
    for whole in limits.read_whole:
        if whole.last - whole.first >= longest_block:
            raise _too_long(profile, whole, framing)
        if inside := [point for point in points if whole.holds(point)]:
            spans.append(Span(table, tuple(sorted(inside, key=lambda point: point.address)), whole))
            points = [point for point in points if not whole.holds(point)]
    spans += [Span(table, (point,)) for point in points if point.address_bits > 16]
    points = [point for point in points if point.address_bits == 16]
    # What was learned of one point must not make another one on the same registers unreadable.
    longest = max((point.size for point in points), default=1)
    limit = max(longest, learned.max_block.get(table, 1 << 16))
    gaps = [
        gap for gap in learned.unreadable if not any(gap.overlaps(table, p.address, p.last) for p in points)
    ]
    if limits.max_gap is not None:
        gaps += _gaps_over(limits.max_gap, table, points)
    try:
        spans += optimal_spans(
            table,
            points,
            min(longest_block, limit),
            (*limits.unreadable, *gaps),
            sum(_FRAMED[framing]) + REQUEST_OVERHEAD_BYTES,
            {point.name: point.scale.point for point in points if isinstance(point.scale, PointRef)},
        )
    except ValueError as error:
        raise ConfigError(
            f"profile {profile.profile}: {error} under the limits of the device",
            key="limits",
            remedy="raise `limits.max_registers`, or correct `limits.unreadable`",
        ) from error
    return tuple(sorted(spans, key=lambda span: span.first))


def _too_long(profile: DeviceProfile, whole: AddressRange, framing: Framing) -> ConfigError:
    text = f"{whole.table} {whole.first} to {whole.last} is too long for one {framing.upper()} frame"
    return ConfigError(
        f"profile {profile.profile}: {text}", key="limits.read_whole", remedy="use Modbus TCP for this device"
    )
