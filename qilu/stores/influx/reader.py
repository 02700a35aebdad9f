"""What the readers of all servers share: long questions go in pieces, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from qilu.contract.reading import Reason, Value
from qilu.stores.components import Device, Sample
from qilu.stores.influx.http import Http
from qilu.stores.intervals import per_interval, sample
from qilu.stores.settings import InfluxSettings

PIECE_MS = 86_400_000


class ServerReader:
    """A `Reader` but for the questions themselves, which differ from server to server."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._http = Http(settings)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def samples(
        self, device: str, point: str, start_ms: int, end_ms: int, every_ms: int | None = None
    ) -> Sequence[Sample]:
        """As `Reader` promises; the arithmetic of intervals is ours and the same for all stores."""
        if every_ms is None:
            return await self._raw(device, point, start_ms, end_ms)
        found: list[Sample] = []
        step = max(PIECE_MS // every_ms, 1) * every_ms
        begin = start_ms
        while begin < end_ms:
            end = min((begin // step + 1) * step, end_ms)
            found.extend(per_interval(await self._raw(device, point, begin, end), every_ms))
            begin = end
        return found

    async def _raw(self, device: str, point: str, start_ms: int, end_ms: int) -> list[Sample]:
        raise NotImplementedError


def told(time_ms: int, value: Value, code: float | None) -> Sample:
    """One sample from a value and the code of its reason, as servers keep them."""
    return sample(time_ms, value, None if code is None else reason_of(code))


def reason_of(code: float) -> Reason:
    """The reason with this code; one that only a newer version knows is told as undecodable."""
    try:
        return Reason.of_code(int(code))
    except ValueError:
        return Reason.UNDECODABLE


def newest(found: Iterable[Device]) -> list[Device]:
    """Each device once, by name, where it was last."""
    last: dict[tuple[str, str, str], Device] = {}
    for one in sorted(found, key=lambda device: device.last_ms):
        last[one.device, one.edge, one.profile] = one
    return [last[key] for key in sorted(last)]
