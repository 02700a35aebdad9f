"""Writes polls to a server that takes line protocol, and finds the one that it refuses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import ConfigError, DataError, UnreachableError
from qilu.contract.reading import Poll
from qilu.stores.confirmation import Confirmation, Mark, Write, same_incarnation
from qilu.stores.influx.division import Division
from qilu.stores.influx.handshake import handshake
from qilu.stores.influx.http import Http
from qilu.stores.influx.line_protocol import INFLUXDB, VICTORIAMETRICS, LineEncoder
from qilu.stores.influx.metrics_page import read_metrics
from qilu.stores.influx.type_conflicts import Batch, Piece
from qilu.stores.influx.victoria_confirmation import WriteVerifier
from qilu.stores.influx.write_api import V1WriteEndpoint, V2WriteEndpoint, WriteEndpoint
from qilu.stores.settings import InfluxSettings
from qilu.stores.validation import unstorable_reason

_MAX_BODY = 1_000_000  # far below the 25 MB that InfluxDB takes, and handed to the socket in one step
_MAX_TIME = (2**63 - 1) // 10**6 - 1  # InfluxDB counts nanoseconds in 64 bits
_DAY_MS = 86_400_000
_MARKS = 2
"""Readings of a mark in a horizon, where no confirmation reads it: an older one errs to the safe side."""


class InfluxStore:
    """A `Store` on a server. VictoriaMetrics shows what it took within about a second, InfluxDB at once."""

    def __init__(
        self,
        settings: InfluxSettings,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = settings.identity
        self.durability_delay = settings.effective_durability_delay
        self._settings = settings
        self._wall = wall
        self._monotonic = monotonic
        self._stack = AsyncExitStack()
        self._http = Http(settings)
        self._retention: float | None = None
        self._encoder = LineEncoder(VICTORIAMETRICS if settings.server == "victoriametrics" else INFLUXDB)
        self._door: WriteEndpoint
        self._kept = WriteVerifier(self._http, settings.url, self.durability_delay, monotonic)
        self._greeted = ""
        self._mark = Mark("")
        self._mark_asked = -math.inf

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._http)
            self._retention = await handshake(self._http, self._settings)
            compress = _compress(self._settings)
            door = V1WriteEndpoint if self._settings.server == "influxdb1" else V2WriteEndpoint
            self._door = await stack.enter_async_context(door(self._settings, compress))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        """As `Store` promises; a batch that the server refuses is divided until the one is found."""
        division = Division(self._door.post, self._encoder, self._settings.url, self.identity)
        batch: list[Piece] = []
        for index, poll in enumerate(polls):
            problem = unstorable_reason(poll) or self._out_of_time(poll)
            if problem is None:
                try:
                    batch.append(Piece(index, self._encoder.encode(poll), poll))
                except RefusalError as error:
                    problem = error.refusal
                except DataError as error:
                    problem = Refusal(AckCode.BAD_NAME, str(error))
            if problem is not None:
                division.refused[index] = problem
        try:
            for part in _parts(batch):
                await division.put(part)
        except UnreachableError:
            self._mark_asked = -math.inf  # what answers next may be another process
            raise
        return division.refused

    async def mark(self) -> Mark:
        """VictoriaMetrics: its process and its counters, as they were at the last confirmation or not
        much earlier. InfluxDB: always the same.

        A VictoriaMetrics that was started anew is greeted again: it may run with other flags now.
        """
        if self._settings.server != "victoriametrics":
            return Mark(self.identity)
        if self._monotonic() - self._mark_asked > self.durability_delay / _MARKS:
            await self._ask_mark()
        return replace(self._mark, hour=int(self._wall() // 3600))

    async def confirm(self, writes: Sequence[Write]) -> Sequence[Confirmation]:
        """InfluxDB answers 204 only to what it keeps. What VictoriaMetrics keeps is read back."""
        if self._settings.server != "victoriametrics":
            return same_incarnation(writes, await self.mark())
        await self._ask_mark()
        return await self._kept.confirm(writes, self._mark)

    async def _ask_mark(self) -> None:
        now = self._monotonic()
        metrics = await read_metrics(self._http)
        if metrics.started != self._greeted:
            try:
                self._retention = await handshake(self._http, self._settings)
            except ConfigError as error:  # it can be started with the right flags again
                raise UnreachableError(str(error)) from error
            self._greeted = metrics.started
        self._mark = Mark(metrics.started, metrics.dropped)
        self._mark_asked = now

    def _out_of_time(self, poll: Poll) -> Refusal | None:
        """Why the server could not keep a reading of this time, which VictoriaMetrics would not report."""
        low, high, now = -math.inf, math.inf, round(self._wall() * 1000)
        if self._retention is not None:
            # A time of 0 would be stored as "now".
            low, high = max(now - round(self._retention * 1000), 1), now + _DAY_MS
        for reading in poll.readings:
            if abs(reading.time_ms) > _MAX_TIME:
                return Refusal(AckCode.BAD_TIME, f"time {reading.time_ms} is beyond what the store can hold")
            if reading.time_ms < low:
                text = f"time {reading.time_ms} lies before all that the store keeps"
                return Refusal(AckCode.BEFORE_RETENTION, text)
            if reading.time_ms > high:
                text = f"time {reading.time_ms} lies in the future of this ingester ({now})"
                return Refusal(AckCode.IN_FUTURE, text)
        return None


def _parts(batch: Batch) -> Iterator[Batch]:
    """`batch` in pieces that a server takes in one request."""
    part: list[Piece] = []
    size = 0
    for piece in batch:
        if part and size + len(piece.lines) > _MAX_BODY:
            yield part
            part, size = [], 0
        part.append(piece)
        size += len(piece.lines)
    if part:
        yield part


def _compress(settings: InfluxSettings) -> bool:
    """As in the settings; by default whenever bytes leave this machine."""
    if settings.gzip is not None:
        return settings.gzip
    return urlsplit(settings.url).hostname not in ("127.0.0.1", "::1", "localhost")
