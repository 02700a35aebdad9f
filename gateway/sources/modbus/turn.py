"""One turn of one poll group: ask its blocks, mend what can be mended, account for every value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.line.exchange import ConnectionGoneError, Exchange, ReplyTimeoutError
from gateway.sources.modbus.line.link import Link
from gateway.sources.modbus.plans.learning import Search
from gateway.sources.modbus.plans.plan import READ_FUNCTIONS, Block
from gateway.sources.modbus.reasons import reason_of
from gateway.sources.modbus.service import Service
from qilu.contract.errors import QiluError
from qilu.contract.reading import Reading, Reason
from qilu.modbus.errors import (
    Acknowledged,
    DeviceBusy,
    GatewayPathUnavailable,
    IllegalAddress,
    IllegalFunction,
    IllegalValue,
    ProtocolError,
    TargetFailedToRespond,
)
from qilu.modbus.pdu import read_request

BUSY_PAUSES = (0.05, 0.2)
"""Seconds before a device that said it is busy is asked again, in the same turn."""
MOST_REFUSED = 150
MOST_HUSHED = 16
"""Refusals, told and by silence, that one turn may spend on finding what a device refuses; the search goes on
in the next. Each silence costs a time-out, for which the other units of the endpoint wait."""

MOST_LOST = 2
"""Connections lost in one turn without a reply, after which the rest of it is not asked for."""

SPREAD = 0.618
"""Of a block, from one point that a silent unit is asked for alone to the next: soon they were everywhere."""

HUSHED = 3
"""Turns in a row in which a block was met with silence while others were answered: then it is refused."""

_SILENT = (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ProtocolError)

Stamp = Callable[[str, float], int]
"""`Timebase.next_ms`: the time of a reading of a series, taken at a moment of the monotonic clock."""


class TurnReader:
    """Reads one group once. Made for the turn; `readings` is complete when `read` returns."""

    __slots__ = (
        "_busy", "_group", "_halved", "_heard_here", "_hushed", "_hushed_left", "_link", "_lost",
        "_refused_left", "_served", "_service", "_silent", "_stamp", "_timeout", "answered", "readings",
        "reason", "search",
    )  # fmt: skip

    def __init__(self, group: Group, link: Link, service: Service, stamp: Stamp, timeout: float) -> None:
        self.readings: list[Reading] = []
        self.answered = False
        """Whether the device itself answered anything, be it an exception."""
        self.reason = Reason.TIMEOUT
        """Why values are bad, the last one."""
        self.search: Search | None = None
        """What the device refused in this turn."""
        self._group = group
        self._link = link
        self._service = service
        self._stamp = stamp
        self._timeout = timeout
        self._refused_left, self._hushed_left = MOST_REFUSED, MOST_HUSHED
        self._busy = 0
        self._lost = 0  # connections, in this turn, that brought nothing
        self._silent: list[Block] = []  # met with silence
        self._hushed: set[bytes] = set()  # requests whose silence is taken for a refusal
        self._halved: set[bytes] = set()  # requests for a half of what was refused
        self._served = False  # whether the present connection had brought a reply before, or we ended it,
        self._heard_here = False  # and whether it brought one to what was asked last

    async def read(self) -> None:
        group, link, service = self._group, self._link, self._service
        unit, gap = group.device.unit, group.device.gap
        waiting = self._in_order(group.plan.blocks)
        while waiting := self._worth_a_request(waiting):
            connection = link.connection or await link.connected(_now() + self._timeout)
            if connection is None or self._lost > MOST_LOST:
                self._all_bad(waiting, Reason.UNREACHABLE)
                break
            blocks, later = self._next(waiting)
            before = connection.replies
            exchanges = [Exchange(unit, block.request) for block in blocks]
            await connection.read(exchanges, service.patience(unit), gap)
            self._served = before > 0 or connection.hung_up
            self._heard_here = connection.replies > before
            busy = self._busy
            waiting = [*self._sort(blocks, exchanges), *later]
            if waiting and not service.worth_asking(unit):
                self._all_bad(waiting, self.reason)
                break
            if self._busy > busy:
                await asyncio.sleep(BUSY_PAUSES[busy])
        if self.search is not None and not self.search.by_silence:
            await self._measure(self.search, link, unit, gap)
        for not_asked in group.plan.not_asked:
            self.readings.append(not_asked.reading(self._stamp(group.series, _now())))
        if self._hushed_left > 0:
            group.doubted = None
        if self.answered and (self._silent or group.silences):
            group.silences = {
                block.request: group.silences.get(block.request, 0) + 1 for block in self._silent
            }

    async def _measure(self, search: Search, link: Link, unit: int, gap: float) -> None:
        """Ask what tells a length that is refused from addresses that are; its values are not used."""
        for measuring in search.to_measure():
            while (asked := measuring.next()) is not None and (connection := link.connection) is not None:
                request = read_request(READ_FUNCTIONS[asked.table], asked.first, asked.last - asked.first + 1)
                exchange = Exchange(unit, request)
                await connection.read([exchange], self._service.patience(unit), gap)
                if exchange.data is None and not isinstance(exchange.error, IllegalAddress | IllegalValue):
                    return
                measuring.tell(exchange.data is not None)

    def _in_order(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """A unit out of service is asked for another block each time, and in between for one point alone,
        another each time: it may be alive and ignore just what it does not have, or blocks of this length."""
        unit = self._service.units[self._group.device.unit]
        if unit.known and self._group.doubted is not None:
            return self._beside(blocks, self._group.doubted)
        if unit.known or not unit.probes:
            return blocks
        around, place = divmod(unit.probes, len(blocks) + 1)
        if place < len(blocks):
            return (*blocks[place:], *blocks[:place])
        turn, at = divmod(around, len(blocks))
        alone = self._alone(blocks[at], int(turn * SPREAD % 1 * len(blocks[at].columns.points)))
        return (*alone, *blocks[:at], *blocks[at + 1 :])

    def _beside(self, blocks: Sequence[Block], doubted: frozenset[str]) -> Sequence[Block]:
        """A point that was good comes first: when that is answered, silence is the refusal that it was."""
        for at, block in enumerate(blocks):
            for place, name in enumerate(block.columns.points):
                if name not in doubted:
                    self._hushed.update(block.request for block in blocks)
                    return (*self._alone(block, place), *blocks[:at], *blocks[at + 1 :])
        return blocks

    def _alone(self, block: Block, place: int) -> Sequence[Block]:
        """One of its points, then the others, whose silence is a refusal when that is answered."""
        one, *others = (block.part(span) for span in block.span.around(place))
        self._hushed.update(other.request for other in others)
        return (one, *others)

    def _next(self, waiting: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block]]:
        """What to ask now, and what later: first all whole blocks, which show that the device is alive, then
        halves one by one, down to single points, so that a turn that ends early has found some."""
        whole = [block for block in waiting if block.request not in self._halved]
        if whole:
            return whole, [block for block in waiting if block.request in self._halved]
        return waiting[:1], waiting[1:]

    def _worth_a_request(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """These without parts of what was silent, where the turn has no time for more silences."""
        if self._hushed_left > 0:
            return blocks
        if silent := [block for block in blocks if block.request in self._hushed]:
            self._all_bad(silent, Reason.ILLEGAL_ADDRESS)
        return [block for block in blocks if block.request not in self._hushed]

    def _sort(self, blocks: Sequence[Block], exchanges: Sequence[Exchange]) -> Sequence[Block]:
        """Turn answers into readings; returns the blocks that are to be asked next in this turn."""
        unsent, again, lost = list[Block](), list[Block](), False
        stamp, series, readings = self._stamp, self._group.series, self.readings
        spoken = self._group.device.spoken
        for block, exchange in zip(blocks, exchanges, strict=True):
            data = exchange.data
            if data is not None:
                self._heard(exchange)
                middle = (exchange.asked_at + exchange.ended_at) / 2
                readings.append(block.reading(stamp(series, middle), data))
                if block.span.table not in spoken:
                    spoken.add(block.span.table)
                if self.search is not None:
                    self.search.good(block.span)
            elif exchange.error is None:
                unsent.append(block)  # because one before it was not answered
            else:
                lost = lost or isinstance(exchange.error, ConnectionGoneError)
                again += self._failed(block, exchange, exchange.error)
        self._lost += lost and not self._heard_here  # once, however many requests were open on it
        return again + unsent

    def _failed(self, block: Block, exchange: Exchange, error: QiluError) -> Sequence[Block]:
        """What to ask in place of a block that brought no data: the same again, its halves, or nothing."""
        instead: Sequence[Block] = ()
        reason = reason_of(error)
        if isinstance(error, ConnectionGoneError):
            # Many devices close an idle connection, and we learn of it when we next use it; some close it
            # after each reply. No failure yet: the rest is asked for over another one.
            instead = (block,) if self._heard_here or (self._served and not self._lost) else ()
        elif isinstance(error, ReplyTimeoutError) and self._is_hushed(block):
            reason = Reason.ILLEGAL_ADDRESS
            self._hushed_left -= 1
            self._found().by_silence = True
            instead = self._halves(block)
            self._hushed.update(half.request for half in instead)
        elif isinstance(error, _SILENT):
            # One silence among answers is about this block; a second one may be the end of the device.
            if not self.answered or self._silent:
                self._service.kept_silent(self._group.device.unit, exchange.asked_at, exchange.ended_at)
            self._silent.append(block)
        else:
            self._heard(exchange)
            instead = self._refused(block, error)
        if not instead:
            self.reason = reason
            middle = (exchange.asked_at + exchange.ended_at) / 2
            self.readings.append(block.bad(self._stamp(self._group.series, middle), self.reason))
        return instead

    def _refused(self, block: Block, error: QiluError) -> Sequence[Block]:
        """What to do about an exception of the device itself."""
        if isinstance(error, Acknowledged | DeviceBusy) and self._busy < len(BUSY_PAUSES):
            self._busy += 1
            return (block,)
        if isinstance(error, IllegalAddress | IllegalValue) and self._refused_left:
            self._refused_left -= 1
            return self._halves(block)
        if isinstance(error, IllegalFunction) and block.span.table not in self._group.device.spoken:
            self._found().no_function(block.span)
        return ()

    def _is_hushed(self, block: Block) -> bool:
        """Whether its silence, while the device is alive, means that the device does not have it."""
        often = self._group.silences.get(block.request, 0) >= HUSHED
        return often or (self.answered and block.request in self._hushed)

    def _halves(self, block: Block) -> Sequence[Block]:
        halves = [block.part(half) for half in self._found().refused(block.span)]
        self._halved.update(half.request for half in halves)
        return halves

    def _found(self) -> Search:
        if self.search is None:
            self.search = Search()
        return self.search

    def _heard(self, exchange: Exchange) -> None:
        self.answered = True
        self._service.answered(self._group.device.unit, exchange.ended_at - exchange.asked_at)

    def _all_bad(self, blocks: Sequence[Block], reason: Reason) -> None:
        self.reason = reason
        for block in blocks:
            self.readings.append(block.bad(self._stamp(self._group.series, _now()), reason))


def _now() -> float:
    return asyncio.get_running_loop().time()
