"""Asks once more for what is to be believed: that a device is there, why it refuses, that it was no loss."""

from __future__ import annotations

import asyncio

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.planning.plan import Block
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.errors import QiluError
from qilu.contract.profile import Table
from qilu.modbus.errors import (
    ExceptionReply,
    GatewayPathUnavailable,
    TargetFailedToRespond,
    UnknownExceptionReply,
)
from qilu.modbus.pdu import read_request
from qilu.modbus_client.connector import EndpointConnector
from qilu.modbus_client.transaction import ReplyTimeoutError, Transaction

TRIES = 3
"""How often a question is asked that brings no answer: a frame may be lost, or the connection end."""
MAX_TIMEOUTS = 8
"""Time-outs that one turn may spend on this; what is not confirmed by then is found again later."""


def _refused(error: QiluError | None) -> bool:
    """Whether this is an exception of the device itself."""
    return isinstance(error, ExceptionReply | UnknownExceptionReply) and not isinstance(
        error, GatewayPathUnavailable | TargetFailedToRespond
    )


class Verifier:
    """Made for one turn. The values of the answers are not used, but for `read_single_point`."""

    def __init__(
        self, group: Group, link: EndpointConnector, service: UnitAvailability, timeout: float
    ) -> None:
        self._group = group
        self._link = link
        self._service = service
        self._timeout = timeout
        self._timeouts_left = MAX_TIMEOUTS
        self.device_responded = False
        """Whether the device itself answered what it was asked for once, be it an exception."""

    async def read_single_point(self, block: Block) -> tuple[int, Block, Transaction, bytes] | None:
        """The point of this block that the device gives, of the first and the last: its place, a block of it
        alone, and the answer, whose value counts; first the block itself where it was answered before."""
        places = dict.fromkeys((0, len(block.columns.points) - 1))
        points = [(place, block.point(place)) for place in places]
        if block.request in self._group.accepted:  # a lost frame: a part of it has to agree with the whole
            points.insert(0, (0, block))
        for place, point in points:
            exchange = await self._read_once(point.request)
            if exchange is not None and exchange.data is not None:
                return place, point, exchange, exchange.data
        return None

    async def read(self, request: bytes) -> bytes | None:
        """The data of the reply, where the device gives it."""
        exchange = await self._read_once(request)
        return None if exchange is None else exchange.data

    async def recheck_alive(self, block: Block) -> bool:
        """Whether the device gives a point of what it gave a moment ago."""
        exchange = await self._read_once(block.point(0).request)
        if exchange is not None and exchange.data is not None:
            self._service.replied(self._group.device.unit, exchange.ended_at - exchange.asked_at)
        return self.device_responded

    async def _read_once(self, request: bytes) -> Transaction | None:
        unit, service = self._group.device.unit, self._service
        # What may be late must not be followed closely by the next one where replies are not told apart.
        timeout = service.probe_timeout(unit) if self._link.numbered else service.response_timeout(unit)
        exchange = await self._ask(request, timeout)
        if exchange is not None:
            responded = exchange.data is not None or _refused(exchange.error)
            self.device_responded = self.device_responded or responded
        return exchange

    async def measure(self, search: Bisection) -> None:
        """Ask what tells a length that is refused from addresses that are."""
        for measuring in search.to_measure():
            while (asked := measuring.next()) is not None:
                count = asked.last - asked.first + 1
                replied = await self._request_replied(
                    read_request(asked.table.read_function, asked.first, count)
                )
                if replied is None:
                    return
                measuring.record(replied)

    async def repeat_refused(self, search: Bisection) -> None:
        """Request once more what was refused, or timed out, though both of its halves are answered, and what
        the device failed to read: that may have been a loss, or a moment in which it was busy."""
        confirmed: set[Table] = set()  # of exceptions the shortest block of each table is enough
        for span in (*search.failed_points(), *search.with_good_halves()):
            if span.table in confirmed and not search.by_timeout:
                continue
            again = read_request(span.table.read_function, span.first, span.count)
            if self._timeouts_left <= 0 or await self._request_replied(again):
                search.discard(span)
            elif len(span.points) > 1:
                confirmed.add(span.table)

    async def is_alive(self, replied: Block | None) -> bool:
        """False where nothing is to be believed: the device does not reply now even to what it `replied`."""
        self._timeouts_left = max(self._timeouts_left, TRIES)
        if replied is None:
            return False
        return await self._request_replied(replied.point(0).request) is not None

    async def _request_replied(self, request: bytes) -> bool | None:
        """Whether the device gave the values, or refused; None where it did neither."""
        unit = self._group.device.unit
        for _ in range(TRIES):
            if self._timeouts_left <= 0:
                return None
            exchange = await self._ask(request, self._service.response_timeout(unit))
            if exchange is None:
                return None
            if exchange.data is not None:
                return True
            if _refused(exchange.error):
                return False
            self._timeouts_left -= isinstance(exchange.error, ReplyTimeoutError)
        return None

    async def _ask(self, request: bytes, timeout: float) -> Transaction | None:
        """None where there is no connection."""
        until = asyncio.get_running_loop().time() + self._timeout
        connection = self._link.connection or await self._link.connected(until)
        if connection is None:
            return None
        exchange = Transaction(self._group.device.unit, request)
        await connection.read([exchange], timeout, self._group.device.gap)
        return exchange
