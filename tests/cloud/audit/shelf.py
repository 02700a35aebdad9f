"""A store in memory, of which a test can lose what it likes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from qilu.contract.reading import DeviceKey, Poll, Reading, Reason
from qilu.stores.interfaces import Device, Sample
from qilu.stores.interval_summaries import sample


class Shelf:
    """A `Reader` of these polls."""

    def __init__(self, polls: Sequence[Poll], *, has_texts: bool = True, best_effort: bool = False) -> None:
        self.has_texts: bool = has_texts
        self.best_effort = best_effort
        self._readings = [reading for poll in polls for reading in poll.readings]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def devices(self) -> Sequence[Device]:
        found: dict[tuple[str, str, str], int] = {}
        for one in self._readings:
            origin = one.columns.origin
            key = origin.device, origin.profile, origin.edge
            found[key] = max(one.time_ms, found.get(key, 0))
        return [Device(device, profile, edge, "", last) for (device, profile, edge), last in found.items()]

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        mine = self._of(device, profile, 0, 2**62)
        return sorted({point for one in mine for point in one.columns.points})

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
        assert every_ms is None
        assert not last
        found: dict[int, Sample] = {}
        for one in self._of(device, profile, start_ms, end_ms):
            if point in one.columns.points:
                index = one.columns.points.index(point)
                found[one.time_ms] = sample(one.time_ms, one.values[index], one.reasons.get(index))
        return [found[time_ms] for time_ms in sorted(found)]

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        raise NotImplementedError

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        found: Counter[Reason | None] = Counter()
        for one in self._of(device, profile, start_ms, end_ms):
            for index, value in enumerate(one.values):
                if self.has_texts or not isinstance(value, str):
                    found[sample(0, value, one.reasons.get(index)).reason] += 1
        return found

    def _of(self, device: DeviceKey, profile: str | None, start_ms: int, end_ms: int) -> list[Reading]:
        return [
            one
            for one in self._readings
            if one.columns.origin.key == device
            and profile in (None, one.columns.origin.profile)
            and start_ms <= one.time_ms < end_ms
        ]
