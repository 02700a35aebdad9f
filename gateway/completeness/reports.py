"""Everything that the edge says of its collecting besides its status: accounts and events, in their order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from types import TracebackType
from typing import Self

from gateway.completeness.counts import Counts
from gateway.completeness.losses import Losses
from gateway.components import Dropped, Event, Record
from qilu.contract.completeness import (
    COLLECTION,
    EVENT_POINTS,
    EVENTS,
    DropReason,
    EventKind,
)
from qilu.contract.errors import DataError
from qilu.contract.ranges import Ranges
from qilu.contract.reading import Columns, Origin, Poll, Reading
from qilu.contract.wire import decode_record
from qilu.runtime.timebase import ClockStep

_log = logging.getLogger(__name__)

_MOST = 10_000
"""Reports that wait for their turn; the spool takes them within milliseconds unless it blocks."""
_DEVICE_EVENTS = {"offline": EventKind.OFFLINE, "online": EventKind.ONLINE, "learnt": EventKind.LEARNT}


class Reports:
    """The source of the reports. Who has something to tell calls a method; none of them waits.

    `edge` has the profile `gateway`; `devices`: name -> origin. `stamp` gives the time (ms, UTC) of a new
    reading of a series. `down_since_ms`: when this gateway was last alive before, as far as it is known;
    `blocked_since_ms`: since when its spool had taken nothing then, if it did not.
    """

    name = "reports"
    busy = False

    def __init__(
        self,
        edge: Origin,
        devices: Mapping[str, Origin],
        stamp: Callable[[Hashable], int],
        *,
        every_ms: int,
        down_since_ms: int | None,
        blocked_since_ms: int | None = None,
    ) -> None:
        self._edge = Columns(edge, EVENTS, EVENT_POINTS)
        self._origins = devices
        self._devices = {
            name: Columns(
                Origin(edge.edge, name, COLLECTION, edge.enterprise, edge.site, origin.line),
                EVENTS,
                EVENT_POINTS,
            )
            for name, origin in devices.items()
        }
        self._stamp = stamp
        self._every_ms = every_ms
        self._down_since_ms = down_since_ms
        self._blocked_since_ms = blocked_since_ms
        self._losses = Losses()
        self._counts: Counts | None = None
        self._waiting: deque[Poll] = deque(maxlen=_MOST)
        self._some = asyncio.Event()
        self.started_ms = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def columns(self) -> Sequence[Columns]:
        """None: nothing of this is expected at any time."""
        return ()

    async def polls(self) -> AsyncGenerator[Poll]:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                yield self._waiting.popleft()

    def rest(self) -> Sequence[Poll]:
        """What waits, taken out."""
        rest = list(self._waiting)
        self._waiting.clear()
        return rest

    # What happens, in the order of a run.

    def started(self) -> None:
        """Collecting begins; call it before the first poll passes."""
        time_ms = self.started_ms = self._stamp(self._edge)
        self._counts = Counts(self._every_ms, time_ms)
        since_ms = self._down_since_ms
        down = 0.0 if since_ms is None else max((time_ms - since_ms) / 1000, 0.001)
        text = "first start here" if since_ms is None else f"started after {down:.1f} s"
        self._add(self._edge, time_ms, EventKind.STARTED, text, ago_s=down, length_s=down)
        if self._blocked_since_ms is not None:
            end_ms = max(since_ms or time_ms, self._blocked_since_ms)
            self.dropped(Dropped(0, Ranges(), DropReason.blocked.name, self._blocked_since_ms, end_ms))

    def passed(self, poll: Poll, kept: Sequence[Poll]) -> None:
        """A source polled `poll`, and the processors made `kept` of it."""
        if self._counts is not None and (done := self._counts.passed(poll, kept)) is not None:
            self._tell(done)

    def device(self, event: Event) -> None:
        """Something about a device."""
        columns, counts = self._devices[event.device], self._counts
        away = 0.0
        if counts is not None and event.kind == "offline":
            counts.offline(self._origins[event.device], event.time_ms)
        elif counts is not None and event.kind == "online":
            away = counts.online(self._origins[event.device], event.time_ms)
        kind, detail = _DEVICE_EVENTS[event.kind], 0 if event.reason is None else event.reason.code
        self._add(columns, self._stamp(columns), kind, event.text, ago_s=away, length_s=away, detail=detail)

    def stepped(self, step: ClockStep) -> None:
        """Somebody set the wall clock."""
        text = f"the wall clock was set by {step.seconds:+.1f} s"
        self._add(self._edge, self._stamp(self._edge), EventKind.CLOCK_STEPPED, text, length_s=step.seconds)

    def dropped(self, dropped: Dropped) -> None:
        """The spool gave records up."""
        stretch = self._losses.dropped(dropped)
        time_ms = self._stamp(self._edge)
        self._add(
            self._edge,
            time_ms,
            EventKind.DROPPED,
            f"the spool gave up {stretch.records} records ({stretch.reason})",
            ago_s=(time_ms - stretch.from_ms) / 1000,
            length_s=(stretch.to_ms - stretch.from_ms) / 1000,
            records=stretch.records,
            detail=DropReason[stretch.reason] if stretch.reason in DropReason.__members__ else 0,
        )

    @property
    def losing(self) -> bool:
        """Whether records were given up and those that told of it may be given up too."""
        return self._losses.open

    def drained(self) -> None:
        """Nothing waits in the spool but what is on its way."""
        self._losses.drained()

    def rejected(self, records: Sequence[Record], reason: str) -> None:
        """The store will never take these."""
        times: dict[str, list[int]] = {}
        for record in records:
            try:
                poll = decode_record(record.body)
            except DataError as error:
                _log.debug("a rejected record cannot be read here either: %s", error)
                continue
            if poll.origin.device in self._devices and poll.origin.profile != COLLECTION:
                mine = times.setdefault(poll.origin.device, [])
                mine.extend((min(r.time_ms for r in poll.readings), max(r.time_ms for r in poll.readings)))
        for device, mine in times.items():
            columns = self._devices[device]
            time_ms, first, last = self._stamp(columns), min(mine), max(mine)
            self._add(
                columns, time_ms, EventKind.REJECTED, reason,
                ago_s=(time_ms - first) / 1000, length_s=(last - first) / 1000, records=len(mine) // 2,
            )  # fmt: skip

    def stopped(self) -> None:
        """Collecting ended in good order; only the first call tells anything."""
        if self._counts is None:
            return
        counts, self._counts = self._counts, None
        time_ms = self._stamp(self._edge)
        for account in counts.close(time_ms):
            self._tell(account)
        self._add(self._edge, time_ms, EventKind.STOPPED, "stopped")

    def _add(
        self,
        columns: Columns,
        time_ms: int,
        kind: EventKind,
        text: str,
        *,
        ago_s: float = 0.0,
        length_s: float = 0.0,
        records: int = 0,
        detail: int = 0,
    ) -> None:
        values = (int(kind), ago_s, length_s, records, int(detail), text)
        self._tell(Poll(time_ms, (Reading(columns, time_ms, values),)))

    def _tell(self, poll: Poll) -> None:
        if len(self._waiting) == _MOST:
            _log.error("too many reports wait: the oldest is lost")
        self._waiting.append(poll)
        self._some.set()
