"""What a time-series store does for those who write and for those who ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from qilu.contract.ack_codes import Refusal
from qilu.contract.point_info import PointInfo
from qilu.contract.reading import DeviceKey, Poll, Reason, Value
from qilu.stores.confirmation import Confirmation, Mark, Write


class Store(AbstractAsyncContextManager["Store"], Protocol):
    """Keeps samples. Entering it opens or checks it (ConfigError, UnreachableError), leaving it closes.

    (edge, device, point, time) identifies a sample: writing it twice leaves one.
    """

    identity: str
    """The store's id, known once entered: the same for every ingester that fills it; answers carry it."""

    durability_delay: float
    """Seconds until what was written survives the store's own crash; 0 where it does at once."""

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        """Return once all are readable but those that were refused: index -> why.

        A poll refused as FIELD_CONFLICT is stored but for the fields that its text names.

        (VictoriaMetrics shows what it took within about a second; nothing but a reader notices.)
        UnreachableError (with `retry_after` where the store named one) when it can be tried again:
        then any part of them may or may not be stored.
        """

    async def mark(self) -> Mark:
        """The state of the store, to be asked before each write and kept with it until it is confirmed.

        UnreachableError when it cannot be asked, or when it no longer keeps what it should.
        """

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        """Whether the store has kept each of these writes, which it took a horizon ago or more.

        Asked only where there is a horizon. UnreachableError when it cannot be found out now.
        """


@dataclass(frozen=True, slots=True)
class Device:
    device: str
    profile: str
    edge: str
    line: str
    last_ms: int
    """UTC of its last reading."""

    @property
    def key(self) -> DeviceKey:
        """What the questions about one device name."""
        return DeviceKey(self.edge, self.device)


@dataclass(frozen=True, slots=True)
class DescribedPoint:
    """What a point of a device is, as its edge reported it last."""

    key: DeviceKey
    point: str
    time_ms: int
    """UTC of the report."""
    info: PointInfo


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one point: raw, or of one interval (`Reader.samples`)."""

    time_ms: int
    value: Value
    reason: Reason | None = None


class Reader(AbstractAsyncContextManager["Reader"], Protocol):
    """Answers questions about what is stored; never blocks a writer.

    A device is named by edge and device: readings of two edges are never mixed.
    """

    has_texts: bool
    """Whether values that are texts are stored: else they are left out, and that is no loss."""

    best_effort: bool
    """Whether the store may lack what was collected and delivered: then what it lacks is no loss."""

    async def devices(self) -> Sequence[Device]:
        """Every device, by device, edge and profile."""

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        """The points of a device, by name, of one of its profiles or of all; empty when it is unknown."""

    async def samples(
        self,
        device: DeviceKey,
        point: str,
        start_ms: int,
        end_ms: int,
        every_ms: int | None = None,
        *,
        profile: str | None = None,
        last: bool = False,
    ) -> Sequence[Sample]:
        """Samples with start <= time < end, rising; with `every_ms`, one per interval that has any.

        An interval begins at a multiple of `every_ms` since 1970 and is named by its begin. Its value is the
        mean of numbers and the last value of all else (bool, text); with `last` the last value of numbers,
        too, which codes of an enum need. `profile`: only those of this profile, where a device has several.
        """

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """The newest sample of each point of a device, good or not; empty when the device is unknown."""

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        """How many values of all points there are with start <= time < end, by reason, None for good ones.

        Reasons that no value has are left out.
        """


class PointInfoReader(Reader, Protocol):
    """A `Reader` of a store that keeps what points are; the history of an edge has the profiles beside it."""

    async def __aenter__(self) -> Self: ...

    async def point_info(self, device: DeviceKey | None = None) -> Sequence[DescribedPoint]:
        """The newest description of each point, of one device or of all, by edge, device and point.

        Empty where the edges never reported any.
        """
