"""Asks one endpoint over the gateway's own connection, one question at a time; nothing here can write."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Self

from gateway.commissioning.probe.arguments import Range
from gateway.commissioning.probe.range_dump import Dump, RangeSearch
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings, Quirks
from qilu.config.tls import TlsSettings
from qilu.contract.errors import QiluError, UnreachableError
from qilu.contract.profile import Table
from qilu.modbus.device_identification import Access, ReadIdentity
from qilu.modbus.errors import (
    AcknowledgeReply,
    DeviceBusy,
    DeviceFailure,
    ExceptionReply,
    GatewayPathUnavailable,
    IllegalAddress,
    IllegalFunction,
    IllegalValue,
    ModbusError,
    ProtocolError,
    TargetFailedToRespond,
)
from qilu.modbus.pdu import read_request, response_identity
from qilu.modbus.read_functions import unpack_bits
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import EndpointConnector
from qilu.modbus_client.stats import ClientStats
from qilu.modbus_client.transaction import ConnectionLostError, ReplyTimeoutError, UnusableReplyError
from qilu.runtime.backoff import Backoff

BUSY_PAUSES = (0.1, 0.5)  # seconds before a device that is busy is polled again
MAX_IDENTITY_REQUESTS = 16  # of one identity: a device that always has more would never end
CONNECT_AGAIN = 3  # attempts after a connection that had worked is lost

Progress = Callable[[int], object]
"""Is called with the number of addresses or units that are done."""


def _late(unit: int, seconds: float) -> None:
    """A reply to a question that was given up."""


def settings_for(
    url: str,
    timeout: float,
    message_spacing: float = 0.0,
    quirks: Mapping[str, object] | None = None,
    tls: TlsSettings | None = None,
) -> ModbusSettings:
    """What the gateway would have in its file for this endpoint; `quirks` and `tls` as there."""
    return ModbusSettings(
        type="modbus",
        url=url,
        tls=tls,
        timeout=timeout,
        message_spacing=message_spacing,
        quirks=Quirks.model_validate(quirks or {}),
        devices=(DeviceSettings(device="probed", profile="probed"),),
    )


class Prober:
    """Used with `async with`, which connects: UnreachableError where that fails."""

    def __init__(self, settings: ModbusSettings, random: Random) -> None:
        self.url = settings.url
        self.settings = settings
        self.notes: list[str] = []
        """What the replies have wrong, and the quirks of a source that accept it, which are set here too."""
        self._quirks: dict[str, object] = {}
        self._random = random
        self._backoff = Backoff(random, first=0.2, max_s=2.0)
        self._link: EndpointConnector | None = None

    async def __aenter__(self) -> Self:
        self._link = await self._connector().__aenter__()
        try:
            await self._connected(attempts=1)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    def _connector(self) -> EndpointConnector:
        return EndpointConnector(
            self.settings.client_options, self._backoff, ClientStats(), _late, self._random
        )

    async def _accepts(self, error: QiluError) -> bool:
        """Whether the replies are accepted from now on, with quirks that were not set yet."""
        quirks = error.quirks if isinstance(error, ProtocolError | UnusableReplyError) else {}
        if self._link is None or all(key in self._quirks for key in quirks):
            return False
        self.notes.append(str(error))
        self._quirks |= quirks
        settings = self.settings
        self.settings = settings_for(
            self.url, settings.timeout, settings.message_spacing, self._quirks, settings.tls
        )
        await self._link.__aexit__(None, None, None)
        self._link = await self._connector().__aenter__()
        return True

    async def __aexit__(self, *_: object) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.__aexit__(None, None, None)

    async def ask(self, unit: int, request: bytes) -> bytes:
        """The data of the reply; ReplyTimeoutError, ExceptionReply, ... as the gateway knows them.

        Replies that a quirk accepts are accepted, and noted. A connection that was lost is made again, and a
        device that is busy is asked again.
        """
        pauses, lost = list(BUSY_PAUSES), False
        while True:
            connection, settings = await self._connected(attempts=CONNECT_AGAIN), self.settings
            try:
                return await connection.request(unit, request, settings.timeout, settings.message_spacing)
            except (AcknowledgeReply, DeviceBusy):
                if not pauses:
                    raise
                await asyncio.sleep(pauses.pop(0))
            except ConnectionLostError:
                connection.record.closed_by_us = True  # which is no reason to wait before the next one
                if lost:
                    raise
                lost = True  # many devices close a connection that was idle
            except QiluError as error:
                if not await self._accepts(error):
                    raise

    def reconnect(self) -> None:
        """Ask what follows over a new connection."""
        assert self._link is not None, "a prober asks inside its `async with`"
        self._link.disconnect()

    async def _connected(self, attempts: int) -> Connection:
        assert self._link is not None, "a prober asks inside its `async with`"
        loop = asyncio.get_running_loop()
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(0.3 * attempt)
            connection = await self._link.connected(loop.time() + self.settings.connect_timeout + 1)
            if connection is not None:
                return connection
        raise UnreachableError(f"{self.url}: no connection: {self._link.problem}")


async def read_range(prober: Prober, unit: int, full_span: Range, progress: Progress = int) -> Dump:
    """Everything that the device has there; what it has not is named with the reason.

    UnreachableError where it answers nothing at all.
    """
    search = RangeSearch(full_span)
    replied = False
    while (span := search.next()) is not None:
        request = read_request(span.table.read_function, span.first, span.size)
        try:
            data = await prober.ask(unit, request)
        except (IllegalFunction, IllegalAddress, IllegalValue, DeviceFailure) as error:
            replied = True
            search.refused(error.code.name.lower().replace("_", " "))
        except (ReplyTimeoutError, ProtocolError, ConnectionLostError) as error:
            # It may be alive and ignore what it does not have, or blocks of this length.
            replied = replied or await ping(prober, unit) is not None
            if not replied:
                raise UnreachableError(str(error)) from error
            search.refused(_NO_REPLY.get(type(error), "no answer"), timed_out=True)
        except ModbusError as error:
            search.abandoned(str(error))
        else:
            replied = True
            search.good(_values(span, data))
        progress(search.known)
    return search.dump()


_NO_REPLY: Mapping[type[QiluError], str] = {
    ConnectionLostError: "the device closes the connection",
    UnusableReplyError: "what came is no reply",
    ProtocolError: "what came is no reply",
}


def _values(span: Range, data: bytes) -> list[int]:
    """Bits or registers, as the table has them."""
    if span.table.holds_bits:
        return [int(bit) for bit in unpack_bits(data, span.size)]
    return list(struct.unpack(f">{span.size}H", data))


async def identity(prober: Prober, unit: int) -> Mapping[int, str]:
    """The identification of the device (function 43/14), by object id; empty where it has none."""
    objects: dict[int, str] = {}
    request = ReadIdentity(Access.REGULAR)
    for _ in range(MAX_IDENTITY_REQUESTS):
        try:
            part = response_identity(request, await prober.ask(unit, request.encode()))
        except IllegalValue:  # has the basic objects only
            if request.access == Access.BASIC:
                break
            request = ReadIdentity(Access.BASIC)
            continue
        except (ModbusError, ReplyTimeoutError, ConnectionLostError):
            # Servers that do not know the function may leave a part of it unread, before the next request.
            prober.reconnect()
            break
        objects |= {number: _on_single_line(text) for number, text in part.objects.items()}
        if part.next_object is None:
            break
        request = ReadIdentity(request.access, part.next_object)
    return objects


def _on_single_line(text: bytes) -> str:
    """Without what would end a line, or steer a terminal."""
    decoded = text.decode("utf-8", "replace")
    return " ".join("".join(character if character.isprintable() else " " for character in decoded).split())


async def ping(prober: Prober, unit: int, tries: int = 1) -> str | None:
    """How a unit answers to the cheapest question: "answers", "exception ..."; None where nobody is there.

    `tries`: 2 finds a device that is asleep, and loses the first request.
    """
    try:
        await prober.ask(unit, read_request(Table.HOLDING.read_function, 0, 1))
    except (ProtocolError, UnusableReplyError) as error:
        return str(error)
    except (ReplyTimeoutError, GatewayPathUnavailable, TargetFailedToRespond, ConnectionLostError):
        return await ping(prober, unit, tries - 1) if tries > 1 else None
    except ExceptionReply as error:
        return f"answers with exception {error.code.value} ({error.code.name.lower().replace('_', ' ')})"
    except ModbusError as error:
        return str(error)
    return "answers"
