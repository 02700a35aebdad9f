"""One poll cycle of one poll group: requests its blocks and accounts for every value.

    request → reply       the values count
            → exception   bisect the block now; busy: pause, then repeat
            → timeout     repeat (`retries`), else give the block up: `Evidence` counts it for later cycles
            → disconnect  repeat over a new connection; a request that ends that one, too, counts as timed out

A block that times out while others are answered is bisected in its third cycle (`Evidence.is_unsupported`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.error_to_quality import reason_of
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.request_order import RequestOrder
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
MAX_FRUITLESS = 3
"""Consecutive connections that end without a reply, before the rest of a cycle is not requested."""

_BUSY = (AcknowledgeReply, DeviceBusy)
_NO_REPLY = (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ProtocolError)


class PollCycle:
    """Made for one cycle. `result` has every value when `read` is over."""

    __slots__ = (
        "_busy",
        "_fruitless",
        "_group",
        "_link",
        "_lost_s",
        "_order",
        "_probing",
        "_retries",
        "_service",
        "_unit",
        "result",
        "search",
    )

    def __init__(
        self, group: Group, link: EndpointConnector, service: UnitAvailability, stamp: Stamp
    ) -> None:
        self.result = PollResult(group.series, stamp)
        self.search: Bisection | None = None
        """What the device refused, and was confirmed; None where that is nothing."""
        self._group = group
        self._link = link
        self._service = service
        self._unit = group.device.unit
        self._order: RequestOrder | None = None  # None while all blocks are requested once, and reply
        self._busy = self._fruitless = self._retries = 0
        self._probing = False
        self._lost_s = 0.0  # seconds of timeouts of the request that is being repeated

    @property
    def usual(self) -> bool:
        """Whether all blocks were requested once, and replied."""
        return self._order is None

    async def read(self) -> None:
        """Of a settled group all blocks are requested; if all reply, nothing else is to be done."""
        group, connection, unit = self._group, self._link.connection, self._service.units[self._unit]
        if connection is not None and group.evidence.settled and unit.in_service:
            waiting = await self._request(connection, group.plan.blocks)
        else:
            waiting = self._prepared().first(unit)
        while waiting and (waiting := self._within_budget(waiting)):
            until = _now() + self._service.timing[self._unit].timeout
            connection = self._link.connection or await self._link.connected(until)
            if connection is None or self._fruitless >= MAX_FRUITLESS:
                self.result.not_asked(waiting, Reason.UNREACHABLE, _now())
                break
            waiting = await self._request(connection, *self._prepared().next(waiting))
        await self._finish()

    async def _request(
        self, connection: Connection, blocks: Sequence[Block], later: Sequence[Block] = ()
    ) -> Sequence[Block]:
        """Request these blocks; returns what to request next, `later` among it."""
        service, unit, result = self._service, self._unit, self.result
        transactions = [Transaction(unit, block.request) for block in blocks]
        await connection.read(transactions, service.response_timeout(unit), self._group.device.gap)
        if self._order is None and self._all_replied(blocks, transactions):
            return ()
        order, busy, retries = self._prepared(), self._busy, self._retries
        waiting = [*self._process_replies(order, connection, blocks, transactions), *later]
        repeats_probe = self._probing and self._retries < retries
        if waiting and not (service.should_continue(unit) or repeats_probe):
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

    def _prepared(self) -> RequestOrder:
        """What errors need, made with the first one of a cycle."""
        if self._order is None:
            self._order = RequestOrder(self._group.plan.blocks, self._group.evidence)
            self._retries = self._service.retries_for(self._unit, _now())
            self._probing = not self._service.units[self._unit].in_service
        return self._order

    async def _finish(self) -> None:
        """Confirm what was refused, and read scale factors again."""
        group, result, order = self._group, self.result, self._order
        verifier = group.device.verifier(self._link, self._service)
        if order is None:
            group.replied()
        else:
            if order.search is not None and await verifier.confirm(order.search, order.last_read):
                self.search = order.search
            group.cycle_ended(replied=result.replied)
        if group.plan.not_asked:
            result.excluded(group.plan.not_asked, _now())
        if result.replied:
            for block in group.plan.factors:
                if (data := await verifier.read(block.request)) is not None:
                    result.factors.append(block.reading(0, data))

    def _within_budget(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """These without the halves that would cost this cycle too much, which are not requested."""
        if not (over := self._prepared().over_budget(blocks)):
            return blocks
        self.result.not_asked(over, Reason.ILLEGAL_ADDRESS, _now())
        return [block for block in blocks if block not in over]

    def _process_replies(
        self,
        order: RequestOrder,
        connection: Connection,
        blocks: Sequence[Block],
        transactions: Sequence[Transaction],
    ) -> Sequence[Block]:
        """Turn replies into readings; returns the blocks to request next in this cycle."""
        following, lost = list[Block](), False
        for block, transaction in zip(blocks, transactions, strict=True):
            data, error = transaction.data, transaction.error
            if data is not None:
                self._on_values(order, block, transaction, data)
            elif error is None:  # not sent, since one before it failed
                following.append(block)
            elif isinstance(error, ConnectionLostError):
                if lost or not self._is_cause(connection):  # of several open requests, the oldest one is
                    following.append(block)
                else:
                    following += self._on_disconnect(order, block, transaction)
                lost = True
            else:
                following += self._on_error(order, block, transaction, error)
        if lost:
            self._fruitless = 0 if connection.record.replies else self._fruitless + 1
        return following

    def _on_values(self, order: RequestOrder, block: Block, transaction: Transaction, data: bytes) -> None:
        self._on_reply(transaction)
        accepted = self._group.accepted
        if block.request not in accepted and not accepted.agrees(block.reading(0, data)):
            self.result.add_failure(block, transaction, Reason.PROTOCOL_ERROR)
            self._group.report_disagreement(block)
            return
        accepted.record(block.request, self.result.add_values(block, transaction, data))
        order.replied(block)

    def _on_error(
        self, order: RequestOrder, block: Block, transaction: Transaction, error: QiluError
    ) -> Sequence[Block]:
        """The blocks to request in place of this one; without any, its values are bad."""
        reason = reason_of(error)
        if reason is Reason.PROTOCOL_ERROR:
            self.result.unusable = str(error)
        if isinstance(error, _NO_REPLY):
            return self._on_timeout(order, block, transaction, error, reason)
        self._on_reply(transaction)  # an exception concerns the addresses of its request only
        if isinstance(error, _BUSY):
            again: Sequence[Block] = (block,) if self._busy < len(BUSY_PAUSES) else ()
            self._busy += len(again)
        else:
            again = order.refused(block, reason)
        if not again:
            self.result.add_failure(block, transaction, reason)
        return again

    def _on_timeout(
        self, order: RequestOrder, block: Block, transaction: Transaction, error: QiluError, reason: Reason
    ) -> Sequence[Block]:
        timed_out = isinstance(error, ReplyTimeoutError)
        alive = self.result.replied or self._group.device_alive
        if timed_out and order.is_refusal(block, alive=alive):
            return self._on_refusal(order, block, transaction, Reason.ILLEGAL_ADDRESS)
        self._service.request_lost(self._unit)
        if timed_out and self._retries > 0:
            self._retries -= 1
            self._lost_s += transaction.ended_at - transaction.asked_at
            return (block,)
        self._give_up(block, transaction, reason)
        return ()

    def _is_cause(self, connection: Connection) -> bool:
        """Whether the request ended the connection: many devices close an idle one, which shows at the next
        request, so it has to be one without any reply, or the unit one that is only probed."""
        record = connection.record
        return not record.closed_by_us and not (record.replies and self._service.should_continue(self._unit))

    def _on_disconnect(self, order: RequestOrder, block: Block, transaction: Transaction) -> Sequence[Block]:
        """A unit all of whose requests end connections is out of service, as one without replies is."""
        self._group.connection_ended(transaction.ended_at)
        if self._group.evidence.is_unsupported(block.request):
            return self._on_refusal(order, block, transaction, Reason.UNREACHABLE)
        self._give_up(block, transaction, Reason.UNREACHABLE)
        return ()

    def _on_refusal(
        self, order: RequestOrder, block: Block, transaction: Transaction, reason: Reason
    ) -> Sequence[Block]:
        """No reply is taken for a refusal. Each part would end a connection as well: it is left out whole."""
        whole = reason is Reason.UNREACHABLE
        again = order.refused(block, reason, by_timeout=not whole, whole=whole)
        if not again:
            self.result.add_failure(block, transaction, reason)
        return again

    def _give_up(self, block: Block, transaction: Transaction, reason: Reason) -> None:
        """The first block of a cycle without a reply says nothing about a unit that answers others."""
        evidence, group = self._group.evidence, self._group
        if not (evidence.first_timeout and (self.result.replied or group.device_alive)):
            asked_at = transaction.asked_at - self._lost_s * self._probing
            repeated = self._lost_s > 0
            self._service.record_timeout(self._unit, asked_at, transaction.ended_at, repeated=repeated)
        evidence.timed_out(block.request)
        self._lost_s = 0.0
        self.result.add_failure(block, transaction, reason)

    def _on_reply(self, transaction: Transaction) -> None:
        self.result.replied = True
        self._lost_s = 0.0
        took = transaction.ended_at - transaction.asked_at
        timeout = self._service.timing[self._unit].timeout
        if took > timeout and took - self._link.on_the_line(transaction.request) > timeout:
            self.result.slow_reply_s += took
        self._service.replied(self._unit, took)


def _now() -> float:
    return asyncio.get_running_loop().time()
