"""One connection by itself: when its requests leave, and when it gives them up."""

from __future__ import annotations

from gateway.sources.modbus.endpoint import Endpoint, SerialLine
from gateway.sources.modbus.line.exchange import Exchange, ReplyTimeoutError, Rules
from gateway.sources.modbus.line.link import new_connection
from gateway.sources.modbus.line.transport import Connection
from gateway.sources.modbus.stats import SourceStats
from qilu.modbus.functions import Function
from qilu.modbus.pdu import read_request
from tests.gateway.sources.peer import Asked, Line, Peer, dial_in_memory, normal
from tests.support.virtual_time import virtual_time


async def connection_to(peer: Peer, rules: Rules) -> Connection:
    peer.framing = rules.framing

    def made() -> Connection:
        return new_connection("far side", rules, SourceStats(), late=lambda unit, seconds: None)

    connection = await dial_in_memory(peer)(Endpoint("tcp", "10.0.0.1", 502), made)
    assert isinstance(connection, Connection)
    return connection


def ask(unit: int, count: int = 1) -> Exchange:
    return Exchange(unit, read_request(Function.READ_HOLDING_REGISTERS, 0, count))


@virtual_time
async def test_a_device_that_needs_silence_has_it_before_and_after_beside_devices_that_do_not() -> None:
    peer = Peer()
    connection = await connection_to(peer, Rules(framing="rtu"))
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

    connection = await connection_to(Peer(behave), Rules(framing="rtu", serial=SerialLine(9600)))
    long, brief = ask(1, 125), ask(1)
    await connection.read([long, brief], 0.05, 0.0)
    assert long.data is not None
    assert isinstance(brief.error, ReplyTimeoutError)
    assert brief.ended_at == brief.deadline
