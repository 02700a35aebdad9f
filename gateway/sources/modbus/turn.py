"""One turn of one poll group: ask its blocks, mend what can be mended, account for every value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.sources.modbus.account import Account, Stamp
from gateway.sources.modbus.checking import Checking
from gateway.sources.modbus.device import Group
from gateway.sources.modbus.line.exchange import ConnectionGoneError, Exchange, ReplyTimeoutError
from gateway.sources.modbus.line.link import Link
from gateway.sources.modbus.plans.learning import Search
from gateway.sources.modbus.plans.plan import Block
from gateway.sources.modbus.reasons import reason_of
from gateway.sources.modbus.seeking import Seeking
from gateway.sources.modbus.service import Service
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.suspects import Suspect, Suspects
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

BUSY_PAUSES = (0.05, 0.2)
"""Seconds before a device that said it is busy is asked again, in the same turn."""
OUTAGE = 3
"""Probes in vain after which what a unit did not answer is no lost frame: it was switched off."""
MOST_LOST = 2
"""Connections lost in one turn without a reply, after which the rest of it is not asked for."""

_SILENT = (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ProtocolError)


class TurnReader:
    """Reads one group once. Made for the turn; `readings` is complete when `read` returns."""

    __slots__ = (
        "_account", "_answered_last", "_busy", "_cause_found", "_group", "_heard_here", "_in_service",
        "_link", "_lost", "_retries", "_seeking", "_served", "_service", "_suspects", "_timeout",
        "answered", "overtime",
    )  # fmt: skip

    def __init__(
        self, group: Group, link: Link, service: Service, stamp: Stamp, settings: ModbusSettings
    ) -> None:
        self.answered = False
        """Whether the device itself answered anything, be it an exception."""
        self.overtime = 0.0
        """Seconds that replies took which came later than the time-out."""
        self._group = group
        self._account = Account(group.series, stamp)
        self._seeking = Seeking(group)
        self._link = link
        self._service = service
        self._timeout = settings.timeout
        self._retries = settings.retries  # that are left in this turn
        self._answered_last: Block | None = None  # with values
        self._in_service = False  # when the turn began
        self._suspects: Suspects | None = None  # since the first silence
        self._busy = 0
        self._lost = 0  # connections, in this turn, that brought nothing
        self._cause_found = False  # of the end of the present connection
        # Whether the present connection had brought a reply before, to a unit in service, or was ended by us,
        self._served = False
        self._heard_here = False  # and whether it brought one to what was asked last

    @property
    def readings(self) -> list[Reading]:
        """Each value of the group, good or bad."""
        return self._account.readings

    @property
    def reason(self) -> Reason:
        """Why values are bad, the last one."""
        return self._account.reason

    @property
    def search(self) -> Search | None:
        """What the device refused in this turn."""
        return self._seeking.search

    async def read(self) -> None:
        group, link, service, seeking = self._group, self._link, self._service, self._seeking
        unit, gap = group.device.unit, group.device.gap
        self._in_service = service.units[unit].known or service.units[unit].probes < OUTAGE
        waiting = seeking.in_order(group.plan.blocks, service.units[unit])
        while waiting := self._worth_a_request(waiting):
            connection = link.connection or await link.connected(_now() + self._timeout)
            if connection is None or self._lost > MOST_LOST:
                self._give_up(waiting, Reason.UNREACHABLE)
                break
            blocks, later = seeking.next(waiting)
            before = connection.replies
            exchanges = [Exchange(unit, block.request) for block in blocks]
            await connection.read(exchanges, service.patience(unit), gap)
            self._served = connection.hung_up or (before > 0 and service.worth_asking(unit))
            self._heard_here = connection.replies > before
            busy = self._busy
            waiting = [*self._sort(blocks, exchanges), *later]
            suspects = self._suspects
            if suspects and (self.answered or not waiting):
                waiting = [*waiting, *await self._examine(suspects)]
            if waiting and not (service.worth_asking(unit) or (suspects is not None and suspects.go_on)):
                self._give_up(waiting, self.reason)
                break
            if self._busy > busy:
                await asyncio.sleep(BUSY_PAUSES[busy])
        if self._suspects:  # all that was to be asked beside them was given up
            self._kept_silent(self._suspects.take())
        if seeking.search is not None:
            await self._check(seeking.search)
        self._account.refused(group.plan.not_asked, _now())
        if self.answered and not self._in_service:
            group.device.is_back()
        seeking.over(self.answered)

    async def _examine(self, suspects: Suspects) -> Sequence[Block]:
        """What to ask in place of the suspects: what the device has not given of them yet."""
        instead, taken = list[Block](), suspects.take()
        for at, (block, exchange) in enumerate(taken):
            rest = await self._rest_of(block, exchange, suspects)
            if rest is None:
                self._group.device.in_vain(exchange.ended_at)
                suspects.device_has_gone()
                self._kept_silent(taken[at:])
                break
            instead += rest
        return instead

    async def _rest_of(self, block: Block, exchange: Exchange, suspects: Suspects) -> Sequence[Block] | None:
        """What is left to ask of a suspect; None where the device has gone, as far as one can see."""
        checking, seeking = self._checking(), self._seeking
        may_ignore = not self._group.device.loses_frames(exchange.ended_at)
        if given := await checking.one_point(block):
            place, one, answer, data = given
            self._good(one, answer, data)
            rest = seeking.rest(block, place, hushed=may_ignore)
            suspects.in_parts(block, rest)
            return rest
        known = self._answered_last
        alive = checking.spoke or (known is not None and await checking.still_answers(known))
        if not may_ignore or not alive:
            return None
        rest = seeking.ignored(block, exchange.ended_at)
        if not rest:
            self._account.bad(block, exchange, Reason.ILLEGAL_ADDRESS)
        return rest

    def _kept_silent(self, suspects: Sequence[Suspect]) -> None:
        """Nothing told these from a device that has gone."""
        for block, exchange in suspects:
            self._seeking.kept_silent(block)
            self._account.bad(block, exchange, Reason.TIMEOUT)

    async def _check(self, search: Search) -> None:
        """See that what the search found is to be believed; else it is found again later."""
        checking = self._checking()
        if not search.by_silence:
            await checking.measure(search)
        elif not await checking.confirm(search, self._answered_last):
            self._seeking.search = None

    def _checking(self) -> Checking:
        return Checking(self._group, self._link, self._service, self._timeout)

    def _worth_a_request(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """These without what would cost this turn too many connections, or silences."""
        if ending := self._seeking.too_ending(blocks):
            self._account.not_asked(ending, Reason.UNREACHABLE, _now())
            blocks = [block for block in blocks if block not in ending]
        if silent := self._seeking.too_silent(blocks):
            self._account.not_asked(silent, Reason.ILLEGAL_ADDRESS, _now())
            blocks = [block for block in blocks if block not in silent]
        return blocks

    def _sort(self, blocks: Sequence[Block], exchanges: Sequence[Exchange]) -> Sequence[Block]:
        """Turn answers into readings; returns the blocks that are to be asked next in this turn."""
        unsent, again, lost = list[Block](), list[Block](), False
        self._cause_found = False
        for block, exchange in zip(blocks, exchanges, strict=True):
            data = exchange.data
            if data is not None:
                self._good(block, exchange, data)
            elif exchange.error is None:
                unsent.append(block)  # because one before it was not answered
            else:
                lost = lost or isinstance(exchange.error, ConnectionGoneError)
                again += self._failed(block, exchange, exchange.error)
        self._lost += lost and not self._heard_here  # once, however many requests were open on it
        return again + unsent

    def _good(self, block: Block, exchange: Exchange, data: bytes) -> None:
        group, seeking = self._group, self._seeking
        self._heard(exchange)
        self._answered_last = block
        self._account.good(block, exchange, data)
        if block.span.table not in group.device.spoken:
            group.device.spoken.add(block.span.table)
        if seeking.search is not None or not group.uneventful:
            seeking.answered(block, exchange.ended_at, self._in_service)

    def _failed(self, block: Block, exchange: Exchange, error: QiluError) -> Sequence[Block]:
        """What to ask in place of a block that brought no data: the same again, its halves, or nothing."""
        instead: Sequence[Block] | None = ()
        reason = reason_of(error)
        if isinstance(error, ConnectionGoneError):
            instead = self._gone(block, exchange)
        elif isinstance(error, ReplyTimeoutError) and (
            (halves := self._seeking.silent(block, exchange.ended_at, self.answered)) is not None
        ):
            reason, instead = Reason.ILLEGAL_ADDRESS, halves
        elif isinstance(error, _SILENT):
            instead = self._silent(block, exchange, error)
        else:
            self._heard(exchange)
            instead = self._refused(block, error)
        if instead is None:
            return ()
        if not instead:
            self._account.bad(block, exchange, reason)
        return instead

    def _gone(self, block: Block, exchange: Exchange) -> Sequence[Block]:
        """Many devices close an idle connection, and we learn of it when we next use it; some close it after
        each reply. No failure yet: the rest is asked for over another one. Of several requests that were open
        when a new one ended, the oldest is the likeliest cause; a unit all of whose requests do that is as
        good as silent, and would take one connection after the other from its neighbours."""
        unit, service = self._group.device.unit, self._service
        if self._heard_here or self._cause_found or (self._served and not self._lost):
            return (block,)
        self._cause_found = True
        self._seeking.ended_the_connection(block, exchange.ended_at)
        if not self.answered:
            service.kept_silent(unit, exchange.asked_at, exchange.ended_at)
        return ()

    def _silent(self, block: Block, exchange: Exchange, error: QiluError) -> Sequence[Block] | None:
        """A frame may be lost: a unit in service is asked again. One silence among answers is about this
        block; a second one may be the end of the device. None where the turn may yet tell which."""
        unit, service = self._group.device.unit, self._service
        unanswered = isinstance(error, ReplyTimeoutError)
        if (suspects := self._suspects) is None:
            alone = len(service.units) == 1
            suspects = Suspects(self._group, service.units[unit], alone or self._link.numbered)
            self._suspects = suspects
        whole = suspects.whole(block)
        self._group.unheard.add(whole.request)
        again = self._retries > 0 and unanswered and service.units[unit].known
        if not (self.answered and (again or self._seeking.first_silence)):
            service.kept_silent(unit, exchange.asked_at, exchange.ended_at)
        if again and service.worth_asking(unit):
            self._retries -= 1
            return (block,)
        if whole is not block:
            self._group.device.in_vain(exchange.ended_at)
        if unanswered and self._seeking.may_suspect() and suspects.add(block, exchange, self.answered):
            return None
        self._seeking.kept_silent(whole)
        return ()

    def _refused(self, block: Block, error: QiluError) -> Sequence[Block]:
        """What to do about an exception of the device itself."""
        if isinstance(error, Acknowledged | DeviceBusy) and self._busy < len(BUSY_PAUSES):
            self._busy += 1
            return (block,)
        if isinstance(error, IllegalAddress | IllegalValue):
            return self._seeking.refused(block)
        if isinstance(error, IllegalFunction):
            self._seeking.no_function(block)
        return ()

    def _heard(self, exchange: Exchange) -> None:
        self.answered = True
        took = exchange.ended_at - exchange.asked_at
        if took > self._timeout and took - self._link.on_the_line(exchange.request) > self._timeout:
            self.overtime += took
        self._service.answered(self._group.device.unit, took)

    def _give_up(self, blocks: Sequence[Block], reason: Reason) -> None:
        if self._suspects is not None:
            self._kept_silent(self._suspects.take())
        self._account.not_asked(blocks, reason, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
