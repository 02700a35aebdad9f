"""What the readers of all servers share: long questions go in pieces, so that memory stays bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from qilu.contract.reading import DeviceKey, Quality, Reason, Value
from qilu.stores.influx.bounded_response import DataResponse
from qilu.stores.influx.http import Http, TooLongResponseError
from qilu.stores.influx.line_protocol import QUALITY, TEXT
from qilu.stores.interfaces import Device, Sample
from qilu.stores.interval_summaries import per_interval, sample
from qilu.stores.settings import InfluxSettings

_Rows = TypeVar("_Rows")
PIECE_MS = 86_400_000


class SeriesKey(NamedTuple):
    """A device, in one of its profiles or in all."""

    edge: str
    device: str
    profile: str | None = None


class ServerReader:
    """A `Reader` but for the questions themselves, which differ from server to server."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._http = Http(settings, DataResponse)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

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
        """As `Reader` promises; the arithmetic of intervals is ours and the same for all stores."""
        key = SeriesKey(*device, profile)
        if every_ms is None:
            return await self._in_parts(partial(self._raw, key, point), start_ms, end_ms)
        samples: list[Sample] = []
        step = max(PIECE_MS // every_ms, 1) * every_ms
        piece_start = start_ms
        while piece_start < end_ms:
            end = min((piece_start // step + 1) * step, end_ms)
            raw = await self._in_parts(partial(self._raw, key, point), piece_start, end)
            samples.extend(per_interval(raw, every_ms, last=last))
            piece_start = end
        return samples

    async def count(
        self, device: DeviceKey, profile: str, start_ms: int, end_ms: int
    ) -> Mapping[Reason | None, int]:
        """As `Reader` promises: values are counted by the server, the few that are not good are fetched."""
        key = SeriesKey(*device, profile)
        counts: Counter[Reason | None] = Counter()
        while start_ms < end_ms:
            end = min((start_ms // PIECE_MS + 1) * PIECE_MS, end_ms)
            reasons = Counter(map(reason_of, await self._in_parts(partial(self._codes, key), start_ms, end)))
            counts.update(reasons)
            kept = sum(count for reason, count in reasons.items() if reason.quality is Quality.UNCERTAIN)
            counts[None] += await self._values(key, start_ms, end) - kept
            start_ms = end
        return {reason: count for reason, count in counts.items() if count}

    async def _in_parts(
        self, ask: Callable[[int, int], Awaitable[list[_Rows]]], start_ms: int, end_ms: int
    ) -> list[_Rows]:
        """What is answered about a time, or about its halves where that is more than is read at once."""
        try:
            return await ask(start_ms, end_ms)
        except TooLongResponseError:
            middle = (start_ms + end_ms) // 2
            if middle == start_ms:
                raise
            return await self._in_parts(ask, start_ms, middle) + await self._in_parts(ask, middle, end_ms)

    async def _raw(self, key: SeriesKey, point: str, start_ms: int, end_ms: int) -> list[Sample]:
        raise NotImplementedError

    async def _codes(self, key: SeriesKey, start_ms: int, end_ms: int) -> list[float]:
        """The code of every value that is not good."""
        raise NotImplementedError

    async def _values(self, key: SeriesKey, start_ms: int, end_ms: int) -> int:
        """How many values there are: those that are good or uncertain."""
        raise NotImplementedError


def to_sample(time_ms: int, value: Value, code: float | None) -> Sample:
    """One sample from a value and the code of its reason, as servers keep them."""
    return sample(time_ms, value, None if code is None else reason_of(code))


def reason_of(code: float) -> Reason:
    """The reason with this code; one that only a newer version has becomes undecodable."""
    try:
        return Reason.of_code(int(code))
    except ValueError:
        return Reason.UNDECODABLE


def newest_samples(fields: Mapping[str, tuple[int, Value]]) -> dict[str, Sample]:
    """The newest sample of each point, from the newest time and content of each field as it is stored."""
    samples: dict[str, Sample] = {}
    for point in {point_of(field) for field in fields}:
        parts = [fields.get(point + suffix) for suffix in ("", TEXT, QUALITY)]
        time_ms = max(part[0] for part in parts if part is not None)
        value, text, code = (part[1] if part is not None and part[0] == time_ms else None for part in parts)
        code = code if isinstance(code, int | float) else None
        samples[point] = to_sample(time_ms, text if value is None else value, code)
    return samples


def point_of(field: str) -> str:
    return field.removesuffix(QUALITY).removesuffix(TEXT)


def newest(devices: Iterable[Device]) -> list[Device]:
    """Each device once, by name, where it was last."""
    last: dict[tuple[str, str, str], Device] = {}
    for candidate in sorted(devices, key=lambda device: device.last_ms):
        last[candidate.device, candidate.edge, candidate.profile] = candidate
    return [last[key] for key in sorted(last)]
