"""Requests that confirm what a bisection found, before it is learned."""

from __future__ import annotations

import asyncio

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
"""Attempts of one request: a frame may be lost, or the connection end."""
MAX_TIMEOUTS = 8
"""Timeouts of one cycle; what is not confirmed by then is found again later."""


def _refused(error: QiluError | None) -> bool:
    """Whether this is an exception of the device itself."""
    return isinstance(error, ExceptionReply | UnknownExceptionReply) and not isinstance(
        error, GatewayPathUnavailable | TargetFailedToRespond
    )


class Verifier:
    """Made for one cycle of one unit. The values of the replies are not used."""

    def __init__(self, unit: int, gap: float, link: EndpointConnector, service: UnitAvailability) -> None:
        """`gap`: seconds before a request."""
        self._unit = unit
        self._gap = gap
        self._link = link
        self._service = service
        self._timeouts_left = MAX_TIMEOUTS

    async def read(self, request: bytes) -> bytes | None:
        """The data of the reply, where the device gives it."""
        transaction = await self._request(request)
        return None if transaction is None else transaction.data

    async def confirm(self, search: Bisection, known: Block | None) -> bool:
        """Repeat what was refused; whether the rest of the search is to be believed. `known`: a block that
        was read in this cycle."""
        await self._repeat_refused(search)
        if search.by_timeout:
            return await self._is_alive(known)
        await self._measure(search)
        return True

    async def _measure(self, search: Bisection) -> None:
        """Find out whether a length is refused, or the addresses between two halves."""
        for measuring in search.to_measure():
            while (range_ := measuring.next()) is not None:
                count = range_.last - range_.first + 1
                replied = await self._replied(read_request(range_.table.read_function, range_.first, count))
                if replied is None:
                    return
                measuring.record(replied)

    async def _repeat_refused(self, search: Bisection) -> None:
        """A refused span whose halves are both answered, and a point that the device failed to read: that may
        have been a lost frame, or a moment in which the device was busy."""
        confirmed: set[Table] = set()  # of exceptions the shortest block of each table is enough
        for span in (*search.failed_points(), *search.with_good_halves()):
            if span.table in confirmed and not search.by_timeout:
                continue
            again = read_request(span.table.read_function, span.first, span.count)
            if self._timeouts_left <= 0 or await self._replied(again):
                search.discard(span)
            elif len(span.points) > 1:
                confirmed.add(span.table)

    async def _is_alive(self, known: Block | None) -> bool:
        """Whether the device still replies to what it answered before; else its timeouts say nothing."""
        self._timeouts_left = max(self._timeouts_left, TRIES)
        return known is not None and await self._replied(known.point(0).request) is not None

    async def _replied(self, request: bytes) -> bool | None:
        """Whether the device gave the values, or refused; None where it did neither."""
        for _ in range(TRIES):
            if self._timeouts_left <= 0:
                return None
            transaction = await self._request(request)
            if transaction is None:
                return None
            if transaction.data is not None:
                return True
            if _refused(transaction.error):
                return False
            self._timeouts_left -= isinstance(transaction.error, ReplyTimeoutError)
        return None

    async def _request(self, request: bytes) -> Transaction | None:
        """None where there is no connection."""
        until = asyncio.get_running_loop().time() + self._service.timing[self._unit].timeout
        connection = self._link.connection or await self._link.connected(until)
        if connection is None:
            return None
        transaction = Transaction(self._unit, request)
        await connection.read([transaction], self._service.response_timeout(self._unit), self._gap)
        return transaction
