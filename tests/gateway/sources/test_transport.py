"""One connection by itself: when its requests leave, and when it gives them up."""

from __future__ import annotations

from random import Random

import pytest

from gateway.sources.modbus.stats import SourceStats
from qilu.modbus.functions import Function
from qilu.modbus.pdu import read_request
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import new_connection
from qilu.modbus_client.endpoint_state import EndpointState
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.transaction import ReplyTimeoutError, Transaction
from tests.gateway.sources.peer import Asked, Line, Peer, dial_in_memory, normal, truth
from tests.support.virtual_time import virtual_time


async def connection_to(peer: Peer, options: ClientOptions) -> Connection:
    peer.framing = options.framing

    def made() -> Connection:
        return new_connection(
            options,
            SourceStats(),
            lambda unit, seconds: None,
            EndpointState(options, Random(7)),
        )

    connection = await dial_in_memory(peer)(options, made)
    assert isinstance(connection, Connection)
    return connection


def ask(unit: int, count: int = 1) -> Transaction:
    return Transaction(unit, read_request(Function.READ_HOLDING_REGISTERS, 0, count))


@virtual_time
async def test_a_device_that_needs_silence_has_it_before_and_after_beside_devices_that_do_not() -> None:
    peer = Peer()
    connection = await connection_to(peer, ClientOptions("rtu+tcp://10.0.0.1"))
    for unit, gap in [(1, 0.0), (2, 0.1), (3, 0.0), (3, 0.0)]:
        await connection.read([ask(unit)], 1.0, gap)
    begin = peer.asked[0].time
    assert [round(asked.time - begin, 6) for asked in peer.asked] == [0, 0.1, 0.2, 0.2]


@virtual_time
async def test_a_brief_request_on_a_serial_line_is_given_up_in_time_after_a_long_one() -> None:
    """The long one may take a quarter of a second on the line, the brief one an eightieth."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.read.quantity == 125:
            normal(line, asked)

    connection = await connection_to(Peer(behave), ClientOptions("rtu:///dev/ttyUSB0"))
    long, brief = ask(1, 125), ask(1)
    await connection.read([long, brief], 0.05, 0.0)
    assert long.data is not None
    assert isinstance(brief.error, ReplyTimeoutError)
    assert brief.ended_at == brief.deadline


@pytest.mark.parametrize("at_once", [True, False], ids=["in one go", "one by one"])
@pytest.mark.parametrize("missing", range(1, 22))
@virtual_time
async def test_a_reply_that_is_too_short_is_not_filled_up_with_the_next_one(
    missing: int, at_once: bool
) -> None:
    """Where several requests are open the next one comes at once, and its head would be taken for values."""

    def behave(line: Line, asked: Asked) -> None:
        frame = line.answer(asked)
        short = frame[:-missing] if asked.unit == 1 else frame
        line.say(short, 0.1 if at_once else asked.unit / 10)

    connection = await connection_to(Peer(behave), ClientOptions("tcp://10.0.0.1", max_in_flight=3))
    transactions = [ask(unit, 6) for unit in (1, 2, 3)]
    await connection.read(transactions, 1.0, 0.0)
    right = [b"".join(truth(unit, place).to_bytes(2) for place in range(6)) for unit in (1, 2, 3)]
    for transaction, data in zip(transactions, right, strict=True):
        assert transaction.data in (None, data)
        assert transaction.error is not None or transaction.data is not None
