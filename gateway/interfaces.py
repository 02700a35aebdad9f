"""The four kinds of parts a gateway is made of, and what each of them promises. Read this first.

source ▶ processors ▶ spool ▶ (outbox) ▶ sink
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, runtime_checkable
from uuid import UUID

from gateway.record_content import NOTHING, Content
from qilu.contract.ack_codes import Refusal
from qilu.contract.messages import Ack, Announcement
from qilu.contract.ranges import IntervalSet
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reason
from qilu.contract.topics import Lane
from qilu.runtime.boot import UNKNOWN_BOOT


@dataclass(frozen=True, slots=True)
class StreamOrigin:
    """Under which name of the edge, and in which boot of the operating system, a stream was written.

    `edge` is empty and `boot` is UNKNOWN_BOOT where that is not known.
    """

    edge: str = ""
    boot: UUID = UNKNOWN_BOOT


class Record(NamedTuple):
    """One encoded poll with the name it has for ever: no (stream, offset) is ever used twice."""

    stream: int
    offset: int
    body: bytes


@dataclass(frozen=True, slots=True)
class DropReport:
    """Records that the spool had to give up before they were durable, or never took.

    `reason`: max_bytes, max_age, min_free_disk or disk_full (the oldest were given up), damaged, missing or
    unreadable (the disk lost them): appended between `from_ms` and `to_ms` (UTC). Or blocked, without stream
    and offsets: between these times none was taken, and then the gateway ended. `content`: what was in those
    that could be read. `count`: how many, where `offsets` is only the range around very many runs.
    """

    stream: int
    offsets: IntervalSet
    reason: str
    from_ms: int
    to_ms: int
    content: Content = NOTHING
    count: int | None = None

    @property
    def records(self) -> int:
        """Exactly how many."""
        return len(self.offsets) if self.count is None else self.count


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """Records that a spool keeps and that are not to be sent now.

    `held`: of another edge, which nobody adopted. `quarantined`: set aside, because the store will never take
    them. `quarantine_dropped`: of those, given up at a bound or lost by the disk since the start.
    """

    held: int = 0
    quarantined: int = 0
    quarantine_dropped: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedPolls:
    """One poll group of a device: `points` values every `period` seconds."""

    origin: Origin
    group: str
    period: float
    points: int


class Blockage(StrEnum):
    """Why a spool takes no record."""

    DISK = "disk"
    """The disk refuses to write, or has no space left."""
    FREE_SPACE = "free_space"
    """Too little of the disk is free, and the spool drops nothing."""
    BOUND = "bound"
    """Its size is at the bound, and the spool drops nothing."""
    DIRECTORY = "directory"
    """Its directory was removed or replaced."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of a read plan: `count` registers or bits of a table from `address` on."""

    group: str
    table: str
    address: int
    count: int
    points: tuple[str, ...]
    addresses: tuple[int, ...] = ()
    """Of the points, in their order."""


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What is requested of a device now, and which points it refused: point -> reason."""

    device: str
    requests: tuple[PlannedRequest, ...]
    refused: Mapping[str, Reason]


@dataclass(frozen=True, slots=True)
class RawReply:
    """The last reply to a planned request: its time (ms, UTC) and its data; None before the first."""

    request: PlannedRequest
    reply: tuple[int, bytes] | None


class Event(NamedTuple):
    """Something about a device that a person wants to know; `time_ms` is UTC, `reason` why it is offline."""

    time_ms: int
    device: str
    kind: Literal["offline", "online", "limits_learned"]
    text: str
    reason: Reason | None = None


EventListener = Callable[[Event], None]


class Source(Protocol):
    """Something that is polled."""

    name: str

    def polls(self) -> AsyncGenerator[Poll]:
        """Yield every poll until cancelled. Whatever it raises is a bug of the source."""


class Equipment(Source, AbstractAsyncContextManager["Equipment"], Protocol):
    """A source that talks to equipment. Entering it makes it ready, leaving it disconnects.

    Equipment that does not reply is no error here: the source reconnects by itself, and each expected value
    arrives meanwhile as bad with its reason.
    """

    @property
    def busy(self) -> bool:
        """Whether a poll is in progress: to cancel it now would lose replies that arrived."""
        ...

    def columns(self) -> Sequence[BlockSchema]:
        """Everything it is expected to read: one entry per block that a poll has in good times."""

    def expected(self) -> Sequence[ExpectedPolls]:
        """Every poll group, with what one poll of it should bring."""


class Processor(Protocol):
    """Turns a poll into polls: pure, synchronous, never waits.

    It may change and leave out values, and never invents one. Processors run in the order of the settings,
    those of counters first. Unit, limits and codes of the profile still describe the value that was read, so
    the docstring of a processor's settings says what its values mean (a mean, a bound). Values
    that no store could keep become bad afterwards, by the pipeline.
    """

    def process(self, poll: Poll) -> Sequence[Poll]:
        """What goes on in place of `poll`; values it leaves out are counted by the pipeline as suppressed."""


@runtime_checkable
class DeviceMemory(Protocol):
    """A processor that keeps something of each device."""

    def forget(self, devices: Collection[str]) -> None:
        """These devices are gone, or begin anew."""


class Clock(Protocol):
    """The time of this edge."""

    def stamp(self, series: Hashable) -> int:
        """UTC in ms for a new reading of a series; no two readings of a series have the same."""

    def tag(self) -> EpochTag | None:
        """The epoch of the times that are given out now."""

    def set_spool_blocked(self, blocked: bool) -> None:
        """Whether the spool takes no record just now; called with each record."""


class Edges(Protocol):
    """The names under which the records of a spool go out: of this edge, and of those that it adopted."""

    def of(self, stream: int) -> str:
        """The edge on whose topics the records of a stream go out, and their acknowledgements come."""

    def refused(self, edge: str, reason: str) -> None:
        """The broker does not allow the topics of an adopted edge: its records are held for some minutes."""


class Spool(AbstractAsyncContextManager["Spool"], Protocol):
    """Keeps every record from the moment it was polled until it is durable in the store."""

    stream: int
    """The stream of this opening; new and random each time, offsets count from 0."""

    def append(self, body: bytes) -> Record | None:
        """Hand one record to the operating system at once: a killed process loses nothing.

        None when the bound is reached with `when_full: block`, or the disk refuses: try again later.
        """

    async def commit(self) -> None:
        """Return once everything appended so far survives a power cut, and keep to the bounds.

        UnreachableError when the disk refuses: the records are kept as they are, commit again later.
        """

    @property
    def size(self) -> int:
        """Bytes that it takes now."""

    def origin(self, stream: int) -> StreamOrigin:
        """Under which edge and boot a stream was written, as far as known."""

    def pending(self) -> Mapping[int, IntervalSet]:
        """Stream -> the offsets to be sent, the oldest stream first. Do not change it."""

    def counts(self) -> SpoolCounts:
        """How many records it keeps that are not to be sent."""

    def corrected(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same records as they are sent, without those that must wait until the clock is known."""

    def sendable(self) -> Mapping[int, IntervalSet]:
        """What of `pending` may be sent now: the other records wait until the clock is known."""

    def read(self, stream: int, wanted: IntervalSet, max_bytes: int) -> Sequence[Record]:
        """The records of `wanted`, rising, until `max_bytes` is reached, but at least one if any is there.

        What is damaged or gone is not returned and is from then on absent from `pending`. UnreachableError
        when it cannot be read just now.
        """

    def forget(self, stream: int, durable: IntervalSet) -> None:
        """These need not be kept any longer. Freeing them needs no disk space."""

    def quarantine(self, stream: int, rejected: Mapping[int, str]) -> IntervalSet:
        """Set these aside with their reasons, under the bounds of the spool, and forget them.

        Returns those that no later opening sends again, unless somebody asks for it.
        """

    def dropped(self) -> Sequence[DropReport]:
        """What was given up since the last call; it is absent from `pending` already."""

    def mark_drops_reported(self) -> None:
        """All drops so far are reported: `unreported_drops` has none of them after the next opening."""

    def unreported_drops(self) -> Sequence[DropReport]:
        """What runs before this one dropped and did not mark as reported."""

    def requeued(self) -> int:
        """How many records were in quarantine before and are pending again since it was opened."""


class Consumer(Protocol):
    """Takes every record behind the spool, as well as it can: it never waits, and never raises."""

    def opened(self, spool: Spool) -> None:
        """The spool is open, with all that it still holds from before."""

    def take(self, poll: Poll, record: Record) -> None:
        """The spool has this record. One of a clock in doubt has no true times yet."""


class Sink(AbstractAsyncContextManager["Sink"], Protocol):
    """Hands records to the far side. Entering it connects (UnreachableError), leaving it disconnects."""

    async def send(self, lane: Lane, records: Sequence[Record]) -> Mapping[int, Refusal]:
        """Return once the transport has taken them, with those that it refused: offset -> why.

        That is no proof that the store has them: only an acknowledgement is. All records are of one
        stream, offsets rising. UnreachableError when the link is lost, or the far side takes nothing now.
        """

    def acks(self) -> AsyncGenerator[Ack | Announcement]:
        """The acknowledgements of the far side, until cancelled; UnreachableError when the link is lost."""
