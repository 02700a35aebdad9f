"""Requests that confirm what a bisection found, before it is learned."""

from __future__ import annotations

import asyncio

from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.planning.blocks import Span
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


def _request(span: Span) -> bytes:
    return read_request(span.table.read_function, span.first, span.count, limit=span.count)


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
        confirmed: set[Table] = set()  # of exceptions the shortest block of each table is enough
        for span in search.with_good_halves():
            if span.table in confirmed and not search.by_timeout:
                continue
            if self._timeouts_left <= 0 or await self._replied(_request(span)):
                search.discard(span)
            else:
                confirmed.add(span.table)
        for span in search.doubtful_points():
            if self._timeouts_left > 0:
                wrong = await self._replied(_request(span), TRIES - 1)
            else:
                wrong = search.frames_lost
            if wrong:
                search.discard(span)
        return not search.by_timeout or await self._is_alive(known)

    async def _is_alive(self, known: Block | None) -> bool:
        """Whether the device still replies to what it answered before; else its timeouts say nothing."""
        self._timeouts_left = max(self._timeouts_left, TRIES)
        return known is not None and await self._replied(known.point(0).request) is not None

    async def _replied(self, request: bytes, tries: int = TRIES) -> bool | None:
        """Whether the device gave the values, or refused; None where it did neither."""
        for _ in range(tries):
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
