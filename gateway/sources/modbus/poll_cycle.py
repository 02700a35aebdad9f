"""One turn of one poll group: ask its blocks, mend what can be mended, account for every value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.error_to_quality import reason_of
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.planning.plan import Block
from gateway.sources.modbus.poll_result import PollResult, Stamp
from gateway.sources.modbus.request_order import BisectionStrategy
from gateway.sources.modbus.settings import ModbusSettings
from gateway.sources.modbus.timeout_diagnosis import Suspect, UndiagnosedTimeouts
from gateway.sources.modbus.unit_availability import UnitAvailability
from gateway.sources.modbus.verification import Verifier
from qilu.contract.errors import QiluError
from qilu.contract.reading import Reading, Reason
from qilu.modbus.errors import (
    AcknowledgeReply,
    DeviceBusy,
    GatewayPathUnavailable,
    ProtocolError,
    TargetFailedToRespond,
)
from qilu.modbus_client.connector import EndpointConnector
from qilu.modbus_client.transaction import ConnectionLostError, ReplyTimeoutError, Transaction

BUSY_PAUSES = (0.05, 0.2)
"""Seconds before a device that said it is busy is asked again, in the same turn."""
OUTAGE = 3
"""Probes in vain after which what a unit did not answer is no lost frame: it was switched off."""
MAX_LOST = 2
"""Connections lost in one turn without a reply, after which the rest of it is not asked for."""

_NO_REPLY = (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ProtocolError)


class PollCycle:
    """Reads one group once. Made for the turn; `readings` is complete when `read` returns."""

    __slots__ = (
        "_account",
        "_busy",
        "_connection_was_proven",
        "_culprit_known",
        "_fruitless_connections",
        "_group",
        "_in_service",
        "_link",
        "_replied_last",
        "_replied_on_connection",
        "_retries",
        "_retries_granted",
        "_seeking",
        "_service",
        "_suspects",
        "_timed_out_first",
        "_timeout",
        "_wakes",
        "factors",
        "replied",
        "slow_reply_time",
        "unusable",
    )  # fmt: skip

    def __init__(
        self,
        group: Group,
        link: EndpointConnector,
        service: UnitAvailability,
        stamp: Stamp,
        settings: ModbusSettings,
    ) -> None:
        self.unusable = ""
        """What came in place of a reply, for people; the last one."""
        self.replied = False
        """Whether the device itself answered anything, be it an exception."""
        self.slow_reply_time = 0.0
        """Seconds that replies took which came later than the time-out."""
        self.factors: list[Reading] = []
        """Scale factors as they were after the values of other blocks had been read."""
        self._group = group
        self._account = PollResult(group.series, stamp)
        self._seeking = BisectionStrategy(group)
        self._link = link
        self._service = service
        self._timeout = group.device.setup.settings.timeout or settings.timeout
        unit = service.units[group.device.unit]
        # A device that is asleep loses the request that wakes it. To repeat one costs a neighbour time.
        may_sleep = not unit.in_service and (
            unit.probes % 4 == 2 or (unit.probes and len(service.units) == 1)
        )
        self._wakes = bool(group.device.sleeps or may_sleep)
        self._retries = max(settings.retries, int(self._wakes))  # that are left in this turn
        self._retries_granted = False  # to what timed out last
        self._timed_out_first = False
        self._replied_last: Block | None = None  # with values
        self._in_service = False  # when the turn began
        self._suspects: UndiagnosedTimeouts | None = None  # since the first silence
        self._busy = 0
        self._fruitless_connections = 0  # connections, in this turn, that brought nothing
        self._culprit_known = False  # of the end of the present connection
        # Whether the present connection had brought a reply before, to a unit in service, or was ended by us,
        self._connection_was_proven = False
        self._replied_on_connection = False  # and whether it brought one to what was asked last

    @property
    def readings(self) -> list[Reading]:
        """Each value of the group, good or bad."""
        return self._account.readings

    @property
    def reason(self) -> Reason:
        """Why values are bad, the last one."""
        return self._account.reason

    @property
    def search(self) -> Bisection | None:
        """What the device refused in this turn."""
        return self._seeking.search

    async def read(self) -> None:
        group, link, service, seeking = self._group, self._link, self._service, self._seeking
        unit, gap = group.device.unit, group.device.gap
        self._in_service = service.units[unit].in_service or service.units[unit].probes < OUTAGE
        waiting = seeking.order(group.plan.blocks, service.units[unit])
        while waiting := self._within_budget(waiting):
            connection = link.connection or await link.connected(_now() + self._timeout)
            if connection is None or self._fruitless_connections > MAX_LOST:
                self._give_up(waiting, Reason.UNREACHABLE)
                break
            blocks, later = seeking.next(waiting)
            before = connection.replies
            exchanges = [Transaction(unit, block.request) for block in blocks]
            await connection.read(exchanges, service.response_timeout(unit), gap)
            self._connection_was_proven = connection.closed_by_us or (
                before > 0 and service.should_continue(unit)
            )
            self._replied_on_connection = connection.replies > before
            busy = self._busy
            waiting = [*self._process_replies(blocks, exchanges), *later]
            suspects = self._suspects
            if suspects and (self.replied or not waiting):
                waiting = [*waiting, *await self._diagnose(suspects)]
            if waiting and not (
                service.should_continue(unit)
                or (self._wakes and self._retries_granted)
                or (suspects is not None and suspects.may_continue)
            ):
                self._give_up(waiting, Reason.PROTOCOL_ERROR if self.unusable else self.reason)
                break
            if self._busy > busy:
                await asyncio.sleep(BUSY_PAUSES[busy])
        if self._suspects:  # all that was to be asked beside them was given up
            self._record_timeout(self._suspects.take())
        if seeking.search is not None:
            await self._check(seeking.search)
        self._account.refused(group.plan.not_asked, _now())
        if self.replied:
            await self._read_factors_again()
            group.device.wake_ups = group.device.wake_ups + 1 if self._timed_out_first else 0
            if not self._in_service:
                group.device.reset_after_outage()
        seeking.finish(self.replied)

    async def _read_factors_again(self) -> None:
        for block in self._group.plan.factors:
            data = await self._checking().read(block.request)
            if data is not None:
                self.factors.append(block.reading(0, data))

    async def _diagnose(self, suspects: UndiagnosedTimeouts) -> Sequence[Block]:
        """What to ask in place of the suspects: what the device has not given of them yet."""
        instead, blocks = list[Block](), suspects.take()
        for at, (block, exchange) in enumerate(blocks):
            rest = await self._rest_of(block, exchange, suspects)
            if rest is None:
                self._group.device.record_failed_retry(exchange.ended_at)
                suspects.mark_device_lost()
                self._record_timeout(blocks[at:])
                break
            instead += rest
        return instead

    async def _rest_of(
        self, block: Block, exchange: Transaction, suspects: UndiagnosedTimeouts
    ) -> Sequence[Block] | None:
        """What is left to ask of a suspect; None where the device has gone, as far as one can see."""
        checking, seeking = self._checking(), self._seeking
        may_ignore = not self._group.device.loses_frames(exchange.ended_at)
        if point_reply := await checking.read_single_point(block):
            place, single, reply, data = point_reply
            self._good(single, reply, data)
            rest = seeking.rest(block, place, by_timeout=may_ignore) if single is not block else ()
            suspects.register_split(block, rest)
            return rest
        known = self._replied_last
        alive = checking.device_responded or (known is not None and await checking.recheck_alive(known))
        if not may_ignore or not alive:
            return None
        rest = seeking.treat_as_refused(block, exchange.ended_at)
        if not rest:
            self._account.add_failure(block, exchange, Reason.ILLEGAL_ADDRESS)
        return rest

    def _record_timeout(self, suspects: Sequence[Suspect]) -> None:
        """Nothing told these from a device that has gone."""
        for block, exchange in suspects:
            self._seeking.record_timeout(block)
            reason = Reason.TIMEOUT if exchange.error is None else reason_of(exchange.error)
            self._account.add_failure(block, exchange, reason)

    async def _check(self, search: Bisection) -> None:
        """See that what the search found is to be believed; else it is found again later."""
        checking = self._checking()
        await checking.repeat_refused(search)
        if not search.by_timeout:
            await checking.measure(search)
        elif not await checking.is_alive(self._replied_last):
            self._seeking.search = None

    def _checking(self) -> Verifier:
        return Verifier(self._group, self._link, self._service, self._timeout)

    def _within_budget(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """These without what would cost this turn too many connections, or silences."""
        if ending := self._seeking.over_disconnect_budget(blocks):
            self._account.not_asked(ending, Reason.UNREACHABLE, _now())
            blocks = [block for block in blocks if block not in ending]
        if timed_out := self._seeking.over_timeout_budget(blocks):
            self._account.not_asked(timed_out, Reason.ILLEGAL_ADDRESS, _now())
            blocks = [block for block in blocks if block not in timed_out]
        return blocks

    def _process_replies(self, blocks: Sequence[Block], exchanges: Sequence[Transaction]) -> Sequence[Block]:
        """Turn answers into readings; returns the blocks that are to be asked next in this turn."""
        unsent, again, lost = list[Block](), list[Block](), False
        self._retries_granted = False
        self._culprit_known = False
        for block, exchange in zip(blocks, exchanges, strict=True):
            data = exchange.data
            if data is not None:
                self._good(block, exchange, data)
            elif exchange.error is None:
                unsent.append(block)  # because one before it was not answered
            else:
                lost = lost or isinstance(exchange.error, ConnectionLostError)
                again += self._failed(block, exchange, exchange.error)
        self._fruitless_connections += (
            lost and not self._replied_on_connection
        )  # once, however many requests were open on it
        return again + unsent

    def _good(self, block: Block, exchange: Transaction, data: bytes) -> None:
        group, seeking = self._group, self._seeking
        self._on_response(exchange)
        accepted = group.accepted
        if block.request not in accepted and not accepted.agrees(block.reading(0, data)):
            self._account.add_failure(block, exchange, Reason.PROTOCOL_ERROR)
            group.report_disagreement(block)
            return
        self._replied_last = block
        accepted.record(block.request, self._account.add_values(block, exchange, data))
        if seeking.search is not None or not group.is_healthy:
            seeking.replied(block, exchange.ended_at, self._in_service)

    def _failed(self, block: Block, exchange: Transaction, error: QiluError) -> Sequence[Block]:
        """What to ask in place of a block that brought no data: the same again, its halves, or nothing."""
        instead: Sequence[Block] | None = ()
        reason = reason_of(error)
        if reason is Reason.PROTOCOL_ERROR:
            self.unusable = str(error)
        if isinstance(error, ConnectionLostError):
            instead = self._on_connection_lost(block, exchange)
        elif isinstance(error, ReplyTimeoutError) and (
            (halves := self._seeking.timed_out(block, exchange.ended_at, self.replied)) is not None
        ):
            reason, instead = Reason.ILLEGAL_ADDRESS, halves
        elif isinstance(error, _NO_REPLY):
            instead = self._on_timeout(block, exchange, error)
        else:
            self._on_response(exchange)
            instead = self._on_exception(block, error, reason)
        if instead is None:
            return ()
        if not instead:
            self._account.add_failure(block, exchange, reason)
        return instead

    def _on_connection_lost(self, block: Block, exchange: Transaction) -> Sequence[Block]:
        """Many devices close an idle connection, and we learn of it when we next use it; some close it after
        each reply. No failure yet: the rest is asked for over another one. Of several requests that were open
        when a new one ended, the oldest is the likeliest cause; a unit all of whose requests do that is as
        good as silent, and would take one connection after the other from its neighbours."""
        unit, service = self._group.device.unit, self._service
        if (
            self._replied_on_connection
            or self._culprit_known
            or (self._connection_was_proven and not self._fruitless_connections)
        ):
            return (block,)
        self._culprit_known = True
        self._seeking.ended_the_connection(block, exchange.ended_at)
        if not self.replied:
            service.record_timeout(unit, exchange.asked_at, exchange.ended_at)
        return ()

    def _on_timeout(self, block: Block, exchange: Transaction, error: QiluError) -> Sequence[Block] | None:
        """A frame may be lost: a unit in service is asked again. One silence among answers is about this
        block; a second one may be the end of the device. None where the turn may yet tell which."""
        unit, service = self._group.device.unit, self._service
        timed_out = isinstance(error, ReplyTimeoutError)
        if (suspects := self._suspects) is None:
            alone = len(service.units) == 1
            suspects = UndiagnosedTimeouts(self._group, service.units[unit], alone or self._link.numbered)
            self._suspects = suspects
        whole = suspects.origin_of(block)
        self._group.timed_out_requests.add(whole.request)
        self._timed_out_first = self._timed_out_first or not (self.replied or self.unusable)
        again = self._retries > 0 and timed_out and (self._wakes or service.units[unit].in_service)
        only_woken = again and self._group.device.sleeps
        if not only_woken and not (self.replied and (again or self._seeking.first_timeout)):
            service.record_timeout(unit, exchange.asked_at, exchange.ended_at)
        if again and (self._wakes or service.should_continue(unit)):
            self._retries -= 1
            self._retries_granted = True
            return (block,)
        if whole is not block:
            self._group.device.record_failed_retry(exchange.ended_at)
        if timed_out and self._seeking.may_suspect() and suspects.add(block, exchange, self.replied):
            return None
        self._seeking.record_timeout(whole)
        return ()

    def _on_exception(self, block: Block, error: QiluError, reason: Reason) -> Sequence[Block]:
        """An exception of the device itself. Whatever its code, it settles nothing but what was requested."""
        if not isinstance(error, AcknowledgeReply | DeviceBusy):
            return self._seeking.refused(block, reason)
        if self._busy == len(BUSY_PAUSES):
            return ()
        self._busy += 1
        return (block,)

    def _on_response(self, exchange: Transaction) -> None:
        self.replied = True
        took = exchange.ended_at - exchange.asked_at
        if took > self._timeout and took - self._link.on_the_line(exchange.request) > self._timeout:
            self.slow_reply_time += took
        self._service.replied(self._group.device.unit, took)

    def _give_up(self, blocks: Sequence[Block], reason: Reason) -> None:
        if self._suspects is not None:
            self._record_timeout(self._suspects.take())
        self._account.not_asked(blocks, reason, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
