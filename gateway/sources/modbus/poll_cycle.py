"""One poll cycle of one poll group: requests its blocks and accounts for every value.

    request → reply       the values count
            → exception   bisect the block now; busy: pause, then repeat
            → timeout     repeat (`retries`), else give the block up: `Evidence` counts it for later cycles
            → disconnect  repeat over a new connection, unless the request is the cause

A block that times out while others are answered is bisected in its third cycle (`Evidence.is_unsupported`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.sources.modbus.cycle_retries import CycleRetries
from gateway.sources.modbus.device import Group
from gateway.sources.modbus.disconnect_blame import DisconnectBlame
from gateway.sources.modbus.error_to_quality import reason_of
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.request_order import RequestOrder
from gateway.sources.modbus.learning.verification import Verifier
from gateway.sources.modbus.planning.plan import Block
from gateway.sources.modbus.poll_result import PollResult, Stamp
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.errors import QiluError
from qilu.contract.reading import Reason
from qilu.modbus.errors import (
    AcknowledgeReply,
    DeviceBusy,
    GatewayPathUnavailable,
    ProtocolError,
    TargetFailedToRespond,
)
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import EndpointConnector
from qilu.modbus_client.transaction import ConnectionLostError, ReplyTimeoutError, Transaction

BUSY_PAUSES = (0.05, 0.2)
"""Seconds before a request to a busy device is repeated, in the same cycle."""

_BUSY = (AcknowledgeReply, DeviceBusy)
_NO_REPLY = (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ProtocolError)


class PollCycle:
    """Reads one group once. Made for the cycle; `result` is complete when `read` returns."""

    __slots__ = (
        "_blame",
        "_busy",
        "_group",
        "_link",
        "_order",
        "_retries",
        "_service",
        "_unit",
        "complete",
        "result",
        "search",
        "usual",
    )  # fmt: skip

    def __init__(
        self, group: Group, link: EndpointConnector, service: UnitAvailability, stamp: Stamp
    ) -> None:
        self.result = PollResult(group.series, stamp)
        self.search: Bisection | None = None
        """What the device refused, and was confirmed; None where that is nothing."""
        self.complete = True
        """Whether the device replied, and all that it refuses was found."""
        self.usual = True
        """Whether all blocks were requested once, and replied; else the last three exist."""
        self._group = group
        self._link = link
        self._service = service
        self._unit = group.device.unit
        self._busy = 0  # pauses for a busy device so far
        self._order: RequestOrder
        self._retries: CycleRetries
        self._blame: DisconnectBlame

    async def read(self) -> None:
        """Of a settled group all blocks are requested; if all reply, nothing else is to be done."""
        group, connection, unit = self._group, self._link.connection, self._service.units[self._unit]
        if connection is not None and group.is_settled and unit.in_service:
            waiting = await self._request(connection, group.plan.blocks)
        else:
            self._prepare()
            waiting = self._order.first(unit, group.retested_points)
        while waiting and (waiting := self._within_budget(waiting)):
            until = _now() + self._service.timing[self._unit].timeout
            connection = self._link.connection or await self._link.connected(until)
            if connection is None or self._blame.exhausted:
                self.result.not_asked(waiting, Reason.UNREACHABLE, _now())
                break
            waiting = await self._request(connection, *self._order.next(waiting))
        await self._finish()

    async def _request(
        self, connection: Connection, blocks: Sequence[Block], later: Sequence[Block] = ()
    ) -> Sequence[Block]:
        """Request these blocks; returns what to request next, `later` among it."""
        service, unit, result = self._service, self._unit, self.result
        transactions = [Transaction(unit, block.request) for block in blocks]
        replies_before = connection.record.replies
        await connection.read(transactions, service.response_timeout(unit), self._group.device.gap)
        if self.usual:
            if self._all_replied(blocks, transactions):
                return ()
            self._prepare()
        busy = self._busy
        self._blame.requested(connection, replies_before, in_service=service.should_continue(unit))
        waiting = [*self._process_replies(blocks, transactions), *later]
        if waiting and not (service.should_continue(unit) or self._retries.may_continue):
            result.not_asked(waiting, Reason.PROTOCOL_ERROR if result.unusable else result.reason, _now())
            return ()
        if self._busy > busy:
            await asyncio.sleep(BUSY_PAUSES[busy])
        return waiting

    def _all_replied(self, blocks: Sequence[Block], transactions: Sequence[Transaction]) -> bool:
        """Take the values, if all are there: each of these blocks was accepted before."""
        for transaction in transactions:
            if transaction.data is None:
                return False
        result, accepted = self.result, self._group.accepted
        for block, transaction in zip(blocks, transactions, strict=True):
            self._on_reply(transaction)
            accepted.record(block.request, result.add_values(block, transaction, transaction.data))  # type: ignore[arg-type]
        return True

    def _prepare(self) -> None:
        """The cycle is not the usual one: make what errors need."""
        group, service = self._group, self._service
        self.usual = False
        self._order = RequestOrder(group.plan.blocks, group.evidence)
        self._retries = CycleRetries(
            service.retries,
            service.units[self._unit],
            sleeps=group.device.sleeps,
            alone=len(service.units) == 1,
        )
        self._blame = DisconnectBlame()

    async def _finish(self) -> None:
        """Confirm what was refused, and read scale factors again."""
        group, result = self._group, self.result
        if not self.usual:
            order = self._order
            if order.search is not None and await self._verifier().confirm(order.search, order.last_read):
                self.search = order.search
            self.complete = order.finish(replied=result.replied)
        if group.plan.not_asked:
            result.excluded(group.plan.not_asked, _now())
        if result.replied:
            for block in group.plan.factors:
                if (data := await self._verifier().read(block.request)) is not None:
                    result.factors.append(block.reading(0, data))
            woke = not self.usual and self._retries.woke
            group.device.wake_ups = group.device.wake_ups + 1 if woke else 0

    def _within_budget(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """These without the blocks that would cost this cycle too much, which are not requested."""
        if not (over := self._order.over_budget(blocks)):
            return blocks
        for block, reason in over:
            self.result.not_asked((block,), reason, _now())
        left_out = {block for block, _ in over}
        return [block for block in blocks if block not in left_out]

    def _process_replies(
        self, blocks: Sequence[Block], transactions: Sequence[Transaction]
    ) -> Sequence[Block]:
        """Turn replies into readings; returns the blocks to request next in this cycle."""
        following, lost = list[Block](), False
        self._retries.granted = False
        for block, transaction in zip(blocks, transactions, strict=True):
            data, error = transaction.data, transaction.error
            if data is not None:
                self._on_values(block, transaction, data)
            elif error is None:  # not sent, since one before it failed
                following.append(block)
            else:
                lost = lost or isinstance(error, ConnectionLostError)
                following += self._on_error(block, transaction, error)
        if lost:
            self._blame.connection_lost()
        return following

    def _on_error(self, block: Block, transaction: Transaction, error: QiluError) -> Sequence[Block]:
        """The blocks to request in place of this one; without any, its values are bad."""
        reason = reason_of(error)
        if reason is Reason.PROTOCOL_ERROR:
            self.result.unusable = str(error)
        if isinstance(error, ConnectionLostError):
            again = self._on_disconnect(block, transaction)
        elif isinstance(error, ReplyTimeoutError) and self._order.is_refusal(
            block, replied=self.result.replied
        ):
            reason, again = Reason.ILLEGAL_ADDRESS, self._order.refused_by_timeout(block)
        elif isinstance(error, _NO_REPLY):
            again = self._on_timeout(block, transaction, error)
        else:
            again = self._on_exception(block, transaction, error, reason)
        if not again:
            self.result.add_failure(block, transaction, reason)
        return again

    def _on_values(self, block: Block, transaction: Transaction, data: bytes) -> None:
        self._on_reply(transaction)
        accepted = self._group.accepted
        if block.request not in accepted and not accepted.agrees(block.reading(0, data)):
            self.result.add_failure(block, transaction, Reason.PROTOCOL_ERROR)
            self._group.report_disagreement(block)
            return
        accepted.record(block.request, self.result.add_values(block, transaction, data))
        self._order.replied(block)

    def _on_exception(
        self, block: Block, transaction: Transaction, error: QiluError, reason: Reason
    ) -> Sequence[Block]:
        """An exception of any code concerns the addresses of its request only."""
        self._on_reply(transaction)
        if not isinstance(error, _BUSY):
            return self._order.refused(block, reason)
        if self._busy == len(BUSY_PAUSES):
            return ()
        self._busy += 1
        return (block,)

    def _on_timeout(self, block: Block, transaction: Transaction, error: QiluError) -> Sequence[Block]:
        """The first block of a cycle that times out among answered ones says nothing about the unit."""
        result, retries = self.result, self._retries
        self._service.request_lost(self._unit)
        retry = isinstance(error, ReplyTimeoutError) and retries.available
        retries.woke = retries.woke or not (result.replied or result.unusable)
        took = transaction.ended_at - transaction.asked_at
        if retry and retries.waking:
            retries.waking_s = took
        elif not (result.replied and (retry or self._group.evidence.first_timeout)):
            asked_at = transaction.asked_at - retries.waking_s
            self._service.record_timeout(self._unit, asked_at, transaction.ended_at)
        if retry and retries.take():
            if not self._service.units[self._unit].worth_retry:
                result.slow_reply_s += took
            return (block,)
        self._group.evidence.timed_out(block.request)
        return ()

    def _on_disconnect(self, block: Block, transaction: Transaction) -> Sequence[Block]:
        """A unit all of whose requests end connections is out of service, as one without replies is."""
        if not self._blame.is_cause():
            return (block,)
        self._order.disconnected(block, transaction.ended_at)
        if not self.result.replied:
            self._service.record_timeout(self._unit, transaction.asked_at, transaction.ended_at)
        return ()

    def _on_reply(self, transaction: Transaction) -> None:
        self.result.replied = True
        took = transaction.ended_at - transaction.asked_at
        timeout = self._service.timing[self._unit].timeout
        if took > timeout and took - self._link.on_the_line(transaction.request) > timeout:
            self.result.slow_reply_s += took
        self._service.replied(self._unit, took)

    def _verifier(self) -> Verifier:
        return self._group.device.verifier(self._link, self._service)


def _now() -> float:
    return asyncio.get_running_loop().time()
